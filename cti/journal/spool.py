"""The append-only files a process writes its events to before the database has them.

    <folder>/<owner>.lock             locked (flock) while the owner lives; holds how far it drained
    <folder>/<owner>.000001.spool     segments of lines (see line.py), oldest first

Many processes share a folder. What a process has written with one `os.write` survives its death at
any moment; what was also synced survives a power cut. A segment goes when the database has all of
it and it is no longer among the newest, so that a dead process's last minutes can be read here even
while the database is away.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Self

from cti.journal.line import Row, split, written_name

SEGMENT_BYTES: Final = 1 << 20
READ_BYTES: Final = 1 << 18
BATCH_ROWS: Final = 1_000  # of what goes to the database at once from memory
KEPT_ROWS: Final = 5_000  # in memory; while the database is away the others are read again
KEEP_BYTES: Final = 4 << 20  # of drained segments
KEEP_SECONDS: Final = 600.0
_MARK: Final = b"%012d %012d\n"
log = logging.getLogger(__name__)


class Place(NamedTuple):
    """Between two lines: a segment's number and an offset in it."""

    segment: int
    offset: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines read from a spool: the rows, where damaged lines end, and where to read on."""

    rows: list[Row]
    damaged: list[Place]
    end: Place


class Appended(NamedTuple):
    """What one write has put between two places."""

    begin: Place
    rows: Sequence[Row]
    end: Place


class SpoolFull(OSError):
    """The spool may not grow any further."""


class Files:
    """An owner's files, to be read by anybody."""

    def __init__(self, folder: Path, owner: str) -> None:
        self.folder = folder
        self.owner = owner
        self.lock = folder / f"{owner}.lock"

    def segment(self, number: int) -> Path:
        return self.folder / f"{self.owner}.{number:06}.spool"

    def numbers(self) -> list[int]:
        """The segments there are, oldest first."""
        names = self.folder.glob(f"{self.owner}.*.spool")
        return sorted(int(name.name.split(".")[-2]) for name in names)

    def mark(self) -> Place:
        """How far the database is known to have it; it may have a little more."""
        with contextlib.suppress(OSError, ValueError):
            segment, offset = self.lock.read_bytes().split()
            return Place(int(segment), int(offset))
        return Place(0, 0)

    def read(self, start: Place, end: Place | None) -> Batch:
        """The lines from `start`, at most up to `end`; without one the owner is dead, and an
        unfinished last line is a damaged one.
        """
        for number in self.numbers():
            if number < start.segment or (end and number > end.segment):
                continue
            offset = start.offset if number == start.segment else 0
            last = end is not None and number == end.segment
            batch = self._piece(number, offset, end.offset if last and end else None)
            if batch.rows or batch.damaged:
                return batch
        return Batch([], [], end or start)

    def _piece(self, number: int, offset: int, limit: int | None) -> Batch:
        with self.segment(number).open("rb") as file:
            size = os.fstat(file.fileno()).st_size if limit is None else limit
            want = READ_BYTES
            while True:
                data = os.pread(file.fileno(), min(want, size - offset), offset)
                final = offset + len(data) >= size
                found = list(split(data, final))
                if found or final or not data:
                    break
                want *= 2  # one line is longer than the piece
        rows = [row for row, _ in found if row is not None]
        after = offset + (found[-1][1] if found else 0)
        damaged = [Place(number, offset + end) for row, end in found if row is None]
        return Batch(rows, damaged, Place(number, after))

    def lines_of(self, call: str) -> list[Row]:
        """Everything still here of one call, drained or not."""
        wanted = written_name(call).encode()
        rows: list[Row | None] = []
        for number in self.numbers():
            try:
                data = self.segment(number).read_bytes()
            except FileNotFoundError:
                continue  # pruned meanwhile: the database has it
            if wanted in data:
                lines = b"\n".join(line for line in data.split(b"\n") if wanted in line)
                rows += [row for row, _ in split(lines, True)]
        return [row for row in rows if row is not None and row.call == call]

    def sync_folder(self) -> None:
        """Make the names of new files survive a power cut."""
        handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def remove(self) -> None:
        """Take everything away, the lock last."""
        for number in self.numbers():
            self.segment(number).unlink(missing_ok=True)
        self.lock.unlink(missing_ok=True)


