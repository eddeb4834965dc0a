"""Signs agents in and out, keeps their presence by what Asterisk tells, and Asterisk's queues by
their presence.

The queues are not told *changes*: after everything that happens they are compared with what they
should be, and what differs is asked for. So a lost answer, a restart of Asterisk or of ours mends
itself with the next Snapshot.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cti.agents import presence as p
from cti.agents.membership import Seat, needed
from cti.agents.presence import Happening, Presence, State
from cti.ami import actions
from cti.ami import events as ami
from cti.ami.bridge import Bridge
from cti.bus import Bus
from cti.floor import FLOOR, Floor, agent_topic
from cti.live import Agent
from ivr.errors import ActionNotSent, ActionRefused, BadInput, TelephonyFault

log = logging.getLogger(__name__)
TRY_AGAIN = 1.0
MENDED_ALREADY = ("Already there", "Not there", "Interface not found")

Watcher = Callable[[Presence, Presence], None]


@dataclass(frozen=True, slots=True)
class Person:
    """Who may work here: `seats` are the queues they are in, with their penalties."""

    login: str
    name: str
    interface: str
    seats: tuple[Seat, ...] = ()


class Agents:
    """`wrap_up` gives a queue's wrap-up in seconds. `watchers` hear of every change (reports)."""

    def __init__(
        self,
        bridge: Bridge,
        floor: Floor,
        bus: Bus,
        people: Sequence[Person],
        wrap_up: Callable[[str], float],
        watchers: Sequence[Watcher] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bridge, self._floor, self._bus = bridge, floor, bus
        self._wrap_up, self._watchers, self._clock = wrap_up, tuple(watchers), clock
        self._people: dict[str, Person] = {}
        self._by_interface: dict[str, str] = {}
        self._presences: dict[str, Presence] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._mending: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self.know(people)

    # --- who there is

    def at(self, interface: str) -> bool:
        """Whether a phone is one of the agents'."""
        return interface in self._by_interface

    def know(self, people: Sequence[Person]) -> None:
        """Everybody who may work here, as of now; who is not among them is signed out."""
        for login in set(self._people) - {person.login for person in people}:
            self._happen(login, p.SignOut())
        self._people |= {person.login: person for person in people}
        self._by_interface = {person.interface: person.login for person in self._people.values()}
        for person in people:
            self._presences.setdefault(person.login, Presence(person.login, person.interface))
            self._mend(person.login)

    def presence(self, login: str) -> Presence:
        """Raises `BadInput` for somebody who is not known."""
        try:
            return self._presences[login]
        except KeyError:
            raise BadInput(f"There is no agent {login!r}.") from None

    def works_in(self, login: str, queue: str) -> bool:
        person = self._people.get(login)
        return person is not None and any(seat.queue == queue for seat in person.seats)

    def everybody(self) -> Mapping[str, Presence]:
        return dict(self._presences)

    # --- what agents and supervisors ask for

    def sign_in(self, login: str) -> Presence:
        person = self._person(login)
        live = self._floor.here.agents.get(person.interface)
        return self._happen(login, p.SignIn(person.interface, _reachable(live)))

    def sign_out(self, login: str) -> Presence:
        return self._happen(login, p.SignOut())

    def ready(self, login: str) -> Presence:
        """Back from a pause, or done with the wrap-up."""
        return self._happen(login, p.Ready())

    def pause(self, login: str, reason: str) -> Presence:
        """Raises `BadInput` for no reason, or one of our own."""
        reason = " ".join(reason.split())
        if not reason or reason in p.OURS or len(reason) > 80:
            raise BadInput("A pause needs a reason of up to 80 characters.")
        return self._happen(login, p.Pause(reason))

    def extend(self, login: str, seconds: float) -> Presence:
        return self._happen(login, p.Extend(seconds))

    async def settled(self, login: str) -> None:
        """Return when everything asked of Asterisk for this agent was answered."""
        while (task := self._mending.get(login)) is not None:
            await asyncio.wait([task])

    async def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        tasks = list(self._mending.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- what Asterisk tells; called after the floor has taken the event

    def on_event(self, event: ami.Event) -> None:
        react = _REACTIONS.get(type(event))
        if react is not None:
            react(self, event)

    def _called(self, event: ami.AgentCalled) -> None:
        call = _call(event.channel)
        queue = self._floor.queue_meant(call, event.queue)
        self._on(event.interface, p.Called(call, queue), event.at)

    def _dialled(self, event: ami.DialBegin) -> None:
        leg = self._floor.here.legs.get(event.dest.unique_id)
        if leg and event.channel is not None:
            self._on(leg.endpoint, p.Called(leg.call, ""), event.at)

    def _connected(self, event: ami.AgentConnect) -> None:
        call = _call(event.channel)
        queue = self._floor.queue_meant(call, event.queue)
        self._on(event.interface, p.Connected(call, queue), event.at)

    def _missed(self, event: ami.AgentRingNoAnswer) -> None:
        self._on(event.interface, p.Missed(_call(event.channel)), event.at)

    def _bridged(self, event: ami.BridgeEnter) -> None:
        """A talk that no queue brought: a transfer, a colleague, an outbound call."""
        leg = self._floor.here.legs.get(event.channel.unique_id)
        call = self._floor.here.calls.get(leg.call) if leg else None
        if leg and call and event.channels > 1 and not call.listens_to:
            for other in self._floor.here.legs_of(call.id):
                if other.bridge == event.bridge and other.endpoint in self._by_interface:
                    self._on(other.endpoint, p.Connected(call.id, ""), event.at)

    def _hung_up(self, event: ami.Hangup) -> None:
        """The leg is gone; so is the ringing or the talk, unless another leg of theirs goes on."""
        interface = event.channel.endpoint
        login = self._by_interface.get(interface)
        if login is None:
            return
        here = self._presences[login]
        live = self._floor.here.agents.get(interface)
        if live and here.call in live.calls:
            return
        self._on(interface, p.Ended(here.call, self._wrap_up(here.queue)), event.at)

    def _contact(self, event: ami.ContactStatus) -> None:
        interface = f"PJSIP/{event.endpoint or event.aor}"
        live = self._floor.here.agents.get(interface)
        if live is None or interface not in self._by_interface:
            return
        if live.reachable:
            self._on(interface, p.Back(), event.at)
            return
        self._on(interface, p.Gone(), event.at)
        for leg in live.legs:  # nobody is at that phone: the caller must not hear silence
            self._start(f"hangup {leg}", self._hang_up(leg))

    async def _hang_up(self, leg: str) -> None:
        try:
            await self._bridge.send(actions.Hangup(leg))
        except TelephonyFault as error:
            log.info("%s", error)

    def _member(self, event: ami.MemberEvent) -> None:
        if event.interface in self._by_interface:
            self._mend(self._by_interface[event.interface])

    def _snapshot(self, event: ami.Snapshot) -> None:
        live = self._floor.here
        for login, person in self._people.items():
            agent = live.agents.get(person.interface)
            here = self._presences[login]
            if here.state == State.SIGNED_OUT:
                if agent and agent.memberships:
                    self._find(person, event.at)
                continue
            calls = agent.calls if agent else ()
            if here.call and here.call not in calls:
                self._happen(login, p.Ended(here.call, self._wrap_up(here.queue)), event.at)
            what = p.Back() if _reachable(agent) else p.Gone()
            self._happen(login, what, event.at)
            if calls and _reachable(agent):
                self._happen(login, p.Connected(calls[0], ""), event.at)
            self._mend(login)

    def _find(self, person: Person, at: float) -> None:
        """Asterisk has them in a queue and we have just started: they go on where they were."""
        agent = self._floor.here.agents[person.interface]
        member = next(iter(agent.memberships.values()))
        self._become(
            person.login,
            p.found(
                person.login, person.interface, paused=member.paused, reason=member.reason,
                since=member.last_pause, talking=agent.calls[0] if agent.calls else "",
                reachable=_reachable(agent), wrap_up=self._wrap_up(member.queue), at=at,
            ),
        )  # fmt: skip

    # --- the machine

    def _person(self, login: str) -> Person:
        self.presence(login)
        return self._people[login]

    def _on(self, interface: str, what: Happening, at: float) -> None:
        login = self._by_interface.get(interface)
        if login is not None:
            self._happen(login, what, at)

    def _happen(self, login: str, what: Happening, at: float | None = None) -> Presence:
        before = self.presence(login)
        return self._become(login, p.after(before, what, self._clock() if at is None else at))

    def _become(self, login: str, now: Presence) -> Presence:
        before = self._presences[login]
        if now == before:
            return now
        self._presences[login] = now
        self._set_timer(now)
        self._bus.publish(FLOOR, "presence", login, now)
        self._bus.publish(agent_topic(now.interface), "presence", login, now)
        for watcher in self._watchers:
            watcher(before, now)
        self._mend(login)
        return now

    def _set_timer(self, now: Presence) -> None:
        old = self._timers.pop(now.login, None)
        if old is not None:
            old.cancel()
        if now.until:
            wait = max(0.0, now.until - self._clock())
            loop = asyncio.get_running_loop()
            self._timers[now.login] = loop.call_later(wait, self._tick, now.login)

    def _tick(self, login: str) -> None:
        until = self._presences[login].until
        self._happen(login, p.Tick(), max(until, self._clock()))

    # --- Asterisk's side

    def _mend(self, login: str) -> None:
        """See to it that the queues agree; one task at a time for each agent."""
        if login in self._mending:
            self._again.add(login)
        elif self._bridge.connected and self._needed(login):
            self._start(login, self._make_agree(login))

    def _needed(self, login: str) -> list[actions.Action]:
        person = self._people[login]
        here = self._presences[login]
        live = self._floor.here.agents.get(person.interface)
        return needed(here, person.name, person.seats, live.memberships if live else {})

    async def _make_agree(self, login: str) -> None:
        for _ in range(5):
            self._again.discard(login)
            for action in self._needed(login):
                try:
                    await self._bridge.send(action)
                except ActionRefused as error:
                    if not any(words in str(error) for words in MENDED_ALREADY):
                        log.error("agent %s: %s", login, error)
                except ActionNotSent:
                    return  # the next Snapshot brings us back
                except TelephonyFault as error:
                    log.warning("agent %s: %s", login, error)
                    await asyncio.sleep(TRY_AGAIN)
            await asyncio.sleep(0)  # the events that belong to the answers come right behind them
            if login not in self._again:
                return

    def _start(self, key: str, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._mending[key] = task
        task.add_done_callback(lambda _: self._done(key))

    def _done(self, key: str) -> None:
        self._mending.pop(key, None)
        if key in self._again:  # five rounds were not enough: something refuses for good
            self._again.discard(key)
            asyncio.get_running_loop().call_later(TRY_AGAIN, self._mend, key)


def _reachable(agent: Agent | None) -> bool:
    """An Asterisk that does not tell is believed to have the phone."""
    return agent is None or agent.reachable is not False


def _call(channel: ami.Channel) -> str:
    return channel.call or channel.linked_id


_REACTIONS: dict[type[ami.Event], Callable[[Agents, Any], None]] = {
    ami.AgentCalled: Agents._called,
    ami.DialBegin: Agents._dialled,
    ami.AgentConnect: Agents._connected,
    ami.AgentRingNoAnswer: Agents._missed,
    ami.BridgeEnter: Agents._bridged,
    ami.Hangup: Agents._hung_up,
    ami.ContactStatus: Agents._contact,
    ami.QueueMemberAdded: Agents._member,
    ami.QueueMemberRemoved: Agents._member,
    ami.QueueMemberPause: Agents._member,
    ami.QueueMemberPenalty: Agents._member,
    ami.Snapshot: Agents._snapshot,
}
