"""Finds the Asterisk and the espeak-ng to use: the machine's own, else ones unpacked without root.

Asterisk 22 comes from Debian's testing suite with every library it needs, the C library included,
and runs under that suite's own loader. espeak-ng comes from the machine's own suite, so that any
program here (pyttsx3 in our Python, too) can load its library. What was unpacked is kept until
`upgrade` is asked for.
"""

from __future__ import annotations

import platform
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cti.asterisk.commands import run
from cti.asterisk.prefix import Recipe, unpacked
from ivr.errors import CannotInstall

Progress = Callable[[str], None]
OLDEST = 20
WANTED = 22
_MODULE_DIRECTORIES = (
    "/usr/lib/{triplet}/asterisk/modules",
    "/usr/lib64/asterisk/modules",
    "/usr/lib/asterisk/modules",
    "/usr/local/lib/asterisk/modules",
)
_DATA_DIRECTORIES = ("/usr/share/asterisk", "/var/lib/asterisk", "/usr/local/share/asterisk")

_WRAPPER = """\
#!/bin/sh
# The unpacked espeak-ng with its own libraries and voices.
here=${0%/*}/..
LD_LIBRARY_PATH=@LIBRARIES@${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
ESPEAK_DATA_PATH=@DATA@
export LD_LIBRARY_PATH ESPEAK_DATA_PATH
exec "$here/usr/bin/espeak-ng" "$@"
"""


def _link_sounds(prefix: Path) -> None:
    """Debian keeps Asterisk's English sounds under their speaker's name; its package links them."""
    sounds = prefix / "usr/share/asterisk/sounds"
    if (sounds / "en_US_f_Allison").is_dir() and not (sounds / "en").exists():
        (sounds / "en").symlink_to("en_US_f_Allison")


def _write_wrapper(prefix: Path) -> None:
    """One command, `bin/espeak-ng`, that needs nothing around it."""
    libraries = [path.relative_to(prefix) for path in library_directories(prefix)]
    data = next((path.parent.relative_to(prefix) for path in _voices(prefix)), Path("usr/share"))
    text = _WRAPPER.replace("@LIBRARIES@", ":".join(f"$here/{path}" for path in libraries))
    (prefix / "bin").mkdir(exist_ok=True)
    wrapper = prefix / "bin/espeak-ng"
    wrapper.write_text(text.replace("@DATA@", f"$here/{data}"))
    wrapper.chmod(0o755)


ASTERISK = Recipe(
    name="asterisk-22",
    title="Asterisk 22",
    suite="testing",
    packages=(
        "asterisk",
        "asterisk-modules",
        "asterisk-core-sounds-en-wav",
        "asterisk-moh-opsound-wav",
        "libc6",
    ),
    # asterisk-modules needs many libraries for modules we never load; these serve those we do.
    libraries_of={
        "asterisk": r"lib|zlib1g",
        "asterisk-modules": r"lib(gsm|opus\d|resample|sqlite3|srtp2|ssl|xml2)|zlib1g",
    },
    version=rf"{WANTED}\.",
    remedy="Install Asterisk 20 or newer with this machine's package manager (asterisk).",
    finish=_link_sounds,
)
ESPEAK = Recipe(
    name="espeak-ng",
    title="espeak-ng",
    suite="",
    packages=("espeak-ng", "espeak-ng-data"),
    libraries_of={"espeak-ng": "lib"},
    without=frozenset({"libc6"}),
    version=r"1\.",
    remedy="Install espeak-ng with this machine's package manager (espeak-ng).",
    finish=_write_wrapper,
)


@dataclass(frozen=True, slots=True)
class Installation:
    """An Asterisk that can be started. `program` is the command without Asterisk's own options."""

    program: tuple[str, ...]
    version: tuple[int, int]
    modules: Path
    data: Path
    origin: str = "system"

    @property
    def title(self) -> str:
        return f"Asterisk {self.version[0]}.{self.version[1]} ({self.origin})"

    def has_module(self, name: str) -> bool:
        return (self.modules / f"{name}.so").exists()


@dataclass(frozen=True, slots=True)
class Espeak:
    """An espeak-ng that can be run: `program` needs nothing around it.

    With `environment` added to its own, a child process finds `libespeak-ng.so.1`, as pyttsx3
    needs it.
    """

    program: tuple[str, ...]
    version: str
    environment: Mapping[str, str] = field(default_factory=dict)
    origin: str = "system"


async def find_asterisk(
    state: Path, progress: Progress = lambda text: None, *, upgrade: bool = False
) -> Installation:
    """The machine's Asterisk, 20 or newer, else one unpacked into `state`/asterisk-22.

    Raises `CannotInstall`, with the one thing to do, where neither can be had.
    """
    return await system_asterisk() or await unpacked_asterisk(state, progress, upgrade=upgrade)


