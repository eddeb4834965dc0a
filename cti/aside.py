"""What is told of callers who are with the IVR alone, kept until it concerns anybody. No clock.

Most calls come, talk to a flow and go: no queue, no agent. To make a new picture of the floor of
each of their steps is work for nobody. `Floor` sets it aside here, call by call, in the order it
was told; it is taken back when the picture is asked for or another leg comes into the call, and
forgotten when both the conversation and the leg are over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Final, get_type_hints

from cti.ami import events as ami
from cti.live import Live
from ivr import events as ivr

MOST: Final = 100_000  # things set aside
Thing = ami.Event | ivr.Entry
# What the leg a call began with does by itself.
_OF_ONE_LEG: Final = frozenset(
    {ami.Newchannel, ami.Newstate, ami.NewCallerid, ami.NewConnectedLine, ami.Hangup}
)
_LEGS: Final[dict[type[ami.Event], tuple[str, ...]]] = {}


class _Call:
    """`id` is our call id, or Asterisk's Linkedid until that is known."""

    __slots__ = ("ended", "gone", "id", "leg", "things", "told")

    def __init__(self, id: str) -> None:
        self.id = id
        self.things: list[Thing] = []
        self.leg = ""
        self.told = self.ended = self.gone = False

    @property
    def over(self) -> bool:
        return (self.gone or not self.leg) and (self.ended or not self.told)


class Aside:
    """`forget` is called with each call that was over before it concerned anybody; `is_ours` tells
    whether a phone is one of the desks'."""

    def __init__(self, forget: Callable[[str], None], is_ours: Callable[[str], bool]) -> None:
        self._is_ours = is_ours
        self._calls: dict[str, _Call] = {}
        self._legs: dict[str, _Call] = {}
        self._forget = forget
        self._number = 0

    def __contains__(self, call: str) -> bool:
        return call in self._calls

    def __len__(self) -> int:
        return len(self._calls)

    def take_event(self, event: ami.Event, live: Live) -> bool:
        """Keep it; False when it concerns more than a caller who is with the IVR."""
        if type(event) not in _OF_ONE_LEG:
            return False
        channel: ami.Channel = event.channel  # type: ignore[attr-defined]
        leg = channel.unique_id
        known = self._legs.get(leg)
        if known is None:
            if (
                type(event) is not ami.Newchannel or leg != channel.linked_id
                or leg in live.legs or leg in live.by_linked or channel.call in live.calls
                or self._is_ours(channel.endpoint) or self._number >= MOST
            ):  # fmt: skip
                return False
            known = self._calls.get(channel.call) if channel.call else None
            if known is None:
                known = self._begin(channel.call or leg)
            elif known.leg:
                return False
            known.leg, self._legs[leg] = leg, known
        elif leg != channel.linked_id:
            return False
        self._name(known, channel.call, live)
        self._add(known, event)
        if type(event) is ami.Hangup:
            known.gone = True
            self._end(known)
        return True

    def take_entry(self, entry: ivr.Entry, live: Live) -> bool:
        """The same for what a conversation tells."""
        kind = type(entry.event)
        known = self._calls.get(entry.call)
        if known is None:
            if kind is not ivr.CallStarted or entry.call in live.calls or self._number >= MOST:
                return False
            known = self._begin(entry.call)
        known.things.append(entry)
        self._number += 1
        known.told = True
        if kind is ivr.CallEnded:
            known.ended = True
            self._end(known)
        return True

    def take(self, id: str) -> Sequence[Thing]:
        """What was set aside of one call, which is no longer."""
        known = self._calls.pop(id, None)
        if known is None:
            return ()
        self._legs.pop(known.leg, None)
        self._number -= len(known.things)
        return known.things

    def take_all(self) -> Sequence[Thing]:
        """Everything, call by call."""
        if not self._calls:
            return ()
        calls, self._calls, self._number = self._calls, {}, 0
        self._legs.clear()
        return [thing for call in calls.values() for thing in call.things]

    def concerned(self, event: ami.Event) -> Sequence[Thing]:
        """What was set aside of the calls that an event is about."""
        if not self._calls:
            return ()
        names = _LEGS.get(type(event))
        if names is None:
            names = _LEGS[type(event)] = _legs_of(type(event))
        if not names:
            return self.take_all() if isinstance(event, _OF_ALL) else ()
        things: list[Thing] = []
        for name in names:
            channel: ami.Channel | None = getattr(event, name)
            if channel is None:
                continue
            for leg in {channel.unique_id, channel.linked_id}:
                if leg in self._legs:
                    things += self.take(self._legs[leg].id)
            things += self.take(channel.call)
        return things

    def _begin(self, id: str) -> _Call:
        known = self._calls[id] = _Call(id)
        return known

    def _name(self, known: _Call, call: str, live: Live) -> None:
        """Its leg has told our call id: what the conversation said before joins it."""
        if not call or call == known.id:
            return
        del self._calls[known.id]
        before = self._calls.get(call)
        if before is not None:
            known.things += before.things
            known.told, known.ended = before.told, before.ended
        known.id, self._calls[call] = call, known

    def _add(self, known: _Call, thing: Thing) -> None:
        known.things.append(thing)
        self._number += 1

    def _end(self, known: _Call) -> None:
        if known.over:
            self.take(known.id)
            self._forget(known.id)


_OF_ALL: Final = (ami.Snapshot, ami.Disconnected, ami.Rename)


def _legs_of(kind: type[ami.Event]) -> tuple[str, ...]:
    """The fields of an event that are legs."""
    hints: Mapping[str, object] = get_type_hints(kind)
    return tuple(
        field.name
        for field in fields(kind)
        if hints[field.name] in (ami.Channel, ami.Channel | None)
    )
