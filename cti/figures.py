"""The numbers of the day: of each queue for the wallboard, of each agent for their desk. Counted
from events as they come, begun with what the database has of today, and kept there for reports.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from typing import Any, Final, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from cti.agents import Agents, Presence, State
from cti.agents.presence import MISSED
from cti.ami import events as ami
from cti.bus import Bus
from cti.callbacks import ASKED
from cti.db.store.desk import DeskStore, Span, Talk, Visit
from cti.floor import Floor
from cti.queues.model import PERSONAL, Queues
from cti.screenpop import Pop, PopState, customer_number

log = logging.getLogger(__name__)
NUMBERS: Final = "numbers"  # the topic, and the kind
EVERY: Final = 1.0  # seconds between two publications and two writes
SEEN_EVERY: Final = 30.0
T = TypeVar("T")
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
        self._spans: dict[str, Span] = {}
        """What each agent does now, by login."""
        self._visits_to_keep: dict[str, Visit] = {}
        self._spans_to_keep: dict[str, Span] = {}
        self._wrapping: dict[str, Visit] = {}
        self._seen = 0.0
        self._talks: list[Talk] = []
        self._told: dict[str, Numbers] = {}

    def midnight(self) -> float:
        now = datetime.fromtimestamp(self._clock(), self._zone)
        return now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()

    async def open(self) -> None:
        """Begin with what the database has of today; without it at zero."""
        try:
            await self._store.close_spans(self._clock())
            for visit in await self._store.visits(self._midnight):
                if visit.outcome:
                    self._count(visit)
        except (SQLAlchemyError, OSError) as error:
            log.warning("today's figures begin at zero: %s", type(error).__name__)

    # --- what is asked of it

    def numbers(self) -> Sequence[Numbers]:
        """Every queue of ours, in the file's order."""
        return [self._numbers(name) for name in self._queues().queues]

    async def today(self, login: str) -> Today:
        """Raises what the database raises."""
        now = self._clock()
        spans = {span.id: span for span in await self._store.spans(self.midnight(), login)}
        spans |= {one.id: one for one in self._spans_to_keep.values() if one.agent == login}
        if login in self._spans:
            spans[self._spans[login].id] = replace(self._spans[login], seen=now)
        return add_up(list(spans.values()), self.midnight())

    def had(self, login: str, call: str) -> bool:
        """Whether they had this call a moment ago, and it is not in the database yet."""
        return any((one.agent, one.call) == (login, call) for one in self._spans_to_keep.values())

    # --- what it is told

    def on_event(self, event: ami.Event) -> None:
        react = _REACTIONS.get(type(event))
        if react is not None:
            react(self, event)

    def _joined(self, event: ami.QueueCallerJoin) -> None:
        channel = event.channel
        self._put(
            Visit(
                uuid.uuid4().hex, _call(channel), channel.unique_id, event.queue, event.at,
                event.position,
            )
        )  # fmt: skip

    def _rung(self, event: ami.AgentCalled) -> None:
        visit = self._inside.get((_call(event.channel), event.queue))
        if visit is not None:
            self._inside[visit.call, visit.queue] = replace(visit, rings=visit.rings + 1)

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
        login = self._login_of(event.interface)
        self._settle((_call(event.channel), event.queue), "handled", event.at, login)

    def _completed(self, event: ami.AgentComplete) -> None:
        visit = self._inside.pop((_call(event.channel), event.queue), None)
        if visit is not None and visit.outcome == "handled":
            self._keep_visit(replace(visit, ended=event.at, ended_by=event.reason))
            self._wrapping[visit.agent] = self._visits_to_keep[visit.id]

    def watch(self, before: Presence, now: Presence) -> None:
        """A watcher of `Agents`: each state is kept from its beginning to its end."""
        if (before.state, before.since, before.call) == (now.state, now.since, now.call):
            return
        ended = self._spans.pop(now.login, None)
        if ended is not None:
            ended = replace(ended, until=max(ended.since, now.since), seen=now.since)
            self._spans_to_keep[ended.id] = ended
            if ended.state == State.WRAP_UP and (visit := self._wrapping.pop(now.login, None)):
                self._keep_visit(replace(visit, wrap_up=round(ended.until - ended.since, 3)))
        if now.state != State.SIGNED_OUT:
            begun = Span(
                uuid.uuid4().hex, now.login, now.state.value, now.reason, now.queue, now.call,
                now.since, 0.0, now.since,
            )  # fmt: skip
            self._spans[now.login] = self._spans_to_keep[begun.id] = begun

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

    def _put(self, visit: Visit) -> None:
        self._inside[visit.call, visit.queue] = visit
        self._keep_visit(visit)

    def _keep_visit(self, visit: Visit) -> None:
        """A queue of one agent is no queue of its own: it stands for the one the caller is for."""
        if visit.queue.startswith(PERSONAL):
            story = self._floor.story(visit.call)
            if story is None or not story.to or visit.outcome in ("", "left"):
                return
            visit = replace(visit, queue=story.to)
        self._visits_to_keep[visit.id] = visit

    def _settle(self, key: tuple[str, str], outcome: str, at: float, login: str = "") -> None:
        visit = self._inside.pop(key, None)
        if visit is None or visit.outcome:
            return
        visit = replace(visit, left=visit.left or at, outcome=outcome, agent=login)
        if outcome == "handled":
            self._inside[key] = visit  # until the talk is over
        self._keep_visit(visit)
        self._count(self._visits_to_keep.get(visit.id, visit))
        if outcome == "abandoned":
            story = self._floor.story(visit.call)
            if story and (phone := customer_number(story)).startswith("+"):
                self._talks.append(Talk(visit.call, phone, at, "inbound", "abandoned", ""))

    def _compare(self, event: ami.Snapshot) -> None:
        """After a reconnect: who is in no queue any more has left it, we do not know how; and a
        talk that is not there any more is over."""
        there = set()
        for entry in event.waiting:
            leg = self._floor.live.legs.get(entry.unique_id)
            if leg is not None:
                key = (leg.call, entry.queue)
                there.add(key)
                if key not in self._inside:
                    entered = event.at - entry.wait
                    id = uuid.uuid4().hex
                    self._put(Visit(id, leg.call, leg.id, entry.queue, entered, entry.position))
        for key, visit in list(self._inside.items()):
            if visit.outcome and visit.leg not in self._floor.live.legs:
                del self._inside[key]
                self._keep_visit(replace(visit, ended=event.at, ended_by=""))
            elif not visit.outcome and key not in there:
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
        live = self._floor.live.queues.get(name)
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
        """Write what is new; what cannot be written now is tried again, within bounds."""
        now = self._clock()
        if now - self._seen >= SEEN_EVERY:
            self._seen = now
            for login, span in self._spans.items():
                self._spans[login] = self._spans_to_keep[span.id] = replace(span, seen=now)
        spans, self._spans_to_keep = self._spans_to_keep, {}
        visits, self._visits_to_keep = self._visits_to_keep, {}
        talks, self._talks = self._talks, []
        try:
            if spans or visits:
                await self._store.keep_times(list(spans.values()), list(visits.values()), now)
                spans, visits = {}, {}
            while talks:
                await self._store.talked(talks[0])
                talks.pop(0)
        except (SQLAlchemyError, OSError) as error:
            log.warning("figures wait for the database: %s", type(error).__name__)
            self._spans_to_keep = _last(spans | self._spans_to_keep)
            self._visits_to_keep = _last(visits | self._visits_to_keep)
            self._talks = [*talks, *self._talks][-MOST_WAITING:]

    async def close(self) -> None:
        """What agents do now goes on without us; it is kept as far as we have seen it."""
        now = self._clock()
        for span in self._spans.values():
            self._spans_to_keep[span.id] = replace(span, until=now, seen=now)
        await self.keep()


def add_up(spans: Sequence[Span], since: float) -> Today:
    """Pure: the sums of an agent's states from `since` on."""
    sums: dict[str, float] = defaultdict(float)
    answered = outbound = missed = 0
    first = 0.0
    for one in spans:
        begun = max(one.since, since)
        sums[one.state] += max(0.0, (one.until or one.seen) - begun)
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


def _last(waiting: dict[str, T]) -> dict[str, T]:
    return dict(list(waiting.items())[-MOST_WAITING:])


def _call(channel: ami.Channel) -> str:
    return channel.call or channel.linked_id


_REACTIONS: dict[type[ami.Event], Callable[[Figures, Any], None]] = {
    ami.QueueCallerJoin: Figures._joined,
    ami.AgentCalled: Figures._rung,
    ami.QueueCallerLeave: Figures._left,
    ami.QueueCallerAbandon: Figures._abandoned,
    ami.UserEvent: Figures._asked_back,
    ami.AgentConnect: Figures._connected,
    ami.AgentComplete: Figures._completed,
    ami.Snapshot: Figures._compare,
}
