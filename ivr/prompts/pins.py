"""Which sounds must stay, told to every process that shares a cache.

Each process appends the keys it needs to a file of its own and holds a lock on that file while it
lives; a file that can be locked by another belongs to a process that has ended, and is removed.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import threading
from collections.abc import Iterable
from pathlib import Path


class Pins:
    """This process's keys. Blocking; every method may raise OSError."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._keys: set[str] = set()
        self._file: int | None = None
        self._path: Path | None = None
        self._turn = threading.Lock()

    def add(self, keys: Iterable[str]) -> None:
        """Keep these, from now until the process ends."""
        with self._turn:
            new = set(keys) - self._keys
            if new:
                if self._file is None:
                    self._file = self._open()
                os.write(self._file, "".join(f"{key}\n" for key in sorted(new)).encode())
                self._keys |= new

    def all(self) -> frozenset[str]:
        """Every key that a living process needs."""
        with self._turn:
            found = set(self._keys)
        for path in self._directory.glob("*.pins"):
            try:
                with path.open() as file:
                    if not self._is_own(file.fileno()) and _lock(file.fileno()):
                        path.unlink(missing_ok=True)  # its process has ended
                    else:
                        found.update(file.read().split())
            except FileNotFoundError:
                continue
        return frozenset(found)

    def close(self) -> None:
        """Let them go. A killed process's file goes when another looks."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        if self._file is not None:
            os.close(self._file)
        self._file = self._path = None
        self._keys.clear()

    def _open(self) -> int:
        self._directory.mkdir(parents=True, exist_ok=True)
        while True:
            path = self._directory / f"{secrets.token_hex(8)}.pins"
            file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_WRONLY, 0o644)
            if _lock(file) and path.exists():  # not removed before it was locked
                self._path = path
                return file
            os.close(file)

    def _is_own(self, other: int) -> bool:
        return self._file is not None and os.path.sameopenfile(self._file, other)


def _lock(file: int) -> bool:
    """Take the lock; False when another process has it. The system lets go when a process ends."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
