"""A call whose caller follows a script: the same engine with no telephone and no waiting.

Silence costs no time: the clock is virtual and moves by what would have been spoken and waited.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from ivr.call import (
    MS_PER_CHARACTER,
    CallInfo,
    Guess,
    Heard,
    HeardKind,
    Played,
    Question,
    Recorded,
    Trouble,
    Utterance,
)
from ivr.errors import CallerHungUp
from ivr.events import CallEnded, Entry

SETTLING: Final = 20  # turns of the loop in which a task that waits for nothing has ended


class Act(StrEnum):
    """What a caller can do."""

    PRESSES = "presses"
    SAYS = "says"
    SILENT = "silent"
    HANGS_UP = "hangs_up"
    MUMBLES = "mumbles"  # words that nobody expects
    TALKS_ON = "talks_on"
    UNHEARD = "unheard"  # the recogniser is down, and no key is pressed


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing the caller does when it is their turn. Words are recognised with a `confidence`;
    `others` are what else they might have been."""

    act: Act
    text: str = ""
    confidence: float = 1.0
    others: tuple[Guess, ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened on the line: the caller `heard` a prompt, or did one of `Act`."""

    kind: str
    text: str


@dataclass(slots=True)
class VirtualClock:
    """Time that moves only when told to; whoever sleeps by it is woken as it passes."""

    start: datetime = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
    passed: float = 0.0
    sleepers: list[tuple[float, int, asyncio.Future[None]]] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        """Return when that much time has passed here, which takes none elsewhere."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self.sleepers, (self.passed + seconds, id(woken), woken))
        await woken

    def wake_next(self, deadline: float) -> bool:
        """Move on to the next sleeper who is due by then; False when there is none."""
        while self.sleepers and self.sleepers[0][2].done():
            heapq.heappop(self.sleepers)
        if not self.sleepers or self.sleepers[0][0] > deadline:
            return False
        due, _, woken = heapq.heappop(self.sleepers)
        self.passed = max(self.passed, due)
        woken.set_result(None)
        return True

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.passed)

    def time(self) -> float:
        return self.start.timestamp() + self.passed

    def monotonic(self) -> float:
        return self.passed


@dataclass(slots=True)
class ListJournal:
    """A journal in memory."""

    entries: list[Entry] = field(default_factory=list)

    @property
    def ended(self) -> str:
        """Why the conversation is over, "" while it is not."""
        last = self.entries[-1].event if self.entries else None
        return last.why if isinstance(last, CallEnded) else ""

    def write(self, entry: Entry) -> None:
        self.entries.append(entry)

    async def durable(self, call: str) -> None:
        return

    async def history(self, call: str) -> Sequence[Entry]:
        return [entry for entry in self.entries if entry.call == call]


async def settled(task: asyncio.Future[Any]) -> bool:
    """Whether a task is done once everything that waits for nothing has run."""
    for _ in range(SETTLING):
        if task.done():
            return True
        await asyncio.sleep(0)
    return task.done()


def _spoken(turn: Turn) -> Heard | None:
    """What a recogniser makes of a turn; None for one without speech."""
    match turn.act:
        case Act.SAYS:
            return Heard(HeardKind.SPEECH, turn.text, turn.confidence, turn.others)
        case Act.MUMBLES:
            return Heard(HeardKind.SPEECH, confidence=0.0, trouble=Trouble.NO_MATCH)
        case Act.TALKS_ON:
            return Heard(HeardKind.SPEECH, confidence=0.0, trouble=Trouble.TOO_MUCH)
        case Act.UNHEARD:
            return Heard(HeardKind.NOTHING, trouble=Trouble.SPEECH_DOWN)
    return None


