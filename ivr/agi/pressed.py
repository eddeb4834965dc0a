"""The keys a caller has really pressed, told by a witness beside AGI, so that none is lost.

While no AGI command runs Asterisk reads the channel and drops what it reads (run_agi,
res/res_agi.c): a key whose end falls into such a pause is answered by no command. But the Manager
tells the beginning of every key, whoever reads the channel (send_dtmf_begin_event, main/channel.c).
Measured, pauses of up to 150 ms put in on purpose: of 1,040 keys every beginning was told, once, in
order; AGI's commands answered 880 of them.

So the commands only tell *how far* the caller's keys have come. Asterisk hands keys over in their
order; what stands before an answered key and was not answered was lost, and goes in before it. What
was lost behind the last answered key shows when the line has been quiet for `QUIET`: the witness
then hands it to Asterisk again (`cti/keys.py`), which ends the prompt as the key should have. A key
that comes twice by that is taken once: nobody pressed it twice. A command that collects keys tells
of none before its end; what was pressed in it is not handed in again, but put in its place then.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

from ivr.agi.commands import COLLECT_KEYS, TAKE_KEYS

QUIET = 0.5  # seconds; Asterisk itself holds keys of a burst back, but lets go one every 130 ms
SETTLED = 0.15  # seconds after which no key before one that is answered can still come
REMEMBERED = 10.0  # seconds in which the Manager, or a key held back, may come after us


class Witness(Protocol):
    """Tells the keys of channels (`cti/keys.py`)."""

    def attend(self, channel: str, pressed: Pressed) -> None: ...

    def leave(self, channel: str) -> None: ...


class Commands(Protocol):
    """The AGI connection, as far as it matters here."""

    @property
    def trips(self) -> int:
        """Commands sent so far."""

    @property
    def running(self) -> bytes:
        """The command that runs; b"" in a pause."""


class Pressed:
    """One call's keys. `agi` are its commands.

    `rescued` counts the keys that AGI had lost. Keys themselves are in no log: they may be secret.
    """

    __slots__ = ("_agi", "_clock", "_early", "_gone", "_held", "_out", "_spent", "_still", "_trip",
                 "rescued")  # fmt: skip

    def __init__(self, clock: Callable[[], float], agi: Commands) -> None:
        self._clock = clock
        self._agi = agi
        self.rescued = 0
        self._out = ""  # begun, and not answered yet
        self._held = ""  # the last one, while it is down
        self._still = -math.inf  # since when nothing has happened
        self._trip = 0  # how many commands had been sent when the last key moved
        self._early: list[tuple[str, float]] = []  # answered before the witness told of them
        self._spent: list[tuple[str, float]] = []  # taken or handed in again: may come once more
        self._gone: list[tuple[str, float]] = []  # for nobody, but their end may come later

    # --- what the witness tells

    def began(self, key: str) -> None:
        """A key is down. Asterisk tells it twice when it came while the call was being answered:
        what __ast_answer (main/channel.c) has read it puts back."""
        self._still, self._trip = self._clock(), self._agi.trips
        if self._held == key:
            return
        self._held = key
        if not self._known(self._early, key):
            self._out += key

    def ended(self) -> None:
        """A key is up. Told again for each time that Asterisk has held it back."""
        self._still, self._trip = self._clock(), self._agi.trips
        self._held = ""

    @property
    def waiting(self) -> bool:
        """Whether keys are on their way, or lost."""
        return self._out != ""

    @property
    def overdue(self) -> float:
        """Seconds until what is on its way counts as lost; 0 when it does."""
        if self._held:
            return QUIET
        return max(0.0, self._still + QUIET - self._clock())

    @property
    def missing(self) -> bool:
        """Whether a key was lost for sure, and a command runs that would take it now."""
        running = self._agi.running
        if not self._out or self.overdue or not running.startswith(TAKE_KEYS):
            return False
        collects = running.startswith(COLLECT_KEYS) and not running.rstrip().endswith(b" 1")
        return not collects or self._trip < self._agi.trips

    def again(self) -> str:
        """The first key that was lost, which the witness now hands to Asterisk a second time."""
        self._still = self._clock()
        self._remember(self._spent, self._out[0])
        return self._out[0]

    # --- what AGI tells

    def heard(self, typed: str, finish: str = "") -> str:
        """Keys that a command answered; `finish`: and one of these, which ended it, is not told.

        Gives the keys as they were pressed: lost ones stand in their places, those that came twice
        are there once.
        """
        now = self._clock()
        keys = "".join(self._up_to(key, now) for key in typed)
        self._still = now
        for place, key in enumerate(self._out if finish else ""):
            if key in finish:
                return keys + self._taken(place + 1)
        return keys + self._up_to(finish, now) if len(finish) == 1 else keys

    def lost(self) -> str:
        """What will not come any more: a command that would have taken it ended without."""
        if not self._out or self.overdue:
            return ""
        return self._given_up()

    def forget(self) -> None:
        """The keys up to here were for nobody: they were pressed into what takes none."""
        for key in self._out:
            self._remember(self._gone, key)
        self._out = ""

    def _given_up(self) -> str:
        """What is on its way, taken as it is: it was lost."""
        self.rescued += len(self._out)
        for key in self._out:  # should it come all the same
            self._remember(self._spent, key)
        return self._taken(len(self._out))

    def _up_to(self, key: str, now: float) -> str:
        place = self._out.find(key)
        if place == 0:
            return self._taken(1)
        if self._known(self._spent, key, keep=True):  # should it have been another: time tells
            return ""
        if place > 0:
            self.rescued += place
            return self._taken(place + 1)
        if self._known(self._gone, key):
            return key
        self._remember(self._early, key)
        settled = not self._held and now - self._still > SETTLED
        return self._given_up() + key if settled else key

    def _taken(self, count: int) -> str:
        keys, self._out = self._out[:count], self._out[count:]
        return keys

    def _known(self, keys: list[tuple[str, float]], key: str, *, keep: bool = False) -> bool:
        """Whether `key` is among them, and not for too long; then, unless kept, not any more."""
        if not keys:
            return False
        now = self._clock()
        keys[:] = [one for one in keys if one[1] > now]
        for place, (known, _) in enumerate(keys):
            if known == key:
                if not keep:
                    del keys[place]
                return True
        return False

    def _remember(self, keys: list[tuple[str, float]], key: str) -> None:
        now = self._clock()
        keys[:] = [one for one in keys if one[1] > now]
        keys.append((key, now + REMEMBERED))
