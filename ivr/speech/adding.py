"""Adding a speech model from a folder, an archive or a URL.

Nothing is fetched before the caller has agreed to what `offer` says: where from, how big, under
which licence. Archives are strangers: their names must stay inside, links and devices are refused,
and so is one that unpacks to far more than it is.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import unquote, urlsplit

import aiohttp

from ivr.errors import BadInput
from ivr.speech.models import ADDED, ModelInfo, describe, is_model, prove, size_text

LARGEST = 12 * 10**9  # bytes unpacked; the largest official model has 5
RATIO = 200  # an honest model packs to a half or a third
MOST_FILES = 5000
ANSWER = 30.0  # seconds a server may be silent
# Official models and the licence their publisher lists for them.
KNOWN_LICENCES = {
    "vosk-model-small-tr-0.3": "Apache 2.0",
    "vosk-model-small-en-us-0.15": "Apache 2.0",
    "vosk-model-en-us-0.22": "Apache 2.0",
    "vosk-model-en-us-0.22-lgraph": "Apache 2.0",
}
UNSTATED = "not stated; look it up at its publisher before you use it"
_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z]{2})?")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class Offer:
    """What would be added: shown before anything is fetched or copied. `size` is 0 when unknown."""

    source: str
    name: str
    size: int
    licence: str

    def __str__(self) -> str:
        size = size_text(self.size) if self.size else "of unknown size"
        return f"{self.name}, {size}, from {self.source}; licence: {self.licence}"


async def offer(source: str) -> Offer:
    """What a source holds. A URL's server is asked for the size only. Raises `BadInput`."""
    if _is_url(source):
        return await _offer_url(source)
    return await asyncio.to_thread(_offer_path, source)


def _offer_path(source: str) -> Offer:
    path = Path(source)
    if path.is_dir():
        model = describe(path)
        return Offer(source, model.name, model.size, model.licence)
    if not path.is_file():
        raise BadInput(f"{source} is neither a folder, nor an archive, nor an http(s) address")
    name = _archive_name(path.name)
    return Offer(source, name, path.stat().st_size, KNOWN_LICENCES.get(name, UNSTATED))


async def add(source: str, root: Path, language: str, *, sha256: str = "") -> ModelInfo:
    """Put the model into `root` for a language, proved by loading it. Raises `BadInput`.

    `sha256` is the archive's, in hexadecimal; without it an archive is taken as it comes. The model
    appears whole or not at all. Whoever calls this has shown `offer` first.
    """
    if not _LANGUAGE.fullmatch(language):
        raise BadInput(f"{language!r} is not a language; write its code, as tr, en or pt-br")
    if sha256 and not _SHA256.fullmatch(sha256):
        raise BadInput("a sha256 has 64 hexadecimal digits")
    offered = await offer(source)
    target = root / language / offered.name
    if target.exists():
        raise BadInput(f"{target} is there already; remove it first to replace it")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".adding-") as work:
        folder = await _bring(source, Path(work), sha256)
        await asyncio.to_thread(prove, folder, language)
        known = {"name": offered.name, "language": language, "source": source}
        known["licence"] = offered.licence if offered.licence != UNSTATED else ""
        (folder / ADDED).write_text(json.dumps(known, ensure_ascii=False))
        folder.rename(target)
    return describe(target, language)


async def _bring(source: str, work: Path, sha256: str) -> Path:
    """The model's folder, unpacked or copied into `work`."""
    archive = Path(source)
    if _is_url(source):
        archive = work / "archive"
        await _fetch(source, archive)
    return await asyncio.to_thread(_bring_path, archive, work, sha256, source)


def _bring_path(path: Path, work: Path, sha256: str, source: str) -> Path:
    if path.is_dir():
        if sha256:
            raise BadInput("a sha256 belongs to an archive, not to a folder")
        folder = work / "model"
        shutil.copytree(path, folder)
        return folder
    if sha256 and (found := _digest(path)) != sha256.lower():
        raise BadInput(f"{source} is not what was expected: its sha256 is {found}")
    unpacked = work / "unpacked"
    unpack(path, unpacked)
    return _model_inside(unpacked, source)


async def _offer_url(source: str) -> Offer:
    name = _archive_name(unquote(PurePosixPath(urlsplit(source).path).name))
    with _asking(source):
        async with _client() as client, client.head(source, allow_redirects=True) as answer:
            if answer.status >= 400:
                raise BadInput(f"{source} cannot be fetched: {answer.status} {answer.reason}")
            size = answer.content_length or 0
    return Offer(source, name, size, KNOWN_LICENCES.get(name, UNSTATED))


