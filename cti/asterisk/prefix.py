"""A prefix below `.santral/`: packages of the distribution unpacked there, whole or not at all.

Everything is fetched and unpacked beside the prefix and renamed into place as the last act, under a
lock that the kernel drops with its owner: an interrupted run leaves nothing half done behind, and
of two runs at once the second waits for the first.
"""

from __future__ import annotations

import asyncio
import platform
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cti.asterisk import sources
from cti.asterisk.apt import Archive, unpack
from cti.asterisk.locking import locked
from cti.asterisk.sources import Source
from ivr.errors import CannotInstall

ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
LOCK_TIMEOUT = 600.0


@dataclass(frozen=True, slots=True)
class Machine:
    """What decides whether anything can be unpacked here: processor, distribution and its apt."""

    processor: str
    distribution: str
    sources: tuple[Source, ...]
    has_apt: bool = True

    @classmethod
    def detect(cls, root: Path = Path("/")) -> Machine:
        """This machine, or the one whose files lie below `root`."""
        release = ""
        for path in (root / "etc/os-release", root / "usr/lib/os-release"):
            release = release or (path.read_text(errors="replace") if path.is_file() else "")
        folder = root / "etc/apt"
        read = [
            source
            for file in (folder / "sources.list", *sorted(folder.glob("sources.list.d/*")))
            if file.suffix in {".list", ".sources"} and file.is_file()
            for source in sources.parse(file.name, file.read_text(errors="replace"))
        ]
        return cls(
            processor=platform.machine(),
            distribution=sources.os_release(release, "ID"),
            sources=tuple(
                sources.candidates(read, sources.os_release(release, "VERSION_CODENAME"))
            ),
            has_apt=bool(shutil.which("apt-get") and shutil.which("dpkg-deb")),
        )


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to unpack. `suite` is empty for the machine's own.

    `libraries_of` names, for a package, which of its libraries are wanted (a pattern); whatever
    those need in turn comes along. `version` is the pattern the first package's version must match.
    `remedy` is the one thing to do where this cannot work; `finish` gets what was unpacked.
    """

    name: str
    title: str
    suite: str
    packages: tuple[str, ...]
    libraries_of: Mapping[str, str]
    version: str
    remedy: str
    without: frozenset[str] = frozenset()
    finish: Callable[[Path], None] = lambda prefix: None


async def unpacked(
    recipe: Recipe,
    state: Path,
    progress: Callable[[str], None],
    *,
    upgrade: bool = False,
    machine: Machine | None = None,
) -> Path:
    """The recipe's prefix below `state`, made when it is not there (or to be upgraded).

    Raises `CannotInstall`, with the one thing to do, where that cannot work.
    """
    state = _made(state)
    prefix = state / recipe.name
    if _is_there(prefix) and not upgrade:
        return prefix
    lock = state / f"{recipe.name}.lock"
    waiting = f"{recipe.title}: waiting for another run that unpacks it …"
    async with locked(lock, LOCK_TIMEOUT, lambda: progress(waiting)):
        if _is_there(prefix) and not upgrade:
            return prefix
        _clear_leftovers(state, recipe)
        work = Path(tempfile.mkdtemp(prefix=f".{recipe.name}-", dir=state))
        try:
            await _fetch(recipe, machine or Machine.detect(), work, progress)
            _put_in_place(prefix, work)
        except OSError as error:
            raise CannotInstall(f"{recipe.title} could not be unpacked: {error}.") from error
        finally:
            await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)
    return prefix


async def _fetch(
    recipe: Recipe, machine: Machine, work: Path, progress: Callable[[str], None]
) -> None:
    architecture = _check(recipe, machine)
    progress(f"{recipe.title}: reading the distribution's package list …")
    archive = await _archive(recipe, machine, work, architecture)
    version = await archive.version(recipe.packages[0])
    if not re.match(recipe.version, version):
        raise CannotInstall(
            f"The suite {archive.suite} has {recipe.packages[0]} {version or 'not at all'}. "
            f"{recipe.remedy}"
        )
    dependencies = await archive.dependencies(list(recipe.libraries_of))
    wanted = [
        need
        for package, pattern in recipe.libraries_of.items()
        for need in dependencies.needs.get(package, ())
        if re.match(pattern, need)
    ]
    libraries = dependencies.closure(wanted, without=recipe.without)
    packages = list(dict.fromkeys((*recipe.packages, *libraries)))
    progress(f"{recipe.title} {version}: downloading {len(packages)} packages …")
    files = await archive.download(packages)
    size = sum(file.stat().st_size for file in files) / 1e6
    progress(f"{recipe.title} {version}: unpacking {size:.0f} MB …")
    await unpack(files, work / "prefix")
    recipe.finish(work / "prefix")


def _check(recipe: Recipe, machine: Machine) -> str:
    """The architecture in Debian's words; `CannotInstall` where nothing can work."""
    architecture = ARCHITECTURES.get(machine.processor)
    if not machine.has_apt:
        raise CannotInstall(f"{recipe.title} is missing, and there is no apt here. {recipe.remedy}")
    if architecture is None:
        raise CannotInstall(
            f"{recipe.title} can be unpacked for amd64 and arm64, not for {machine.processor}. "
            f"{recipe.remedy}"
        )
    if recipe.suite and machine.distribution != "debian":
        raise CannotInstall(
            f"{recipe.title} can be unpacked on Debian, not on {machine.distribution or 'this'}. "
            f"{recipe.remedy}"
        )
    return architecture


async def _archive(recipe: Recipe, machine: Machine, work: Path, architecture: str) -> Archive:
    """The first archive of the machine's apt that has the suite, its list fetched."""
    reason = "apt has no archive of the distribution itself"
    for number, source in enumerate(machine.sources):
        suite = recipe.suite or source.suites[0]
        archive = Archive(work / f"apt-{number}", source, suite, architecture)
        archive.prepare()
        done = await archive.update()
        if done.code == 0:
            return archive
        reason = done.reason
    raise CannotInstall(f"{recipe.title} cannot be fetched ({reason}). {recipe.remedy}")


def _clear_leftovers(state: Path, recipe: Recipe) -> None:
    """What an interrupted run left; nobody else works here while we hold the lock."""
    for left in state.glob(f".{recipe.name}-*"):
        shutil.rmtree(left, ignore_errors=True)


def _made(state: Path) -> Path:
    state.mkdir(parents=True, exist_ok=True)
    return state.resolve()


def _is_there(prefix: Path) -> bool:
    return prefix.is_dir()


def _put_in_place(prefix: Path, work: Path) -> None:
    """Two renames on one file system: the old prefix out of the way, the new one in."""
    if prefix.exists():
        prefix.rename(work / "old")
    (work / "prefix").rename(prefix)
