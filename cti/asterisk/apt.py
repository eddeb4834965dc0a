"""Packages of a Debian suite for a prefix of our own: apt with a private state, and no root.

apt itself fetches and checks every signature and checksum, with the keys this machine trusts; what
it changes is only below the directory it is given.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cti.asterisk.commands import Finished, run
from cti.asterisk.sources import DEBIAN_KEYRING, Source
from ivr.errors import CannotInstall

UPDATE_TIMEOUT = 300.0
DOWNLOAD_TIMEOUT = 900.0
UNPACK_TIMEOUT = 120.0
QUERY_TIMEOUT = 60.0

# apt reads it after the machine's own settings (`-c`), so proxies and the like still hold.
_CONFIGURATION = """\
Dir::State "{home}/state";
Dir::State::lists "{home}/lists";
Dir::State::status "/dev/null";
Dir::Cache "{home}/cache";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{home}/sources";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Get::AllowUnauthenticated "false";
APT::Sandbox::User "root";
Acquire::AllowInsecureRepositories "false";
Acquire::Languages "none";
Acquire::Retries "1";
#clear APT::Architectures;
APT::Architectures:: "{architecture}";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What the packages of a suite need (`Depends:` only), as `apt-cache depends` tells it."""

    needs: Mapping[str, tuple[str, ...]]

    @classmethod
    def parse(cls, text: str) -> Dependencies:
        """Packages stand at the line's start, what they need is indented; pure."""
        needs: dict[str, list[str]] = {}
        current: list[str] = []
        for line in text.splitlines():
            if line and line[0] not in " |":
                current = needs.setdefault(line.strip(), [])
            elif match := re.match(r"[ |]*Depends: (\S+)", line):
                current.append(match[1])
        return cls({name: tuple(found) for name, found in needs.items()})

    def closure(self, roots: Iterable[str], *, without: Collection[str] = ()) -> list[str]:
        """The roots and every shared library below them; programs and data are not followed."""
        found: dict[str, None] = {}
        waiting = list(roots)
        while waiting:
            name = waiting.pop(0)
            if name in found or name in without:
                continue
            found[name] = None
            waiting += [need for need in self.needs.get(name, ()) if is_library(need)]
        return list(found)


def is_library(package: str) -> bool:
    """Debian names the packages of shared libraries `lib…`; zlib is the old exception."""
    return package.startswith(("lib", "zlib1g")) and not package.startswith("libc-")


@dataclass(frozen=True, slots=True)
class Archive:
    """One suite of one mirror, with everything apt writes about it below `home`."""

    home: Path
    source: Source
    suite: str
    architecture: str
    configuration: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "configuration", self.home / "apt.conf")

    def prepare(self) -> None:
        """Write apt's private settings. `CannotInstall` for a directory that apt cannot name."""
        if re.search(r'["\n]', str(self.home)):
            raise CannotInstall(f"apt cannot work in a directory of this name: {self.home}")
        for part in ("state", "lists/partial", "cache/archives/partial", "sources", "packages"):
            (self.home / part).mkdir(parents=True, exist_ok=True)
        keyring = DEBIAN_KEYRING if Path(DEBIAN_KEYRING).exists() else ""
        stanza = self.source.stanza(self.suite, keyring=keyring)
        (self.home / "sources" / "santral.sources").write_text(stanza)
        text = _CONFIGURATION.format(home=self.home, architecture=self.architecture)
        self.configuration.write_text(text)

    async def update(self) -> Finished:
        """Fetch the suite's list; the result's code is not 0 when any of it failed."""
        return await self._apt("apt-get", "update", "-q", "--error-on=any", timeout=UPDATE_TIMEOUT)

    async def dependencies(self, roots: Sequence[str]) -> Dependencies:
        """Everything the roots need, at any depth."""
        kinds = "recommends suggests conflicts breaks replaces enhances pre-depends"
        flags = [f"--no-{kind}" for kind in kinds.split()]
        done = await self._apt("apt-cache", "depends", "--recurse", *flags, *roots)
        return Dependencies.parse(done.output if done.code == 0 else "")

    async def version(self, package: str) -> str:
        """The version the suite has, without its epoch; empty when it has none."""
        done = await self._apt("apt-cache", "show", "--no-all-versions", package)
        match = re.search(r"^Version: (?:\d+:)?(\S+)", done.output, re.MULTILINE)
        return match[1] if match and done.code == 0 else ""

    async def download(self, packages: Sequence[str]) -> list[Path]:
        """Fetch the packages' files, every one checked by apt; `CannotInstall` when one fails."""
        into = self.home / "packages"
        done = await self._apt(
            "apt-get", "download", "-q", *packages, timeout=DOWNLOAD_TIMEOUT, directory=into
        )
        files = await asyncio.to_thread(lambda: sorted(into.glob("*.deb")))
        if done.code or len(files) < len(packages):
            raise CannotInstall(f"apt could not download the packages: {done.reason}")
        return files

    async def _apt(
        self,
        program: str,
        *words: str,
        timeout: float = QUERY_TIMEOUT,
        directory: Path | None = None,
    ) -> Finished:
        command = (program, "-c", str(self.configuration), *words)
        try:
            return await run(command, timeout=timeout, directory=directory)
        except TimeoutError:
            return Finished(124, f"E: {program} {words[0]} took more than {timeout:.0f} s")


async def unpack(packages: Iterable[Path], prefix: Path) -> None:
    """Unpack Debian packages below `prefix`, a few at a time; `CannotInstall` for a broken one."""
    await asyncio.to_thread(prefix.mkdir, parents=True)
    gate = asyncio.Semaphore(os.cpu_count() or 2)

    async def one(package: Path) -> Finished:
        async with gate:
            command = ("dpkg-deb", "--extract", str(package), str(prefix))
            return await run(command, timeout=UNPACK_TIMEOUT)

    for done in await asyncio.gather(*map(one, packages)):
        if done.code:
            raise CannotInstall(f"A downloaded package could not be unpacked: {done.reason}")
