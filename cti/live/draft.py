"""A draft of the next state: dictionaries are copied when they are first written to, and what was
touched becomes the list of changes. Only `apply.py` uses it; nobody outside ever sees one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Generic, TypeVar

from cti.ami.events import Channel
from cti.live.state import Agent, Call, Change, Leg, Live, Phase, Queue

V = TypeVar("V")


class _Table(Generic[V]):
    def __init__(self, old: Mapping[str, V]) -> None:
        self.old = old
        self.now: Mapping[str, V] = old
        self._mine: dict[str, V] | None = None
        self.touched: dict[str, None] = {}

    def _write(self, key: str) -> dict[str, V]:
        if self._mine is None:
            self.now = self._mine = dict(self.old)
        self.touched[key] = None
        return self._mine

    def get(self, key: str) -> V | None:
        return self.now.get(key)

    def put(self, key: str, value: V) -> None:
        if self.now.get(key) != value:
            self._write(key)[key] = value

    def drop(self, key: str) -> V | None:
        return self._write(key).pop(key) if key in self.now else None

    def changed(self) -> list[tuple[str, V | None]]:
        return [
            (key, self.now.get(key))
            for key in self.touched
            if self.old.get(key) != self.now.get(key)
        ]


class Draft:
    """The working copy. `at` is the time of the event that is being applied."""

    def __init__(self, live: Live, at: float) -> None:
        self.live, self.at = live, at
        self.connected = live.connected
        self.calls: _Table[Call] = _Table(live.calls)
        self.legs: _Table[Leg] = _Table(live.legs)
        self.queues: _Table[Queue] = _Table(live.queues)
        self.agents: _Table[Agent] = _Table(live.agents)
        self.by_linked: _Table[str] = _Table(live.by_linked)
        self.seats: _Table[tuple[str, ...]] = _Table(live.seats)
        self._stirred: dict[str, None] = {}

    # --- legs and calls

    def leg(self, channel: Channel | None) -> Leg | None:
        """Take in what an event says of a channel; makes the leg, and its call, when they are new.

        None for a channel that is not named, and for one we do not know that has no linked id.
        """
        if channel is None or not channel.unique_id or not channel.linked_id:
            return None
        call = self._call_of(channel, self.legs.get(channel.unique_id))
        old = self.legs.get(channel.unique_id)  # read again: the call may have got its name
        leg = replace(
            old or Leg(channel.unique_id, channel.name, channel.linked_id, call, self.at),
            name=channel.name,
            linked=channel.linked_id,
            call=call,
            up=channel.state == 6,
            caller=channel.caller,
            caller_name=channel.caller_name,
        )
        if old != leg:
            self.legs.put(leg.id, leg)
            if old is None or old.call != call:
                self._sit(leg, old)
            self.stir(call)
        return leg

    def _call_of(self, channel: Channel, old: Leg | None) -> str:
        linked = self.by_linked.get(channel.linked_id)
        ours = channel.call
        if not ours:
            return linked or (old.call if old else channel.linked_id)
        if linked != ours:
            if linked == channel.linked_id:
                self._rename(linked, ours)
            self.by_linked.put(channel.linked_id, ours)
        return ours

    def _rename(self, old: str, new: str) -> None:
        """The call that we knew by its Linkedid has told its own id."""
        was = self.calls.drop(old)
        seats = self.seats.drop(old) or ()
        known = self.calls.get(new)
        if was is not None:
            merged = known and replace(
                known, main=known.main or was.main, linked=known.linked or was.linked
            )
            self.calls.put(new, merged or replace(was, id=new))
        self.seats.put(new, (*seats, *(self.seats.get(new) or ())))
        for seat in seats:
            leg = self.legs.get(seat)
            if leg is not None:
                self.legs.put(seat, replace(leg, call=new))
        for agent in self.agents.now.values():
            if old in agent.calls:
                self.seat_agent(agent.interface)
        self.stir(new)

    def _sit(self, leg: Leg, old: Leg | None) -> None:
        if old is not None:
            self._leave(old)
        self.by_linked.put(leg.linked, self.by_linked.get(leg.linked) or leg.call)
        seats = self.seats.get(leg.call) or ()
        self.seats.put(leg.call, (*seats, leg.id))
        call = self.calls.get(leg.call)
        if call is None:
            call = Call(leg.call, self.at, phase_since=self.at)
        if not call.main:
            call = replace(
                call,
                main=leg.id,
                linked=leg.linked,
                caller=call.caller or leg.caller,
                caller_name=leg.caller_name,
            )
        self.calls.put(leg.call, call)
        self.seat_agent(leg.endpoint)

    def _leave(self, leg: Leg) -> None:
        seats = tuple(seat for seat in self.seats.get(leg.call) or () if seat != leg.id)
        if seats:
            self.seats.put(leg.call, seats)
            self.stir(leg.call)
        else:
            self.end(leg.call)

    def hang_up(self, id: str) -> None:
        leg = self.legs.drop(id)
        if leg is not None:
            self._leave(leg)
            self.seat_agent(leg.endpoint)

    def end(self, id: str) -> None:
        """The call is over, whatever is left of it."""
        call = self.calls.drop(id)
        for seat in self.seats.drop(id) or ():
            self.legs.drop(seat)
        if call is not None and call.linked:
            self.by_linked.drop(call.linked)
        for linked in [linked for linked, to in self.by_linked.now.items() if to == id]:
            self.by_linked.drop(linked)
        if call is not None and call.listens_to:
            self._stop_listening(call)
        for queue in self.queues.now.values():
            if any(waiting.call == id for waiting in queue.waiting):
                left = tuple(waiting for waiting in queue.waiting if waiting.call != id)
                self.queues.put(queue.name, replace(queue, waiting=left))

    def _stop_listening(self, call: Call) -> None:
        target = self.calls.get(call.listens_to)
        if target is not None:
            self.calls.put(target.id, replace(target, listeners=()))

    def change(self, call: str, **fields: Any) -> None:
        """Change a call that is known, and look at its phase again."""
        old = self.calls.get(call)
        if old is not None:
            self.calls.put(call, replace(old, **fields))
            self.stir(call)

    def stir(self, call: str) -> None:
        self._stirred[call] = None

    def seats_of(self, call: str) -> list[Leg]:
        seats = self.seats.get(call) or ()
        return [leg for leg in map(self.legs.get, seats) if leg is not None]

    # --- agents

    def seat_agent(self, interface: str) -> None:
        """Bring an agent's legs and calls up to date; phones that are nobody's are passed over."""
        agent = self.agents.get(interface)
        if agent is None:
            return
        legs = [leg for leg in self.legs.now.values() if leg.endpoint == interface]
        calls = tuple(dict.fromkeys(leg.call for leg in legs))
        self.agents.put(interface, replace(agent, legs=tuple(leg.id for leg in legs), calls=calls))

    # --- the end

    def finish(self) -> tuple[Live, tuple[Change, ...]]:
        for id in self._stirred:
            self._look_at(id)
        changes: list[Change] = []
        if self.connected != self.live.connected:
            changes.append(Change("live", "connected", self.connected))
        changes += [Change("call", key, value) for key, value in self.calls.changed()]
        changes += [Change("queue", key, value) for key, value in self.queues.changed()]
        changes += [Change("agent", key, value) for key, value in self.agents.changed()]
        live = Live(
            self.connected, self.calls.now, self.legs.now, self.queues.now, self.agents.now,
            self.by_linked.now, self.seats.now,
        )  # fmt: skip
        return live, tuple(changes)

    def _look_at(self, id: str) -> None:
        call = self.calls.get(id)
        if call is None:
            return
        phase, agent = self._phase(call)
        talks = phase == Phase.TALKING
        now = replace(
            call,
            phase=phase,
            phase_since=call.phase_since if phase == call.phase else self.at,
            agent=agent or call.agent,
            agent_name=call.agent_name if agent in ("", call.agent) else self._name(call, agent),
            answered=call.answered or (self.at if talks else 0.0),
            ringing=() if talks else call.ringing,
        )
        self.calls.put(id, now)

    def _name(self, call: Call, interface: str) -> str:
        known = self.agents.get(interface)
        if known is not None and known.name:
            return known.name
        legs = [leg for leg in self.seats_of(call.id) if leg.endpoint == interface]
        return legs[-1].caller_name if legs else ""

    def _phase(self, call: Call) -> tuple[Phase, str]:
        """The phase, and the phone the caller talks to ("" when nobody is there)."""
        legs = self.seats_of(call.id)
        main = self.legs.get(call.main)
        away = [leg for leg in legs if leg.id != call.main and not leg.is_local]
        if main is not None and main.bridge:
            with_them = [leg for leg in away if leg.bridge == main.bridge]
            if with_them:
                held = main.holds or any(leg.holds for leg in with_them)
                return Phase.HELD if held else Phase.TALKING, with_them[0].endpoint
            if any(leg.bridge for leg in away) and not call.transferring:
                return Phase.CONSULTING, ""
        if call.transferring:
            return Phase.TRANSFERRING, ""
        if call.connected:
            return Phase.TALKING, call.agent
        if call.ringing:
            return Phase.RINGING, ""
        if call.queue:
            return Phase.WAITING, ""
        return Phase.FLOW if call.in_flow else Phase.NEW, ""