class ScriptCall:
    """Implements `ivr.call.Call` over a list of turns; `moments` is what happened on the line.

    A caller whose script is used up stays silent. Keys that one question does not use are
    type-ahead for the next, as on a real line.
    """

    def __init__(self, info: CallInfo, turns: Iterable[Turn], clock: VirtualClock) -> None:
        self._info = info
        self._turns = list(turns)
        self._clock = clock
        self._keys = ""
        self.moments: list[Moment] = []
        self.went: tuple[str, str] | None = None
        self.taped: list[bool] = []  # on, off, on …

    @property
    def heard(self) -> list[str]:
        """What the caller was told."""
        return [moment.text for moment in self.moments if moment.kind == "heard"]

    def come_back(self, entry: int, outcome: str) -> None:
        """The dialplan enters again with the caller, back from where they went."""
        self._info = replace(self._info, entry=entry, outcome=outcome)
        self.went = None

    async def next_turn(self, question: Question | None) -> Turn:
        """What the caller does now; `question` is None while a message is recorded."""
        return self._turns.pop(0) if self._turns else Turn(Act.SILENT)

    async def _turn(self, question: Question | None) -> Turn:
        turn = await self.next_turn(question)
        self.moments.append(Moment(turn.act.value, turn.text))
        if turn.act is Act.HANGS_UP:
            raise CallerHungUp
        return turn

    @property
    def info(self) -> CallInfo:
        return self._info

    async def answer(self) -> None:
        return

    async def say(self, utterance: Utterance, *, barge_in: bool = True) -> Played:
        if barge_in and self._keys:
            return Played(0, interrupted=True)
        return await self.tell(utterance)

    async def ask(self, question: Question) -> Heard:
        if question.flush:
            self._keys = ""
        played = None
        if question.utterance and not self._keys:
            played = await self.tell(question.utterance)
        if not self._keys:
            turn = await self._turn(question)
            spoken = _spoken(turn) if question.heeds_speech else None
            if spoken is not None:
                return replace(spoken, played=played)
            if turn.act is Act.PRESSES and question.keys:
                self._keys = turn.text
        return self._keyed(question, played)

    def _keyed(self, question: Question, played: Played | None) -> Heard:
        """The answer from the keys pressed so far; what is left of them stays for the next one."""
        keys = question.keys
        if not self._keys or keys is None:
            self._clock.passed += keys.first if keys else 5.0
            return Heard(HeardKind.NOTHING, played=played)
        taken = ""
        while self._keys and len(taken) < keys.max:
            key, self._keys = self._keys[0], self._keys[1:]
            if keys.finish and key in keys.finish:
                return Heard(HeardKind.KEYS, taken, finished=True, played=played)
            taken += key
        if len(taken) < keys.max:
            self._clock.passed += keys.between
        elif keys.finish and self._keys[:1] == keys.finish:
            self._keys = self._keys[1:]
        return Heard(HeardKind.KEYS, taken, played=played)

    async def record(
        self, path: str, *, limit: float, silence: float, beep: bool, finish: str
    ) -> Recorded:
        turn = await self._turn(None)
        spoken = min(limit, len(turn.text) * MS_PER_CHARACTER / 1000)
        self._clock.passed += spoken
        return Recorded(path, int(spoken * 1000), "silence" if turn.act is Act.SAYS else "timeout")

    async def play_back(self, recorded: Recorded) -> Played:
        self.moments.append(Moment("heard", "<recording>"))
        self._clock.passed += recorded.ms / 1000
        return Played(recorded.ms)

    async def tape(self, path: str) -> None:
        self.taped.append(True)

    async def untape(self) -> None:
        self.taped.append(False)

    async def wait(self, task: asyncio.Future[Any], timeout: float) -> bool:
        deadline = self._clock.passed + timeout
        while not await settled(task):
            if not self._clock.wake_next(deadline):
                self._clock.passed = max(self._clock.passed, deadline)
                return False
        return True

    async def transfer(self, kind: str, target: str, options: Mapping[str, str]) -> None:
        self.went = (kind, target)

    async def hangup(self) -> None:
        self.went = ("hangup", "")

    async def tell(self, utterance: Utterance) -> Played:
        """Let the caller hear it."""
        self.moments.append(Moment("heard", utterance.text))
        ms = len(utterance.text) * MS_PER_CHARACTER
        self._clock.passed += ms / 1000
        return Played(ms)
