"""A real Docker engine with compose: the machine's own, else one made here from Debian's packages.

The one made here is a Debian system below `.santral/docker` (mmdebstrap, the mirror of the
machine's own apt), started in mount and process namespaces of its own: when its first process is
gone, so is everything it ever started. It needs root. It pulls nothing: the pinned base images are
made from the same mirror and imported under their names, so the Dockerfiles are built as they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from cti.asterisk.prefix import Machine, Recipe, unpacked
from cti.settings import CHECKOUT
from ivr.errors import CannotInstall

PACKAGES = "docker.io,docker-cli,docker-compose,docker-buildx,iptables,tini,ca-certificates"
MMDEBSTRAP = Recipe(
    name="mmdebstrap",
    title="mmdebstrap",
    suite="testing",
    packages=("mmdebstrap",),
    libraries_of={},
    version=r"1\.",
    remedy="Install Docker with its compose plugin.",
)
START = """\
set -eu
root=$1 home=$2 checkout=$3 socket=$4
mount --make-rprivate /
mount --bind "$root" "$root"
cd "$root"
mkdir -p proc sys dev run tmp .host
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mkdir -p ".$home" ".$checkout"
mount --bind "$home" ".$home"
mount --rbind "$checkout" ".$checkout"
cp /etc/resolv.conf /etc/hosts etc/
pivot_root . .host
export PATH=/usr/sbin:/usr/bin
exec chroot . sh -c 'umount -l /.host; mkdir -p /run; exec dockerd "$@"' dockerd \\
    --data-root "$home/data" --exec-root /run/docker --pidfile /run/docker.pid \\
    --host "unix://$socket" --bridge none --iptables=false --ip6tables=false
