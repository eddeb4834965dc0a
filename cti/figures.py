"""The numbers of the day: of each queue for the wallboard, of each agent for their desk. Counted
from events as they come, and begun with what the ledger has of today.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from cti.agents import Agents, Presence, State
from cti.agents.presence import MISSED
from cti.ami import events as ami
from cti.bus import Bus
from cti.callbacks import ASKED
from cti.db.store.desk import DeskStore, Talk
from cti.floor import Floor
from cti.ledger import Span
from cti.queues.model import PERSONAL, Queues
from cti.screenpop import Pop, PopState, customer_number

log = logging.getLogger(__name__)
NUMBERS: Final = "numbers"  # the topic, and the kind
EVERY: Final = 1.0  # seconds between two publications and two writes
LEFT_AFTER: Final = 2.0  # who left the queue and was connected to nobody in this time has left
MOST_WAITING: Final = 20_000  # rows kept while the database is away


@dataclass(frozen=True, slots=True)
class Numbers:
    """One queue now and since midnight. `longest_since` is when the longest waiting caller came (0:
    nobody waits); `level` the part of the offered that was answered in time, None of none.
    """

    queue: str
    waiting: int = 0
    longest_since: float = 0.0
    agents: Mapping[str, int] = field(default_factory=dict)
    offered: int = 0
    answered: int = 0
    abandoned: int = 0
    in_level: int = 0
    level: float | None = None
    mean_wait: float = 0.0
    callbacks: int = 0


@dataclass(slots=True)
class _Day:
    """What a queue has had since midnight."""

    answered: int = 0
    abandoned: int = 0
    left: int = 0
    in_level: int = 0
    waited: float = 0.0


@dataclass(frozen=True, slots=True)
class Today:
    """An agent's own figures since midnight; times in seconds."""

    answered: int = 0
    missed: int = 0
    outbound: int = 0
    talk: float = 0.0
    wrap_up: float = 0.0
    paused: float = 0.0
    ready: float = 0.0
    mean_talk: float = 0.0
    signed_in_since: float = 0.0


@dataclass(frozen=True, slots=True)
class Visit:
    """A caller's stay in a queue, as far as the day's numbers need it."""

    call: str
    queue: str
    entered: float
    left: float = 0.0
    outcome: str = ""

    @property
    def wait(self) -> float:
        return max(0.0, self.left - self.entered)


