"""Slows down guessing. Pure but for the clock it is given.

Rules:
  1. After `FREE` wrong passwords for a login from one address, that address waits `FIRST` seconds
     before its next try for that login, and twice as long after each further wrong one, to `MOST`.
  2. After `WIDE` wrong ones for a login within `WITHIN` seconds, from wherever, every address
     waits, but those from which this login signed in before: who guesses cannot lock an agent out
     of their own desk.
  3. An address that fails for `SPRAY` logins is slowed down for all.
  4. The right password clears what rule 1 counts. A try while locked counts for nothing and is not
     even checked.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

FREE: Final = 5
FIRST: Final = 5.0  # seconds
MOST: Final = 900.0
WIDE: Final = 50
SPRAY: Final = 30
WITHIN: Final = 900.0
REMEMBERED: Final = 10_000  # logins and addresses; the oldest are forgotten first


@dataclass(slots=True)
class _Tries:
    wrong: int = 0
    until: float = 0.0
    last: float = 0.0


class Lockout:
    """`wait` before a try, then `wrong` or `right`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._pairs: OrderedDict[tuple[str, str], _Tries] = OrderedDict()
        self._logins: OrderedDict[str, deque[float]] = OrderedDict()
        self._addresses: OrderedDict[str, deque[float]] = OrderedDict()
        self._friends: OrderedDict[tuple[str, str], None] = OrderedDict()

    def wait(self, login: str, address: str) -> float:
        """Seconds until this login may be tried from this address; 0 for now."""
        now = self._clock()
        tries = self._pairs.get((login, address))
        waits = [tries.until - now if tries else 0.0]
        if (login, address) not in self._friends:
            waits.append(_window(self._logins.get(login), WIDE, now))
        waits.append(_window(self._addresses.get(address), SPRAY, now))
        return max(0.0, *waits)

    def wrong(self, login: str, address: str) -> None:
        now = self._clock()
        tries = self._pairs.setdefault((login, address), _Tries())
        if now - tries.last > MOST + WITHIN:
            tries.wrong = 0
        tries.wrong, tries.last = tries.wrong + 1, now
        if tries.wrong >= FREE:
            tries.until = now + min(MOST, FIRST * 2 ** min(20, tries.wrong - FREE))
        self._logins.setdefault(login, deque(maxlen=WIDE)).append(now)
        if tries.wrong == 1:  # the same login again is rule 1's
            self._addresses.setdefault(address, deque(maxlen=SPRAY)).append(now)
        for kept in (self._pairs, self._logins, self._addresses):
            while len(kept) > REMEMBERED:
                kept.popitem(last=False)

    def right(self, login: str, address: str) -> None:
        """The try that was counted as `wrong` while it was checked was not."""
        tries = self._pairs.pop((login, address), None)
        for kept, first_only in (
            (self._logins.get(login), False),
            (self._addresses.get(address), True),
        ):
            if kept and tries and (not first_only or tries.wrong == 1):
                kept.pop()
        self._friends[(login, address)] = None
        if len(self._friends) > REMEMBERED:
            self._friends.popitem(last=False)


def _window(times: deque[float] | None, most: int, now: float) -> float:
    """Seconds until fewer than `most` lie within the window."""
    if times is None or len(times) < most:
        return 0.0
    return times[0] + WITHIN - now