async def unpacked_asterisk(
    state: Path, progress: Progress = lambda text: None, *, upgrade: bool = False
) -> Installation:
    """The Asterisk 22 below `state`, unpacked first where it is not there yet."""
    prefix = await unpacked(ASTERISK, state, progress, upgrade=upgrade)
    libraries = ":".join(map(str, library_directories(prefix)))
    loader = next(iter(sorted(prefix.glob("usr/lib/*/ld-linux-*.so.*"))), None)
    if loader is None:
        raise CannotInstall(f"{prefix} holds no loader. Delete it and start again.")
    program = (
        *(str(loader), "--inhibit-cache", "--library-path", libraries),
        *("--argv0", "asterisk", str(prefix / "usr/sbin/asterisk")),
    )
    version = await asterisk_version(program)
    if version is None or version[0] != WANTED:
        raise CannotInstall(
            f"{prefix} does not hold a working Asterisk 22. Delete it, start again."
        )
    return Installation(
        program,
        version,
        loader.parent / "asterisk/modules",
        prefix / "usr/share/asterisk",
        "unpacked",
    )


async def system_asterisk() -> Installation | None:
    """The Asterisk this machine has, when it is new enough and its modules can be found."""
    program = shutil.which("asterisk") or shutil.which("asterisk", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        return None
    version = await asterisk_version((program,))
    modules = _first(_module_directories(), holding="res_agi.so")
    data = _first(map(Path, _DATA_DIRECTORIES), holding="sounds")
    if version is None or version[0] < OLDEST or modules is None:
        return None
    return Installation((program,), version, modules, data or Path(_DATA_DIRECTORIES[0]))


async def asterisk_version(program: Sequence[str]) -> tuple[int, int] | None:
    """Major and minor version as `asterisk -V` says them; None when it does not run."""
    done = await run((*program, "-V"), timeout=10)
    match = re.match(r"Asterisk (?:certified[/-])?(\d+)\.(\d+)", done.output)
    return (int(match[1]), int(match[2])) if match and done.code == 0 else None


async def find_espeak(
    state: Path, progress: Progress = lambda text: None, *, upgrade: bool = False
) -> Espeak:
    """The machine's espeak-ng, else one unpacked into `state`/espeak-ng.

    Raises `CannotInstall`, with the one thing to do, where neither can be had.
    """
    return await system_espeak() or await unpacked_espeak(state, progress, upgrade=upgrade)


async def system_espeak() -> Espeak | None:
    """The espeak-ng this machine has, when it runs."""
    program = shutil.which("espeak-ng")
    version = await espeak_version((program,)) if program else ""
    return Espeak((program,), version) if program and version else None


async def unpacked_espeak(
    state: Path, progress: Progress = lambda text: None, *, upgrade: bool = False
) -> Espeak:
    """The espeak-ng below `state`, unpacked first where it is not there yet."""
    prefix = await unpacked(ESPEAK, state, progress, upgrade=upgrade)
    data = next(_voices(prefix), prefix)
    environment = {
        "LD_LIBRARY_PATH": ":".join(map(str, library_directories(prefix))),
        "ESPEAK_DATA_PATH": str(data.parent),
    }
    command = (str(prefix / "bin/espeak-ng"),)
    version = await espeak_version(command)
    if not version:
        raise CannotInstall(f"{prefix} does not hold a working espeak-ng. Delete it, start again.")
    return Espeak(command, version, environment, "unpacked")


async def espeak_version(program: Sequence[str]) -> str:
    """espeak-ng's version; empty when it does not run, or has no Turkish or English voice."""
    done = await run((*program, "--version"), timeout=10)
    match = re.search(r"text-to-speech:\s*([\d.]+)", done.output)
    for voice in ("tr", "en"):
        # Without a sound (-q), and the phonemes to standard output (-x).
        said = await run((*program, "-q", "-x", "-v", voice, "--", "bir"), timeout=10)
        if said.code or not said.output.strip():
            return ""
    return match[1] if match and done.code == 0 else ""


def library_directories(prefix: Path) -> list[Path]:
    """Where the libraries of an unpacked prefix lie, in the loader's order."""
    found = [*prefix.glob("usr/lib/*-linux-gnu"), *prefix.glob("lib/*-linux-gnu")]
    return [*found, *(inner for path in found for inner in path.glob("pulseaudio"))]


def _voices(prefix: Path) -> Iterator[Path]:
    """The directories that espeak-ng's voices may be in (`phontab` is among them)."""
    return (path.parent for path in prefix.glob("usr/*/**/espeak-ng-data/phontab"))


def _first(paths: Iterable[Path], *, holding: str) -> Path | None:
    """The first of the directories that has something of this name in it."""
    return next((path for path in paths if (path / holding).exists()), None)


def _module_directories() -> Iterator[Path]:
    configured = Path("/etc/asterisk/asterisk.conf")
    if configured.is_file():
        text = configured.read_text(errors="replace")
        if match := re.search(r"^\s*astmoddir\s*=>?\s*(\S+)", text, re.MULTILINE):
            yield Path(match[1])
    for pattern in _MODULE_DIRECTORIES:
        yield Path(pattern.format(triplet=f"{platform.machine()}-linux-gnu"))
