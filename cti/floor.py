"""Events in, pops and changes out: holds the one `Live` state and publishes what becomes of it.

Topics: `floor` (every change; a supervisor's page) and `agent:<interface>` (that agent's pops and
own changes). `on_event` and `on_entry` are synchronous: from AgentCalled to the bus no await lies
between, so the pop is out before the phone rings. What our records say is fetched while the call
is still with the IVR, and follows as a later revision when it comes too late.

Most calls begin and end with the IVR and concern nobody here. What is told of such a caller is set
aside (`aside.py`) and becomes part of the state when somebody looks, or when a queue or a phone
comes into it; if neither happens it is forgotten when the call is over.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from cti.ami import events as ami
from cti.aside import Aside
from cti.bus import Bus
from cti.live import TELLING, Live, heard, told
from cti.live.state import Change
from cti.queues.model import PERSONAL
from cti.screenpop import (
    OPEN,
    Card,
    Pop,
    PopState,
    Story,
    customer_number,
    direct_pop,
    fold,
    pop,
    revised,
)
from ivr import events as ivr
from ivr.errors import SantralError

log = logging.getLogger(__name__)
FLOOR = "floor"
FLOWS = "flows"
LOOK_EVERY = 0.25  # seconds until a page that has just been opened is told of callers set aside
RECORDS_TIMEOUT = 2.0
MOST_STORIES = 20_000
MOST_CARDS = 5_000
CARD_LASTS = 600.0  # seconds

History = Callable[[str], Awaitable[Sequence[ivr.Entry]]]


class Records(Protocol):
    """Our own records of customers."""

    async def card(self, phone: str) -> Card:
        """What is known of whoever has this number; raises `SantralError` when it cannot tell."""
        ...


def agent_topic(interface: str) -> str:
    return f"agent:{interface}"


class Floor:
    """`live` is the state now; `here` is cheaper, and lacks the callers who are with the IVR alone:
    enough for whoever asks of queues, agents, and calls that have to do with them. `listeners` hear
    every new revision of a pop (a CRM, metrics)."""

    def __init__(
        self,
        bus: Bus,
        records: Records,
        history: History,
        listeners: Iterable[Callable[[Pop], None]] = (),
    ) -> None:
        self.here = Live()
        self.is_desk: Callable[[str], bool] = lambda phone: phone in self.here.agents
        """Whether somebody works at a phone. (Asterisk's state names every device: trunks too.)"""
        self._aside = Aside(self._forget, lambda phone: self.is_desk(phone))
        self._looking: asyncio.TimerHandle | None = None
        self._bus, self._records, self._history = bus, records, history
        self._listeners = tuple(listeners)
        self._stories: dict[str, Story] = {}
        self._untold: dict[str, list[ivr.Entry]] = {}
        """What is not yet in the stories, by call."""
        self._cards: dict[str, tuple[float, Card]] = {}
        self._fetching: dict[str, asyncio.Task[None]] = {}
        self._pops: dict[str, Pop] = {}
        """By the leg that rings or talks."""
        self._told: dict[str, frozenset[str]] = {}
        """Which phones' desks know of a call."""
        self._tasks: set[asyncio.Task[None]] = set()

    # --- what is asked of it

    @property
    def live(self) -> Live:
        """The whole state now."""
        self._take_back(self._aside.take_all())
        return self.here

    def pops(self, interface: str) -> tuple[Pop, ...]:
        """The pops an agent has open now, oldest first."""
        return tuple(found for found in self._pops.values() if found.agent == interface)

    def forget_card(self, number: str) -> None:
        """It is read anew for the next call: something was noted, or bought."""
        self._cards.pop(number, None)

    def card(self, call: str) -> Card | None:
        """The customer of a call, when our records have answered."""
        story = self._story(call)
        return self._card(customer_number(story)) if story else None

    def story(self, call: str) -> Story | None:
        return self._story(call)

    def queue_meant(self, call: str, queue: str) -> str:
        """The queue a caller is for: while they try their last agent's own, the one asked for."""
        if not queue.startswith(PERSONAL):
            return queue
        story = self._story(call)
        return (story.to if story else "") or queue

    def _story(self, call: str) -> Story | None:
        """The story so far. Most calls never reach a person: theirs is put together only when
        somebody asks."""
        story = self._stories.get(call)
        if untold := self._untold.pop(call, None):
            story = story or Story(call)
            for entry in untold:
                story = fold(story, entry)
            self._stories[call] = story
        return story

    def continues(self, call: str, earlier: str) -> None:
        """`call` (a call-back) goes on where `earlier` ended: its pops tell the earlier story."""
        story = self._story(earlier)
        if story is not None:
            self._stories[call] = replace(story, call=call, over=False)
        else:
            self._run(self._adopt(call, earlier))

    async def _adopt(self, call: str, earlier: str) -> None:
        story = await self._read(earlier)
        if story is not None:
            self._stories[call] = replace(story, call=call, over=False)
            self._prefetch(customer_number(story))
        self._drop_story(earlier)

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        tasks = [*self._tasks, *self._fetching.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- what it is told

    def on_event(self, event: ami.Event) -> None:
        """The Manager told something."""
        if not self._watched() and self._aside.take_event(event, self.here):
            if self._looking is None:
                self._look_later()
            return
        self._take_back(self._aside.concerned(event))
        self._apply(event)

    def _apply(self, event: ami.Event) -> None:
        self.here, changes = heard(self.here, event)
        react = _REACTIONS.get(type(event))
        if react is not None:
            react(self, event)
        self._publish(changes)

    def on_entry(self, entry: ivr.Entry) -> None:
        """A conversation told something, through the journal."""
        call, event = entry.call, entry.event
        kind = type(event)
        untold = self._untold.get(call)
        if untold is None:
            if len(self._stories) + len(self._untold) >= MOST_STORIES:
                stories = self._stories or self._untold
                stories.pop(next(iter(stories)))
            untold = self._untold[call] = []
        untold.append(entry)
        if kind is ivr.CallStarted and len(untold) == 1 and call not in self._stories:
            self._prefetch(event.caller)  # type: ignore[union-attr]
        elif kind in _NEW_NUMBER and (story := self._story(call)):
            self._prefetch(customer_number(story))
        if kind not in TELLING:
            return
        if not self._watched() and self._aside.take_entry(entry, self.here):
            if self._looking is None:
                self._look_later()
        else:
            self._take_back(self._aside.take(call))
            self._tell(entry)
        if kind is ivr.CallEnded and call not in self._aside:
            self._drop_story(call, ended=True)

    def _tell(self, entry: ivr.Entry) -> None:
        self.here, changes = told(self.here, entry)
        self._publish(changes)

    def _watched(self) -> bool:
        """Whether any page shows every caller."""
        return self._bus.listened(FLOOR) or self._bus.listened(FLOWS)

    def _look_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._looking = loop.call_later(LOOK_EVERY, self._look)

    def _look(self) -> None:
        self._looking = None
        if self._watched():
            self._take_back(self._aside.take_all())
        elif self._aside:
            self._look_later()

    def _take_back(self, aside: Sequence[ami.Event | ivr.Entry]) -> None:
        """What was set aside of some callers becomes part of the state."""
        for one in aside:
            if isinstance(one, ivr.Entry):
                self._tell(one)
            else:
                self._apply(one)

    def _publish(self, changes: Sequence[Change]) -> None:
        for change in changes:
            self._bus.publish(FLOOR, change.kind, change.key, change.value)
            if change.kind == "agent":
                self._bus.publish(agent_topic(change.key), "agent", change.key, change.value)
            elif change.kind == "call":
                self._tell_phones(change)
                if change.value is None:
                    self._drop_story(change.key, ended=True)
            elif change.kind == "live":
                for interface in self.here.agents:
                    self._bus.publish(agent_topic(interface), "live", change.key, change.value)

    def _tell_phones(self, change: Change) -> None:
        """A call, to the desks whose phones are in it, and its end to those that were."""
        before = self._told.pop(change.key, frozenset())
        now = frozenset(
            leg.endpoint
            for leg in self.here.legs_of(change.key)
            if leg.endpoint in self.here.agents
        )
        for interface in now:
            self._bus.publish(agent_topic(interface), "call", change.key, change.value)
        for interface in before - now:
            self._bus.publish(agent_topic(interface), "call", change.key, None)
        if now:
            self._told[change.key] = now

    def _forget(self, call: str) -> None:
        self._stories.pop(call, None)
        self._untold.pop(call, None)

    def _drop_story(self, call: str, *, ended: bool = False) -> None:
        if call in self.here.calls or call in self._aside:
            return
        if ended or ((story := self._story(call)) is not None and story.over):
            self._forget(call)

    # --- pops

    def _show(self, found: Pop) -> None:
        if found.state in OPEN:
            self._pops[found.leg] = found
        else:
            self._pops.pop(found.leg, None)
        self._bus.publish(
            agent_topic(found.agent), "pop", found.id, found, acknowledge=found.state in OPEN
        )
        for listener in self._listeners:
            listener(found)

    def _called(self, event: ami.AgentCalled) -> None:
        call = event.channel.call or event.channel.linked_id
        known = self.here.calls.get(call)
        story = self._story(call)
        number = customer_number(story) if story else event.channel.caller
        found = pop(event, story, self._card(number), known.joined if known else 0.0)
        self._show(replace(found, queue=self.queue_meant(call, found.queue)))
        self._complete(event.dest.unique_id, number)

    def _dialled(self, event: ami.DialBegin) -> None:
        """A desk's phone rings and no queue called it: a transfer, or a colleague."""
        leg = event.dest
        if event.channel is None or leg.unique_id in self._pops:
            return
        if leg.endpoint not in self.here.agents or leg.name.startswith("Local/"):
            return
        known = self.here.legs.get(leg.unique_id)
        call = known.call if known else leg.call or leg.linked_id
        story = self._story(call)
        main = self.here.legs.get(self.here.calls[call].main) if call in self.here.calls else None
        number = customer_number(story) if story else main.caller if main else event.channel.caller
        self._show(direct_pop(event.at, event.channel, leg, story, self._card(number)))
        self._complete(leg.unique_id, number)

    def _connected(self, event: ami.AgentConnect) -> None:
        self._answered(event.dest.unique_id)
        call = event.channel.call or event.channel.linked_id
        for other in [p for p in self._pops.values() if p.call == call]:
            if other.leg != event.dest.unique_id and other.state == PopState.RINGING:
                self._show(revised(other, state=PopState.TAKEN, at=event.at))

    def _bridged(self, event: ami.BridgeEnter) -> None:
        self._answered(event.channel.unique_id)

    def _answered(self, leg: str) -> None:
        found = self._pops.get(leg)
        if found is not None and found.state == PopState.RINGING:
            self._show(revised(found, state=PopState.ANSWERED))

    def _missed(self, event: ami.AgentRingNoAnswer) -> None:
        self._close(event.dest.unique_id, PopState.MISSED, event.at)

    def _abandoned(self, event: ami.QueueCallerAbandon) -> None:
        call = event.channel.call or event.channel.linked_id
        for found in [p for p in self._pops.values() if p.call == call]:
            self._close(found.leg, PopState.GONE, event.at)

    def _hung_up(self, event: ami.Hangup) -> None:
        leg = event.channel.unique_id
        found = self._pops.get(leg)
        if found is not None:
            talked = found.state == PopState.ANSWERED
            self._close(leg, PopState.OVER if talked else PopState.GONE, event.at)

    def _close(self, leg: str, state: PopState, at: float) -> None:
        found = self._pops.get(leg)
        if found is not None:
            self._show(revised(found, state=state, at=at))

    def _reread(self, event: ami.Snapshot) -> None:
        """After a reconnect: pops of legs that are gone are over, those of legs found are made."""
        for leg in [leg for leg in self._pops if leg not in self.here.legs]:
            self._close(leg, PopState.OVER, event.at)
        shown = {item.channel.unique_id: item.channel for item in event.channels}
        for agent in self.here.agents.values():
            for leg in agent.legs:
                call = self.here.calls.get(self.here.legs[leg].call)
                main = shown.get(call.main) if call else None
                if call is None or main is None or leg in self._pops or leg == call.main:
                    continue
                found = direct_pop(event.at, main, shown[leg], self._story(call.id), None)
                state = PopState.ANSWERED if self.here.legs[leg].up else PopState.RINGING
                self._show(revised(found, state=state, agent_name=agent.name))
                self._complete(leg, found.caller)

    # --- what comes later

    def _prefetch(self, number: str) -> None:
        if number and self._card(number) is None and number not in self._fetching:
            task = asyncio.ensure_future(self._fetch(number))
            self._fetching[number] = task
            task.add_done_callback(lambda _: self._fetching.pop(number, None))

    async def _fetch(self, number: str) -> None:
        try:
            async with asyncio.timeout(RECORDS_TIMEOUT):
                card = await self._records.card(number)
        except (SantralError, TimeoutError) as error:
            log.warning("no customer card in time: %s", type(error).__name__)
            return
        if len(self._cards) >= MOST_CARDS:
            self._cards.pop(next(iter(self._cards)))
        self._cards[number] = (time.monotonic() + CARD_LASTS, card)

    def _card(self, number: str) -> Card | None:
        """A card is right for the call it was fetched for, and not for one in ten minutes."""
        until, card = self._cards.get(number, (0.0, None))
        return card if until > time.monotonic() else None

    def _complete(self, leg: str, number: str) -> None:
        """Fetch what the pop still lacks, and show it again with that."""
        found = self._pops[leg]
        if found.call not in self._stories or found.card is None:
            self._run(self._fill(leg, number))

    async def _fill(self, leg: str, number: str) -> None:
        found = self._pops[leg]
        story = self._story(found.call) or await self._read(found.call)
        if story is not None:
            number = customer_number(story) or number
        self._prefetch(number)
        if (task := self._fetching.get(number)) is not None:
            await asyncio.wait([task])
        now = self._pops.get(leg)
        if now is None:
            return
        later: dict[str, Any] = {"card": self._card(number)}
        if story is not None:
            later |= {
                "path": story.path, "said": story.said, "intent": story.intent, "why": story.why,
                "variables": story.variables, "context": story.context, "flow": story.flow,
                "caller": story.caller or now.caller, "language": story.language or now.language,
                "dialled": story.dialled or now.dialled, "fault": story.fault,
                "direction": story.direction,
            }  # fmt: skip
        if any(getattr(now, name) != value for name, value in later.items()):
            self._show(revised(now, **later))

    async def _read(self, call: str) -> Story | None:
        """The story from the journal, for a call that was taken by another engine or before us."""
        try:
            async with asyncio.timeout(RECORDS_TIMEOUT):
                entries = await self._history(call)
        except (SantralError, TimeoutError) as error:
            log.warning("no history in time: %s", type(error).__name__)
            return None
        if not entries:
            return None
        story = Story(call)
        for entry in entries:
            story = fold(story, entry)
        self._stories.setdefault(call, story)
        return story

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


_NEW_NUMBER = frozenset({ivr.CallStarted, ivr.Transferred})
_REACTIONS: dict[type[ami.Event], Callable[[Floor, Any], None]] = {
    ami.AgentCalled: Floor._called,
    ami.AgentConnect: Floor._connected,
    ami.AgentRingNoAnswer: Floor._missed,
    ami.QueueCallerAbandon: Floor._abandoned,
    ami.DialBegin: Floor._dialled,
    ami.BridgeEnter: Floor._bridged,
    ami.Hangup: Floor._hung_up,
    ami.Snapshot: Floor._reread,
}
