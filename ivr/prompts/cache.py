"""The sounds on disk: found by what made them, whole or not there, bounded in size.

Several processes may share one. A sound is a file named by the SHA-256 of everything that shapes
it; it is written beside its name and renamed, and its time of access is when it was last used. When
the files outgrow the bound, those that were used longest ago go, but none that a loaded flow needs
in any process (`pins.py`), and none that was used within the last ten minutes: a caller may be
about to hear it.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ivr.audio import Samples
from ivr.errors import BadSetting
from ivr.prompts.pins import Pins
from ivr.prompts.soundfile import TEMPORARY, check_sound, write_sound
from ivr.prompts.units import Unit

FORMAT = 1  # goes up when the same text would now make another sound
USED_LATELY = 600.0  # seconds
ABANDONED = 3600.0  # seconds until a half-written file belongs to nobody
_NOT_FOR_ASTERISK = re.compile(r"[&,|\"'`;\\$\n\r]")  # has a meaning in an application's arguments

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stored:
    """A sound that is there: where, and how long it is."""

    path: Path
    ms: int


class SoundCache:
    """The files below one directory, kept within `limit` bytes. Blocking; OSError when it is full
    or not ours to write to."""

    def __init__(self, directory: Path, limit: int = 500_000_000) -> None:
        self._directory = directory.absolute()
        if _NOT_FOR_ASTERISK.search(str(self._directory)):
            raise BadSetting(f"Asterisk cannot play files below {self._directory}: rename it")
        self._limit = limit
        self._written = 0
        self._sounds = self._directory / "sounds"
        self._pins = Pins(self._directory / "pins")

    @staticmethod
    def key(identity: str, unit: Unit) -> str:
        """Half a SHA-256, since names travel in AGI lines."""
        parts = (str(FORMAT), identity, str(unit.pause), unit.text)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]

    @staticmethod
    def key_of_recording(content: bytes) -> str:
        return hashlib.sha256(f"{FORMAT}\0recorded\0".encode() + content).hexdigest()[:32]

    def path(self, key: str) -> Path:
        return self._sounds / key[:2] / f"{key}.wav"

    def get(self, key: str) -> Stored | None:
        """The sound when it is there and whole; one that is not is removed."""
        path = self.path(key)
        ms = check_sound(path)
        if ms is None:
            if path.exists():
                log.warning("A cached sound was damaged and is made again: %s", path.name)
                path.unlink(missing_ok=True)
            return None
        return Stored(path, ms) if self.touch(path) else None

    def touch(self, path: Path) -> bool:
        """Note that the sound is used; False when it is gone, or not ours any more."""
        try:
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
        except OSError:
            return False
        return True

    def put(self, key: str, samples: Samples) -> Stored:
        """Keep a sound; it is whole for whoever sees it."""
        path = self.path(key)
        ms = write_sound(path, samples)
        self._written += samples.nbytes
        if self._written > self._limit // 20:
            self.trim()
        return Stored(path, ms)

    def silence(self, ms: int, samples: Samples) -> Stored:
        """A silence, which is never removed."""
        path = self._directory / "silence" / f"{ms}.wav"
        length = check_sound(path)
        return Stored(path, write_sound(path, samples) if length is None else length)

    def private(self, name: str, samples: Samples) -> Stored:
        """A sound under a name that tells nothing. Whoever made it removes it."""
        path = self._directory / "secret" / f"{name}.wav"
        return Stored(path, write_sound(path, samples))

    def pin(self, keys: Iterable[str]) -> None:
        """These are needed as long as this process lives."""
        self._pins.add(keys)

    def trim(self) -> int:
        """Remove what is over the bound, down to nine tenths of it; the number of files removed.

        One process does it at a time; the others go on without.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        with (self._directory / "trim.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return 0
            self._written = 0
            return self._sweep() + self._evict(self._pins.all())

    def close(self) -> None:
        """Let go of what was pinned."""
        self._pins.close()

    def _sweep(self) -> int:
        """Half-written files whose writer died, and secrets whose process did."""
        left = [*self._sounds.glob(f"*/*{TEMPORARY}"), *self._directory.glob("secret/*")]
        return sum(_removed(path, unused_for=ABANDONED) for path in left)

    def _evict(self, pinned: frozenset[str]) -> int:
        files: list[tuple[float, int, Path]] = []
        for path in self._sounds.glob("*/*.wav"):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            files.append((max(status.st_atime, status.st_mtime), status.st_size, path))
        size = sum(file[1] for file in files)
        if size <= self._limit:
            return 0
        removed = 0
        for _, length, path in sorted(files):
            if size <= self._limit * 9 // 10:
                break
            if path.stem not in pinned and _removed(path, unused_for=USED_LATELY):
                size -= length
                removed += 1
        if size > self._limit:
            log.warning("The prompts in use take %d MB, more than the bound.", size // 1_000_000)
        return removed


def _removed(path: Path, *, unused_for: float) -> bool:
    """Remove a file unless it was used meanwhile."""
    try:
        status = path.stat()
        if time.time() - max(status.st_atime, status.st_mtime) < unused_for:
            return False
        path.unlink()
    except FileNotFoundError:
        return False
    return True