class Figures:
    """Told of every event after the floor and the agents; `watch` and `on_pop` are listeners."""

    def __init__(
        self,
        floor: Floor,
        store: DeskStore,
        bus: Bus,
        queues: Callable[[], Queues],
        login_of: Callable[[str], str],
        zone: tzinfo,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._floor, self._store, self._bus = floor, store, bus
        self._queues, self._login_of, self._zone, self._clock = queues, login_of, zone, clock
        self.agents: Agents | None = None
        self.callbacks: Callable[[str], int] = lambda queue: 0
        self._days: dict[str, _Day] = {}
        self._midnight = self.midnight()
        self._inside: dict[tuple[str, str], Visit] = {}
        """Who is in a queue now, or talks with whom they got there, by call and queue."""
        self._had: OrderedDict[tuple[str, str], None] = OrderedDict()
        """Who had which call at their phone a moment ago: the ledger's rows come later."""
        self._talks: list[Talk] = []
        self._told: dict[str, Numbers] = {}

    def midnight(self) -> float:
        now = datetime.fromtimestamp(self._clock(), self._zone)
        return now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()

    async def open(self) -> None:
        """Begin with what the database has of today; without it at zero."""
        try:
            for visit in await self._store.visits(self._midnight):
                if visit.outcome and visit.left:
                    self._count(
                        Visit(visit.call, visit.queue, visit.entered, visit.left, visit.outcome)
                    )
        except (SQLAlchemyError, OSError) as error:
            log.warning("today's figures begin at zero: %s", type(error).__name__)

    # --- what is asked of it

    def numbers(self) -> Sequence[Numbers]:
        """Every queue of ours, in the file's order."""
        return [self._numbers(name) for name in self._queues().queues]

    async def today(self, login: str) -> Today:
        """Raises what the database raises."""
        spans = await self._store.spans(self.midnight(), login)
        return add_up(spans, self.midnight(), self._clock())

    def had(self, login: str, call: str) -> bool:
        """Whether they had this call a moment ago."""
        return (login, call) in self._had

    # --- what it is told

    def on_event(self, event: ami.Event) -> None:
        react = _REACTIONS.get(type(event))
        if react is not None:
            react(self, event)

    def _joined(self, event: ami.QueueCallerJoin) -> None:
        channel = event.channel
        call = _call(channel)
        self._inside[call, event.queue] = Visit(call, event.queue, event.at)

    def _left(self, event: ami.QueueCallerLeave) -> None:
        """They have left the queue; whether to somebody, the next event tells."""
        visit = self._inside.get((_call(event.channel), event.queue))
        if visit is not None and not visit.left:
            self._inside[visit.call, visit.queue] = replace(visit, left=event.at)

    def _abandoned(self, event: ami.QueueCallerAbandon) -> None:
        self._settle((_call(event.channel), event.queue), "abandoned", event.at)

    def _asked_back(self, event: ami.UserEvent) -> None:
        if event.name == ASKED and event.channel is not None:
            self._settle((_call(event.channel), event.said.get("Queue", "")), "callback", event.at)

    def _connected(self, event: ami.AgentConnect) -> None:
        self._settle((_call(event.channel), event.queue), "handled", event.at)

    def watch(self, before: Presence, now: Presence) -> None:
        """A watcher of `Agents`."""
        if now.call and now.call != before.call:
            self._had[now.login, now.call] = None
            while len(self._had) > MOST_WAITING:
                self._had.popitem(last=False)

    def on_pop(self, pop: Pop) -> None:
        """A listener of the floor: a talk that is over is a contact."""
        if pop.state == PopState.OVER and (login := self._login_of(pop.agent)):
            phone = self._phone(pop)
            if phone:
                self._talks.append(
                    Talk(pop.call, phone, pop.at, pop.direction, "answered", login, pop.intent)
                )

    def _phone(self, pop: Pop) -> str:
        story = self._floor.story(pop.call)
        number = customer_number(story) if story else pop.caller
        return number if number.startswith("+") else ""

    def _settle(self, key: tuple[str, str], outcome: str, at: float) -> None:
        visit = self._inside.pop(key, None)
        if visit is None:
            return
        visit = replace(visit, left=visit.left or at, outcome=outcome)
        story = self._floor.story(visit.call)
        if visit.queue.startswith(PERSONAL):
            # A queue of one agent is no queue of its own: it stands for the one the caller is for.
            if outcome == "left" or story is None or not story.to:
                return
            visit = replace(visit, queue=story.to)
        self._count(visit)
        if outcome == "abandoned" and story and (phone := customer_number(story)).startswith("+"):
            self._talks.append(Talk(visit.call, phone, at, "inbound", "abandoned", ""))

    def _compare(self, event: ami.Snapshot) -> None:
        """After a reconnect: who is in no queue any more has left it, we do not know how."""
        there = set()
        for entry in event.waiting:
            leg = self._floor.here.legs.get(entry.unique_id)
            if leg is not None:
                key = (leg.call, entry.queue)
                there.add(key)
                self._inside.setdefault(key, Visit(leg.call, entry.queue, event.at - entry.wait))
        for key in [key for key in self._inside if key not in there]:
            self._settle(key, "left", event.at)

    def _count(self, visit: Visit) -> None:
        if visit.entered < self._midnight:
            return
        day = self._days.setdefault(visit.queue, _Day())
        queue = self._queues().get(visit.queue)
        if visit.outcome == "handled":
            day.answered += 1
            day.waited += visit.wait
            day.in_level += visit.wait <= (queue.service_level if queue else 20.0)
        elif visit.outcome == "abandoned":
            day.abandoned += 1
        else:
            day.left += 1

    def _numbers(self, name: str) -> Numbers:
        day = self._days.get(name, _Day())
        live = self._floor.here.queues.get(name)
        waiting = live.waiting if live else ()
        offered = day.answered + day.abandoned + day.left
        return Numbers(
            queue=name,
            waiting=len(waiting),
            longest_since=min((one.joined for one in waiting), default=0.0),
            agents=self._hands(name),
            offered=offered,
            answered=day.answered,
            abandoned=day.abandoned,
            in_level=day.in_level,
            level=round(day.in_level / offered, 4) if offered else None,
            mean_wait=round(day.waited / day.answered, 1) if day.answered else 0.0,
            callbacks=self.callbacks(name),
        )

    def _hands(self, queue: str) -> Mapping[str, int]:
        if self.agents is None:
            return {}
        counts: Counter[str] = Counter()
        for login, here in self.agents.everybody().items():
            if here.state != State.SIGNED_OUT and self.agents.works_in(login, queue):
                counts[here.state.value] += 1
        return dict(counts)

    # --- in the background

    async def run(self) -> None:
        """Publish what has changed and keep what has ended. Never returns."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                self.publish()
                await self.keep()
            except Exception:
                log.exception("the figures of the day failed")

    def publish(self) -> None:
        if (midnight := self.midnight()) != self._midnight:
            self._midnight = midnight
            self._days.clear()
        gone = self._clock() - LEFT_AFTER
        for key, visit in list(self._inside.items()):
            if visit.left and not visit.outcome and visit.left < gone:
                self._settle(key, "left", visit.left)
        for numbers in self.numbers():
            if self._told.get(numbers.queue) != numbers:
                self._told[numbers.queue] = numbers
                self._bus.publish(NUMBERS, NUMBERS, numbers.queue, numbers)

    async def keep(self) -> None:
        """Write the contacts that are new; what cannot be written now is tried again."""
        talks, self._talks = self._talks, []
        try:
            while talks:
                await self._store.talked(talks[0])
                self._floor.forget_card(talks.pop(0).phone)  # it lacks this talk
        except (SQLAlchemyError, OSError) as error:
            log.warning("contacts wait for the database: %s", type(error).__name__)
            self._talks = [*talks, *self._talks][-MOST_WAITING:]


def add_up(spans: Sequence[Span], since: float, now: float) -> Today:
    """Pure: the sums of an agent's states from `since` on; a span without end goes on."""
    sums: dict[str, float] = defaultdict(float)
    answered = outbound = missed = 0
    first = 0.0
    for one in spans:
        begun = max(one.since, since)
        sums[one.state] += max(0.0, (one.until or now) - begun)
        first = min(first or begun, begun)
        answered += one.state == State.TALKING and bool(one.queue)
        outbound += one.state == State.TALKING and not one.queue
        missed += one.state == State.PAUSED and one.reason == MISSED
    talks = answered + outbound
    return Today(
        answered=answered,
        missed=missed,
        outbound=outbound,
        talk=round(sums[State.TALKING], 1),
        wrap_up=round(sums[State.WRAP_UP], 1),
        paused=round(sums[State.PAUSED], 1),
        ready=round(sums[State.READY], 1),
        mean_talk=round(sums[State.TALKING] / talks, 1) if talks else 0.0,
        signed_in_since=first,
    )


def _call(channel: ami.Channel) -> str:
    return channel.call or channel.linked_id


_REACTIONS: dict[type[ami.Event], Callable[[Figures, Any], None]] = {
    ami.QueueCallerJoin: Figures._joined,
    ami.QueueCallerLeave: Figures._left,
    ami.QueueCallerAbandon: Figures._abandoned,
    ami.UserEvent: Figures._asked_back,
    ami.AgentConnect: Figures._connected,
    ami.Snapshot: Figures._compare,
}