"""
FORWARDED = ("Acquire::Check-Valid-Until", "Acquire::http::Proxy", "Acquire::https::Proxy")
UP_TIMEOUT = 60.0


class NoEngine(Exception):
    """Why there is no Docker engine here."""


@dataclass
class Docker:
    """`docker …` on some engine. `before` is what has to stand before the command."""

    before: tuple[str, ...] = ("docker",)
    environment: Mapping[str, str] = field(default_factory=dict)
    made_here: bool = False

    def run(
        self, *words: str, timeout: float, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end; what it said is in `stdout`, errors among it."""
        done = subprocess.run(
            [*self.before, *words],
            env={**os.environ, **self.environment, **environment},
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            raise RuntimeError(f"docker {' '.join(words)}: {done.stdout[-4000:]}")
        return done


@contextlib.contextmanager
def docker_engine(state: Path) -> Iterator[Docker]:
    """The machine's engine, else our own for as long as the block. Raises `NoEngine`."""
    own = Docker()
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        asked = own.run("compose", "ls", timeout=20, check=False)
        if asked.returncode == 0:
            yield own
            return
    if os.geteuid() != 0:
        raise NoEngine("no Docker engine with compose, and only root can run one made here")
    for program in ("unshare", "nsenter", "setpriv", "pivot_root", "perl"):
        if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
            raise NoEngine(f"no Docker engine with compose, and no {program} to run one made here")
    try:
        maker = asyncio.run(unpacked(MMDEBSTRAP, state, print)) / "usr/bin/mmdebstrap"
        root = _system(maker, state, "docker", "testing", PACKAGES)
    except CannotInstall as error:
        raise NoEngine(str(error)) from error
    with _running(root, state) as docker:
        _bases(docker, maker, state)
        yield docker


def pinned_bases() -> dict[str, str]:
    """The base images of our Dockerfiles, each with the suite it is of."""
    names = set()
    for path in (CHECKOUT / "containers").glob("*.Dockerfile"):
        names |= set(re.findall(r"^ARG BASE=(\S+)$", path.read_text(), re.MULTILINE))
    return {name: name.partition(":")[2].partition("-")[0] for name in sorted(names)}


def _bases(docker: Docker, maker: Path, state: Path) -> None:
    for name, suite in pinned_bases().items():
        if docker.run("image", "inspect", name, timeout=30, check=False).returncode == 0:
            continue
        tar = state / "docker-home" / f"{suite}.tar"
        _bootstrap(maker, suite, tar, "")
        docker.run("import", str(tar), name, timeout=120)
        tar.unlink()


def _system(maker: Path, state: Path, name: str, suite: str, packages: str) -> Path:
    """A Debian system in a directory of its own, made whole or not at all."""
    root = state / name
    if not root.is_dir():
        new = state / f".{name}.new"
        shutil.rmtree(new, ignore_errors=True)
        _bootstrap(maker, suite, new, packages)
        new.rename(root)
    return root.resolve()


def _bootstrap(maker: Path, suite: str, target: Path, packages: str) -> None:
    """mmdebstrap, from the first mirror of the machine's apt, with apt's settings for it."""
    source = next(iter(Machine.detect().sources), None)
    if source is None:
        raise CannotInstall("apt has no archive of the distribution itself")
    options = []
    for name in FORWARDED:
        said = subprocess.run(
            ["apt-config", "dump", name], capture_output=True, text=True, check=False
        ).stdout
        options += [f"--aptopt={line.rstrip(';')}" for line in said.splitlines() if '"' in line]
    done = subprocess.run(
        ["perl", str(maker), "--variant=minbase", "--mode=root", *options]
        + ([f"--include={packages}"] if packages else [])
        + [suite, str(target), "-"],
        input=source.stanza(suite),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )
    if done.returncode:
        raise CannotInstall(f"mmdebstrap {suite}: {done.stdout[-1500:]}")


@contextlib.contextmanager
def _running(root: Path, state: Path) -> Iterator[Docker]:
    home = (state / "docker-home").resolve()
    home.mkdir(exist_ok=True)
    socket = home / "docker.sock"
    socket.unlink(missing_ok=True)
    with (home / "dockerd.log").open("w") as log:
        # The kernel ends `unshare` with us, and with `unshare` whatever runs in there.
        process = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL"),
                *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
                *("sh", "-c", START, "start", str(root), str(home), str(CHECKOUT), str(socket)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    first = 0
    try:
        first = _first_process(process)
        docker = Docker(
            ("nsenter", "-t", str(first), "-m", f"--wd={CHECKOUT}", "docker"),
            {"DOCKER_HOST": f"unix://{socket}", "PATH": "/usr/sbin:/usr/bin", "HOME": str(home)},
            made_here=True,
        )
        _wait_until_up(docker, process, home / "dockerd.log")
        yield docker
    finally:
        _stop(process, first)
        _remove_groups()


def _first_process(process: subprocess.Popen[bytes]) -> int:
    """The process that is number one in there, by its number out here."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            if found := psutil.Process(process.pid).children():
                return int(found[0].pid)
        time.sleep(0.05)
    raise NoEngine("namespaces of its own cannot be made here")


def _wait_until_up(docker: Docker, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + UP_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            if docker.run("version", timeout=10, check=False).returncode == 0:
                return
        time.sleep(0.2)
    raise NoEngine(f"the Docker engine did not start: {log.read_text('utf-8', 'replace')[-1500:]}")


def _stop(process: subprocess.Popen[bytes], first: int) -> None:
    if first:
        with contextlib.suppress(ProcessLookupError):
            os.kill(first, signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


def _remove_groups() -> None:
    """The control groups an engine leaves behind, empty by now."""
    for top in (*Path("/sys/fs/cgroup").glob("*/docker"), Path("/sys/fs/cgroup/docker")):
        for path in sorted(top.rglob("*"), key=lambda path: -len(path.parts)):
            if path.is_dir():
                with contextlib.suppress(OSError):
                    path.rmdir()
        with contextlib.suppress(OSError):
            top.rmdir()


def build_secrets(home: Path) -> Mapping[str, str]:
    """What a build behind a mirror needs: pip's index as the machine has it, and who it trusts."""
    said: Sequence[str] = subprocess.run(
        ["python3", "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout.splitlines()
    index = next(
        (one.partition("=")[2].strip("' ") for one in said if "global.index-url" in one), ""
    )
    certificates = Path("/etc/ssl/certs/ca-certificates.crt")
    lines = ["[global]", f"cert = {certificates}", *([f"index-url = {index}"] if index else [])]
    pip, trusted = home / "pip.conf", home / "ca.crt"
    pip.write_text("\n".join(lines) + "\n")
    trusted.write_bytes(certificates.read_bytes() if certificates.exists() else b"")
    return {"SANTRAL_BUILD_PIP": str(pip), "SANTRAL_BUILD_CA": str(trusted)}
