"""The open event streams and phones of each session, so that they end with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

RESTART: Final = "restart"  # the server stops: the page comes back by itself, to the next one
Close = Callable[[str], None]


class Streams:
    """`close(why)` of each is called when its session ends."""

    def __init__(self, most_each: int = 20) -> None:
        self._open: dict[str, dict[int, Close]] = {}
        self._next = 0
        self._most = most_each

    def add(self, session: str, close: Close) -> Callable[[], None]:
        """Gives back what takes it off the list again. The oldest of too many is closed."""
        mine = self._open.setdefault(session, {})
        while len(mine) >= self._most:
            oldest = next(iter(mine))
            mine.pop(oldest)("too many streams")
        self._next += 1
        number = self._next
        mine[number] = close
        return lambda: self._remove(session, number)

    def _remove(self, session: str, number: int) -> None:
        mine = self._open.get(session)
        if mine is not None:
            mine.pop(number, None)
            if not mine:
                del self._open[session]

    def end(self, session: str, why: str) -> None:
        for close in list(self._open.pop(session, {}).values()):
            close(why)

    def end_all(self, why: str) -> None:
        for session in list(self._open):
            self.end(session, why)

    def count(self) -> int:
        return sum(map(len, self._open.values()))