class Spool(Files):
    """This process's own spool. `append` is for the event loop, `sync` for a worker thread."""

    def __init__(self, folder: Path, *, limit: int, segment_bytes: int = SEGMENT_BYTES) -> None:
        super().__init__(folder, f"{os.getpid()}-{secrets.token_hex(4)}")
        self._lock: Lock | None = None
        with contextlib.suppress(OSError):  # a full disk; `append` tries again, and tells
            self._claim()
        self.limit = limit
        self.segment_bytes = segment_bytes
        self.drained = Place(1, 0)
        self.backlog = 0  # bytes on disk that are not yet in the database
        self._file = -1
        self._size = 0
        self._number = 0
        self._begun = 0.0
        self._torn = False
        self._fresh: deque[Appended] = deque()  # what the database does not have, newest last
        self._kept = 0  # rows of it
        self._ends: dict[int, tuple[int, float]] = {}  # closed segments: size, time of closing
        self._retired: list[int] = []  # files to be synced and closed by the worker thread
        self._guard = threading.Lock()
        self._new_names = True

    @property
    def written(self) -> Place:
        return Place(max(self._number, 1), self._size)

    def append(self, data: bytes, rows: Sequence[Row] = ()) -> None:
        """Write whole lines with one `os.write`; OSError and nothing written when it cannot be.
        Their `rows`, if given, need not be read again to be drained."""
        begin = self.written
        if self.backlog + len(data) > self.limit:
            raise SpoolFull("the spool has reached its limit")
        if self._lock is None:
            self._claim()
        if self._file < 0 or self._size >= self.segment_bytes:
            self._next_segment()
        if self._torn:
            data = b"\n" + data  # close off what an earlier failure left behind
        written = os.write(self._file, data)
        if written < len(data):
            self._take_back(written)
            raise SpoolFull("the disk took only a part")
        self._torn = False
        self._size += written
        self.backlog += written
        if rows and self._kept + len(rows) <= KEPT_ROWS:
            self._fresh.append(Appended(begin, rows, self.written))
            self._kept += len(rows)

    def remembered(self) -> Batch | None:
        """The next lines for the database, from memory; None when they are on disk only."""
        rows: list[Row] = []
        end = self.drained
        for part in self._fresh:
            if part.begin != end or len(rows) >= BATCH_ROWS:
                break
            rows += part.rows
            end = part.end
        return Batch(rows, [], end) if rows else None

    def on_disk_only(self) -> Batch:
        """The next lines for the database, up to those that are remembered. Reads files."""
        return self.read(self.drained, self._fresh[0].begin if self._fresh else self.written)

    def sync(self) -> Place:
        """Make what is written survive a power cut; up to where. Waits for the disk."""
        with self._guard:
            retired, self._retired = self._retired, []
            file, place = self._file, self.written
            new_names, self._new_names = self._new_names, False
        for old in retired:
            os.fdatasync(old)
            os.close(old)
        if new_names:
            self.sync_folder()
        if file >= 0:
            os.fdatasync(file)
        return place

    def mark_drained(self, place: Place) -> None:
        """The database has everything up to here."""
        self.drained = place
        while self._fresh and self._fresh[0].begin < place:
            self._kept -= len(self._fresh.popleft().rows)
        between = range(place.segment, self._number)
        held = sum(size for number, (size, _) in self._ends.items() if number in between)
        self.backlog = held + self._size - place.offset
        if self._lock is not None:
            with contextlib.suppress(OSError):  # what is drained twice is stored once
                self._lock.mark(place)

    def prune(self, keep_bytes: int = KEEP_BYTES, keep_seconds: float = KEEP_SECONDS) -> None:
        """Remove drained segments that are not among the newest."""
        now = time.monotonic()
        held = 0 if self._number in self._ends else self._size
        for number, (size, closed) in sorted(self._ends.items(), reverse=True):
            held += size
            drained = Place(number, size) <= self.drained
            if drained and (held > keep_bytes or now - closed > keep_seconds):
                self.segment(number).unlink(missing_ok=True)
                del self._ends[number]

    def idle(self) -> bool:
        return self.drained == self.written

    @property
    def age(self) -> float:
        """How many seconds ago the open segment was begun; 0 when none is open."""
        return time.monotonic() - self._begun if self._file >= 0 else 0.0

    def start_afresh(self) -> None:
        """Close the open segment, so that what is drained of it can be pruned in time."""
        self._retire()

    def close(self) -> None:
        """Let go; the files are removed when the database has all of them, else left to others."""
        if self._file >= 0:
            os.close(self._file)
        for old in self._retired:
            os.close(old)
        self._file = -1
        if self.idle():
            self.remove()
        if self._lock is not None:
            self._lock.release()

    def _claim(self) -> None:
        """Take the lock that tells others we live. A new name whenever somebody else got it."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        while self._lock is None:
            self._lock = Lock.take(self.lock, create=True)
            if self._lock is None:  # it looked like a dead one's between creating and locking
                super().__init__(self.folder, f"{os.getpid()}-{secrets.token_hex(4)}")
        self._lock.mark(Place(1, 0))

    def _next_segment(self) -> None:
        number = self._number + 1
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
        file = os.open(self.segment(number), flags, 0o600)
        self._retire()
        with self._guard:
            self._file, self._number, self._size = file, number, 0
            self._new_names = True
        self._begun = time.monotonic()
        self._torn = False

    def _retire(self) -> None:
        with self._guard:
            if self._file >= 0:
                self._ends[self._number] = (self._size, time.monotonic())
                self._retired.append(self._file)
                self._file = -1

    def _take_back(self, written: int) -> None:
        """Remove a part of a line that was written; else mark where it ends."""
        try:
            os.ftruncate(self._file, self._size)
        except OSError:
            self.leave_torn(written)

    def leave_torn(self, written: int) -> None:
        """So many bytes stand behind our last line that are not a whole one."""
        self._torn = True
        self._size += written
        self.backlog += written


class Lock:
    """A lock file, held: its owner lives. It ends with the process, however that dies."""

    def __init__(self, path: Path, file: int) -> None:
        self.path = path
        self.file = file

    @classmethod
    def take(cls, path: Path, *, create: bool = False) -> Self | None:
        """The lock, or None when somebody else holds it or the file is gone."""
        try:
            file = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), 0o600)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it before may have removed the file between our two calls.
            if os.fstat(file).st_ino == path.stat().st_ino:
                return cls(path, file)
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(file)
        return None

    def mark(self, place: Place) -> None:
        """Note how far the database has the owner's lines."""
        os.pwrite(self.file, _MARK % place, 0)

    def release(self) -> None:
        os.close(self.file)


def owners(folder: Path) -> Iterator[str]:
    """Everybody who has files here, dead or alive."""
    names = {path.name.split(".")[0] for path in folder.glob("*.spool")}
    names |= {path.stem for path in folder.glob("*.lock")}
    yield from sorted(names)


def adopt(folder: Path, owner: str) -> Lock | None:
    """Take over a dead process's spool; None while its owner lives (or another has taken it)."""
    return Lock.take(folder / f"{owner}.lock", create=True)
