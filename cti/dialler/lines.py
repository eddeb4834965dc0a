"""What Asterisk's events tell of the attempts that this dialler follows."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cti.ami import events as ami

ANSWERED: Final = "SantralAnswered"  # the dialplan's words: see santral-outbound
TRACED: Final = "SantralTrace"
UP: Final = 6


@dataclass(frozen=True, slots=True)
class Over:
    """The channel is gone. `cause` is None when nobody was there to see it go."""

    cause: int | None


@dataclass(frozen=True, slots=True)
class NotDialled:
    """Asterisk says that it did not get as far as a channel."""

    why: str


@dataclass(slots=True)
class Line:
    """One attempt on its way. `seen`: Asterisk has a channel for it; `dialled`: it calls;
    `by` is whom AMD took to have answered (HUMAN, MACHINE, NOTSURE), empty until it says."""

    id: str
    over: asyncio.Future[Over | NotDialled]
    answered: asyncio.Future[float]  # when, in seconds since 1970
    channel: str = ""
    seen: bool = False
    dialled: bool = False
    by: str = ""

    @property
    def answered_at(self) -> float | None:
        return self.answered.result() if self.answered.done() else None

    def up(self, at: float) -> None:
        if not self.answered.done():
            self.answered.set_result(at)

    def end(self, how: Over | NotDialled) -> None:
        if not self.over.done():
            self.over.set_result(how)


@dataclass(slots=True)
class Lines:
    """Feed it every event. `channels` are all that Asterisk has now."""

    channels: set[str] = field(default_factory=set)
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    connects: int = 0
    _lines: dict[str, Line] = field(default_factory=dict)
    _traces: dict[str, asyncio.Future[str]] = field(default_factory=dict)

    @contextlib.contextmanager
    def following(self, attempt: str, channel: str = "") -> Iterator[Line]:
        """`channel` is what Originate is asked for: no two dial the same number at once."""
        loop = asyncio.get_running_loop()
        line = Line(attempt, loop.create_future(), loop.create_future(), channel)
        line.seen = attempt in self.channels
        self._lines[attempt] = line
        try:
            yield line
        finally:
            del self._lines[attempt]

    @contextlib.contextmanager
    def tracing(self, trace: str) -> Iterator[asyncio.Future[str]]:
        """Wait for what the dialplan tells of a trace."""
        told = self._traces[trace] = asyncio.get_running_loop().create_future()
        try:
            yield told
        finally:
            del self._traces[trace]

    def on_event(self, event: ami.Event) -> None:
        react = _REACTIONS.get(type(event))
        if react is not None:
            react(self, event)

    def _reread(self, event: ami.Snapshot) -> None:
        self.channels = {one.channel.unique_id for one in event.channels}
        for line in self._lines.values():
            line.seen = line.seen or line.id in self.channels
        self.connects += 1
        self.connected.set()

    def _lost(self, event: ami.Disconnected) -> None:
        self.connected.clear()

    def _new(self, event: ami.Newchannel) -> None:
        self.channels.add(event.channel.unique_id)
        if line := self._lines.get(event.channel.unique_id):
            line.seen = True

    def _dial_begins(self, event: ami.DialBegin) -> None:
        if line := self._lines.get(event.dest.unique_id):
            line.dialled = True

    def _dial_ends(self, event: ami.DialEnd) -> None:
        line = self._lines.get(event.dest.unique_id)
        if line is not None and event.dial_status == "ANSWER":
            line.up(event.at)

    def _state(self, event: ami.Newstate) -> None:
        line = self._lines.get(event.channel.unique_id)
        if line is not None and event.channel.state == UP:
            line.up(event.at)

    def _hung_up(self, event: ami.Hangup) -> None:
        self.channels.discard(event.channel.unique_id)
        if line := self._lines.get(event.channel.unique_id):
            line.end(Over(event.cause))

    def _told(self, event: ami.UserEvent) -> None:
        if event.name == ANSWERED and event.channel is not None:
            if line := self._lines.get(event.channel.unique_id):
                line.by = event.said.get("By", "") or "NOTSURE"
        elif event.name == TRACED:
            told = self._traces.get(event.said.get("Trace", ""))
            if told is not None and not told.done():
                told.set_result(event.said.get("Value", ""))

    def _originated(self, event: ami.OriginateResponse) -> None:
        """A failure with a channel is told by its Hangup; without one nobody was dialled. (Not by
        the action's id: every process counts its own, and Asterisk tells all of everybody's.)"""
        if event.response == "Success" or event.unique_id:
            return
        for line in self._lines.values():
            if line.channel and line.channel == event.channel and not line.seen:
                line.end(NotDialled(f"Asterisk made no call of it (reason {event.reason})"))


_REACTIONS: Final[Mapping[type[ami.Event], Callable[[Lines, Any], None]]] = {
    ami.Snapshot: Lines._reread,
    ami.Disconnected: Lines._lost,
    ami.Newchannel: Lines._new,
    ami.Newstate: Lines._state,
    ami.DialBegin: Lines._dial_begins,
    ami.DialEnd: Lines._dial_ends,
    ami.UserEvent: Lines._told,
    ami.OriginateResponse: Lines._originated,
    ami.Hangup: Lines._hung_up,
}