async def _fetch(source: str, target: Path) -> None:
    with _asking(source):
        async with _client() as client, client.get(source) as answer:
            if answer.status != 200:
                raise BadInput(f"{source} cannot be fetched: {answer.status} {answer.reason}")
            count = 0
            file = await asyncio.to_thread(target.open, "wb")
            try:
                async for piece in answer.content.iter_chunked(1 << 20):
                    count += len(piece)
                    if count > LARGEST:
                        raise BadInput(f"{source} is larger than {size_text(LARGEST)}")
                    await asyncio.to_thread(file.write, piece)
            finally:
                await asyncio.to_thread(file.close)


def unpack(archive: Path, target: Path) -> None:
    """Unpack a zip or tar archive into a new folder. Raises `BadInput`; blocks."""
    target.mkdir()
    try:
        if zipfile.is_zipfile(archive):
            _unzip(archive, target)
        elif tarfile.is_tarfile(archive):
            _untar(archive, target)
        else:
            raise BadInput(f"{archive.name} is not a zip or tar archive, or it is cut off")
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise BadInput(f"{archive.name} is damaged or cut off: {error}") from error
    except (RuntimeError, NotImplementedError) as error:  # zipfile: a password, or an odd method
        raise BadInput(f"{archive.name} cannot be unpacked: {error}") from error


def _unzip(archive: Path, target: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        budget = _Budget(archive)
        for entry in file.infolist():
            mode = entry.external_attr >> 16
            if mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or not stat.S_IFMT(mode)):
                raise BadInput(f"{archive.name} holds {entry.filename!r}, which is no plain file")
            path = _inside(target, entry.filename, archive)
            if entry.is_dir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            with file.open(entry) as source:
                budget.copy(source, path)


def _untar(archive: Path, target: Path) -> None:
    with tarfile.open(archive) as file:
        budget = _Budget(archive)
        for entry in file:
            path = _inside(target, entry.name, archive)
            if entry.isdir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            source = file.extractfile(entry) if entry.isreg() else None
            if source is None:
                raise BadInput(f"{archive.name} holds {entry.name!r}, which is no plain file")
            with source:
                budget.copy(source, path)


class _Budget:
    """Counts what comes out of an archive while it does: headers can lie."""

    def __init__(self, archive: Path) -> None:
        self._name = archive.name
        self._left = min(LARGEST, max(archive.stat().st_size, 4096) * RATIO)
        self._files = 0

    def copy(self, source: IO[bytes], path: Path) -> None:
        self._files += 1
        if self._files > MOST_FILES:
            raise BadInput(f"{self._name} holds more than {MOST_FILES} files: that is no model")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            while piece := source.read(1 << 20):
                self._left -= len(piece)
                if self._left < 0:
                    raise BadInput(f"{self._name} unpacks to far more than it is: not unpacked")
                file.write(piece)


def _inside(target: Path, name: str, archive: Path) -> Path:
    """Where an entry goes; its name must not lead out."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    bad = not parts or ".." in parts or parts[0] == "/" or ":" in parts[0] or "\0" in name
    if bad and name.strip("./"):
        raise BadInput(f"{archive.name} holds {name!r}, which leads out of it: not unpacked")
    return target.joinpath(*(part for part in parts if part != "/"))


def _model_inside(folder: Path, source: str) -> Path:
    """The model in what was unpacked: at its top, or in the one folder that has one."""
    if is_model(folder):  # not looked into: its `am` would pass for a model of the older layout
        return folder
    found = [one for one in sorted(folder.iterdir()) if one.is_dir() and is_model(one)]
    if len(found) != 1:
        what = "no Vosk model (am/final.mdl)" if not found else "more than one model"
        raise BadInput(f"{source} holds {what}")
    return found[0]


def _archive_name(file: str) -> str:
    for suffix in sorted(_SUFFIXES, key=len, reverse=True):
        if file.lower().endswith(suffix):
            name = file[: -len(suffix)]
            if re.fullmatch(r"[\w][\w.+-]{0,100}", name):
                return name
    raise BadInput(f"{file!r} is not the name of an archive; they end with {', '.join(_SUFFIXES)}")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_url(source: str) -> bool:
    return source.startswith(("http://", "https://"))


def _client() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=ANSWER, sock_read=ANSWER)
    )


@contextmanager
def _asking(source: str) -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise BadInput(f"{source} cannot be fetched: {error or type(error).__name__}") from error
