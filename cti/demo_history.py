"""Thirty days of believable history for the demo shop: calls that nobody made.

A small simulation, the same every time: callers arrive as they do in a shop (busy mornings, quiet
Sundays, nights), go through the flow, and wait for agents who have shifts, lunch and pauses; who
waits too long gives up. Every id begins with `demo-`, and `remove` takes all of it away again.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from time import time as time_now
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.engine import BEGIN
from cti.db.models import (
    agent_spans,
    call_events,
    call_facts,
    call_steps,
    calls,
    contacts,
    queue_visits,
    rollup_state,
    survey_answers,
)
from cti.demo_marks import MARK as MARK
from cti.demo_marks import REMOVED
from cti.demo_marks import is_there as is_there
from cti.demo_marks import was_removed as was_removed
from cti.journal.line import Row
from cti.journal.tables import JournalTables
from cti.reports.facts import quarter

QUEUE: Final = "support"
NAMES: Final = ("ayse", "burak", "ceren", "deniz")
# How busy each hour of the day is, and each day of the week (Monday first).
HOURS: Final = (
    1,
    1,
    0,
    0,
    0,
    1,
    2,
    6,
    22,
    58,
    82,
    76,
    55,
    62,
    78,
    80,
    70,
    52,
    34,
    26,
    20,
    14,
    8,
    3,
)
DAYS: Final = (1.35, 1.1, 1.0, 1.0, 1.15, 0.7, 0.35)
PATIENCE: Final = 160.0  # seconds a caller waits before giving up, on average
LONGEST_WAIT: Final = 600.0
BATCH: Final = 20_000  # journal rows


@dataclass(frozen=True, slots=True)
class Scale:
    """How much: `per_day` calls on an ordinary day."""

    days: int = 30
    per_day: int = 360
    agents: Sequence[str] = NAMES
    zone: str = "Europe/Istanbul"
    seed: int = 20261122
    mark: str = MARK
    callers: int = 3000  # how many different people call
    queues: Sequence[str] = (QUEUE,)


@dataclass(slots=True)
class Agent:
    """`free`: from when on the next call may come. `busy`: talks and wrap-ups, in their order."""

    login: str
    number: int
    free: float = 0.0
    busy: list[tuple[float, float, float, str]] = field(default_factory=list)

    def shift(self, day: date, zone: ZoneInfo) -> tuple[float, float, float, float] | None:
        """From, to, and lunch; None on a day off."""
        if (day.weekday() == 6 and self.number % 3) or day.weekday() == (self.number + 2) % 5:
            return None
        begins = 8.5 + (self.number % 3) * 1.5
        lunch = begins + 3.5 + (self.number % 2) * 0.75
        start = datetime.combine(day, time(), zone).timestamp()
        hours = (begins, begins + 9.0, lunch, lunch + 0.75)
        a, b, c, d = (start + hour * 3600 for hour in hours)
        return a, b, c, d


@dataclass(slots=True)
class History:
    """What one day's simulation made."""

    rows: list[Row] = field(default_factory=list)
    visits: list[dict[str, Any]] = field(default_factory=list)
    spans: list[dict[str, Any]] = field(default_factory=list)


class Simulation:
    """Makes the history day by day, in the order of time."""

    def __init__(self, scale: Scale, today: date) -> None:
        self.scale = scale
        self._random = random.Random(scale.seed)  # noqa: S311 - a simulation
        self._zone = ZoneInfo(scale.zone)
        self._first = today - timedelta(days=scale.days)
        self._agents = [Agent(login, number) for number, login in enumerate(scale.agents)]
        self.number = 0

    def days(self) -> Iterator[History]:
        for number in range(self.scale.days):
            yield self._day(self._first + timedelta(days=number))

    def _day(self, day: date) -> History:
        made = History()
        shifts = {agent.login: agent.shift(day, self._zone) for agent in self._agents}
        for agent in self._agents:
            agent.busy.clear()
            if (shift := shifts[agent.login]) is not None:
                agent.free = shift[0]
        queued: list[tuple[float, Call]] = []
        for at in sorted(self._arrivals(day)):
            self.number += 1
            call = Call(self, f"{self.scale.mark}{self.number:07}", at)
            if (joins := call.run()) is not None:
                queued.append((joins, call))
            else:
                made.rows += call.rows
        for joins, call in sorted(queued, key=lambda one: one[0]):
            self._wait(made, call, joins, shifts)
        for agent in self._agents:
            if (shift := shifts[agent.login]) is not None:
                made.spans += self._time_sheet(agent, shift)
        return made

    def _arrivals(self, day: date) -> Iterator[float]:
        chance = self._random
        start = datetime.combine(day, time(), self._zone).timestamp()
        whole = self.scale.per_day * DAYS[day.weekday()] / sum(HOURS)
        for hour, weight in enumerate(HOURS):
            expected = whole * weight * chance.uniform(0.85, 1.15)
            count = int(expected) + (chance.random() < expected % 1)
            for _ in range(count):
                yield start + hour * 3600 + chance.uniform(0, 3600)

    def _wait(self, made: History, call: Call, joins: float, shifts: Any) -> None:
        """A place in the queue: the agent who is free first, or the caller's patience."""
        chance = self._random
        starts, agent = self._first_free(joins, shifts)
        patience = chance.expovariate(1 / PATIENCE)
        wait = starts - joins
        rings = 1 + (chance.random() < 0.08)
        if agent is None:
            outcome, left, ended = "empty", joins + 0.2, joins + 0.2
        elif wait > patience or wait > LONGEST_WAIT:
            callback = wait > 60 and chance.random() < 0.25
            outcome = "callback" if callback else "abandoned"
            left = ended = joins + min(patience, LONGEST_WAIT)
            if left - joins >= LONGEST_WAIT:
                outcome = "overflow"
        else:
            outcome = "handled"
            left = max(joins, starts) + chance.uniform(2, 7)
            ended = left + chance.lognormvariate(5.0, 0.6)
        held = chance.uniform(10, 60) if outcome == "handled" and chance.random() < 0.15 else 0.0
        wrap = chance.uniform(5, 25) if outcome == "handled" else 0.0
        ended += held
        if outcome == "handled" and agent is not None:
            agent.busy.append((left, ended, ended + wrap, call.id))
            agent.free = ended + wrap
        by = "transfer" if chance.random() < 0.06 else chance.choice(("caller", "agent"))
        made.visits.append(
            {
                "id": f"{call.id}:1", "call": call.id, "leg": call.id, "queue": call.queue,
                "quarter": quarter(joins), "entered": joins, "position": 1, "rings": rings,
                "left": left, "outcome": outcome, "ended": ended, "held": held, "wrap_up": wrap,
                "agent": agent.login if outcome == "handled" and agent else "",
                "ended_by": by if outcome == "handled" else "", "changed": ended,
            }
        )  # fmt: skip
        if outcome == "handled" and chance.random() < 0.25:
            call.rate(ended + 1)
        made.rows += call.rows

    def _first_free(self, joins: float, shifts: Any) -> tuple[float, Agent | None]:
        """When the first agent can take the call, and who; nobody outside of all shifts."""
        best, who = joins + 2 * LONGEST_WAIT, None
        anybody = None
        for agent in self._agents:
            shift = shifts[agent.login]
            if shift is None or not shift[0] <= joins < shift[1]:
                continue
            anybody = agent
            at = max(joins, agent.free)
            if shift[2] <= at < shift[3]:
                at = shift[3]
            if at < best and at < shift[1]:
                best, who = at, agent
        return best, who or anybody

    def _time_sheet(self, agent: Agent, shift: tuple[float, ...]) -> Iterator[dict[str, Any]]:
        """What the agent did from sign-in to sign-out, without a gap."""
        begins, ends, lunch, back = shift
        taken: list[tuple[float, float, str, str, str]] = []
        for left, ended, wrapped, call in agent.busy:
            taken.append((left - 2.0, left, "ringing", "", call))
            taken.append((left, ended, "talking", "", call))
            taken.append((ended, wrapped, "wrap_up", "wrap_up", call))
        taken.append((lunch, back, "paused", "lunch", ""))
        here = begins
        for since, until, state, reason, call in sorted(taken):
            since, until = max(since, here), max(until, here)
            if since > here:
                yield self._span(agent, here, since, "ready")
            if until > since:
                yield self._span(agent, since, until, state, reason, call)
            here = until
        if here < ends:
            yield self._span(agent, here, ends, "ready")

    def _span(
        self, agent: Agent, since: float, until: float, state: str, reason: str = "", call: str = ""
    ) -> dict[str, Any]:
        return {
            "id": f"{self.scale.mark}{agent.login}-{since:.3f}", "agent": agent.login,
            "state": state, "reason": reason, "queue": QUEUE if call else "", "call": call,
            "since": since, "until": until, "seen": until, "changed": until,
        }  # fmt: skip


class Call:
    """One caller's way through the flow `order_line`, as journal rows."""

    def __init__(self, simulation: Simulation, name: str, at: float) -> None:
        self.id, self.at, self.rows = name, at, list[Row]()
        self._random = simulation._random
        self._began = at
        chance = self._random
        self.language = "tr" if chance.random() < 0.86 else "en"
        self._by_speech = chance.random() < 0.3
        self._caller = f"+90555{chance.randrange(simulation.scale.callers):07}"
        self.queue = simulation.scale.queues[simulation.number % len(simulation.scale.queues)]

    def note(self, event: str, /, after: float = 0.0, **data: Any) -> None:
        self.at += after
        text = json.dumps(data, ensure_ascii=False)
        self.rows.append(Row(self.id, len(self.rows) + 1, round(self.at, 6), event, text))

    def step(self, name: str, kind: str, via: str = "", flow: str = "order_line") -> None:
        self.note("StepEntered", 0.02, flow=flow, step=name, type=kind, via=via, visit=1, depth=0,
                  version="demo")  # fmt: skip

    def heard(self, answer: str, after: float) -> None:
        speech = self._by_speech and self._random.random() < 0.9
        sure = round(self._random.betavariate(8, 2), 3) if speech else 1.0
        self.note("Heard", after, kind="speech" if speech else "keys", text=answer,
                  confidence=sure, answer=answer, secret=False)  # fmt: skip

    def run(self) -> float | None:
        """Until the call is over, or the moment when the caller joins the queue."""
        chance = self._random
        self.note("CallStarted", flow="order_line", version="demo", language=self.language,
                  caller=self._caller, dialled="100" if self.language == "tr" else "200",
                  direction="inbound", channel="", context={})  # fmt: skip
        self.step("welcome", "say")
        self.step("main", "menu", "next")
        luck = chance.random()
        if luck < 0.07:
            self._hangs_up(chance.uniform(1, 9), "main")
            return None
        if luck < 0.13:
            self.note("Heard", 5.0, kind="nothing", text="", confidence=1.0, answer=None)
            self.note("Heard", 6.0, kind="nothing", text="", confidence=1.0, answer=None)
            return self._to_agent("no_input")
        if luck < 0.21:
            self.note("Heard", 3.0, kind="speech" if self._by_speech else "keys", text="9",
                      confidence=0.4, answer=None)  # fmt: skip
        if luck < 0.42:
            self.heard("0", chance.uniform(2, 7))
            return self._to_agent("0")
        self.heard("1", chance.uniform(2, 7))
        if luck < 0.9:
            return self._status()
        self._cancel()
        return None

    def _status(self) -> float | None:
        chance = self._random
        self.step("ask_number", "collect", "1")
        if chance.random() < 0.05:
            self._hangs_up(4.0, "ask_number")
            return None
        self.heard(str(chance.randrange(1000, 9999)), chance.uniform(3, 9))
        self.step("find", "lookup")
        found = chance.random() < 0.87
        outcome = "found" if found else "not_found"
        if chance.random() < 0.004:
            self.note(
                "Failed", 2.0, error="LookupFailed", message="", flow="order_line", step="find"
            )
            return self._to_agent("error")
        self.note("LookupDone", 0.02, query="order_by_number", outcome=outcome, ms=12.0)
        if not found:
            self.step("sorry", "say", "not_found")
            return self._to_agent("next", 4.0)
        self.step("say_status", "say", "found")
        if chance.random() < 0.35:
            self._hangs_up(chance.uniform(4, 9), "say_status")
        else:
            self._bye(8.0)
        return None

    def _cancel(self) -> None:
        chance = self._random
        self.step("ask_cancel", "collect", "2")
        self.heard(str(chance.randrange(1000, 9999)), chance.uniform(3, 9))
        self.step("find_cancel", "lookup")
        self.note("LookupDone", 0.02, query="order_by_number", outcome="found", ms=11.0)
        self.step("sure", "ask", "found")
        self.heard("yes", chance.uniform(2, 6))
        self.step("cancel", "update", "yes")
        self.note("EffectDone", 0.03, kind="update", name="cancel_order", key="", outcome="done",
                  ms=9.0, result=None)  # fmt: skip
        self.step("cancelled", "say", "done")
        self._bye(5.0)

    def _bye(self, after: float) -> None:
        self.at += after
        self.step("goodbye", "say", "next")
        self.step("bye", "hangup", "next")
        self.note("CallEnded", 3.0, why="hangup", flow="order_line", step="bye")

    def _hangs_up(self, after: float, step: str) -> None:
        self.note("CallEnded", after, why="caller_hung_up", flow="order_line", step=step)

    def _to_agent(self, via: str, after: float = 0.5) -> float:
        self.at += after
        self.step("to_agent", "transfer", via)
        self.note("Transferred", 0.01, to=self.queue, kind="queue", why="")
        self.note("CallEnded", 0.01, why="transfer", flow="order_line", step="to_agent")
        return self.at

    def rate(self, at: float) -> None:
        """Back from the talk, for a survey."""
        chance = self._random
        self.at = at
        self.note("CallResumed", entry=2, channel="", outcome="done")
        self.step("rate", "rate", "done", flow="survey")
        scale, marks = (("1-5", (5, 5, 5, 4, 4, 3, 2, 1)), ("0-10", (10, 10, 9, 9, 8, 7, 6, 3)))[
            chance.random() < 0.4
        ]
        mark = chance.choice(marks)
        self.heard(str(mark), chance.uniform(3, 6))
        question = "service" if scale == "1-5" else "recommend"
        self.note("Rated", question=question, scale=scale, mark=mark)
        self.note("CallEnded", 2.0, why="hangup", flow="survey", step="bye")


async def write(
    engine: AsyncEngine,
    scale: Scale,
    today: date,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Put the history into an empty or a used database. How many calls."""
    journal = JournalTables(engine, deadline=120.0)
    writing = engine.execution_options(**{BEGIN: "IMMEDIATE"})
    count = 0
    for number, day in enumerate(Simulation(scale, today).days(), 1):
        for start in range(0, len(day.rows), BATCH):
            await journal.insert(day.rows[start : start + BATCH], "demo")
        async with writing.begin() as connection:
            for table, rows in ((queue_visits, day.visits), (agent_spans, day.spans)):
                if rows:
                    await connection.execute(insert(table), rows)
        count += sum(row.sequence == 1 for row in day.rows)
        if progress:
            progress(number, scale.days)
    return count


async def remove(engine: AsyncEngine, mark: str = MARK) -> int:
    """Take the history away, for good. How many calls that were. The roll-ups are to be rebuilt
    then."""
    own = {
        queue_visits: queue_visits.c.call, agent_spans: agent_spans.c.id,
        call_events: call_events.c.call, call_facts: call_facts.c.call,
        call_steps: call_steps.c.call, survey_answers: survey_answers.c.call,
        contacts: contacts.c.call, calls: calls.c.id,
    }  # fmt: skip
    async with engine.execution_options(**{BEGIN: "IMMEDIATE"}).begin() as connection:
        gone = 0
        for table, column in own.items():
            found = await connection.execute(
                delete(table).where(column.startswith(mark, autoescape=True))
            )
            gone = found.rowcount
        await connection.execute(delete(rollup_state).where(rollup_state.c.name == REMOVED))
        await connection.execute(insert(rollup_state), {"name": REMOVED, "upto": time_now()})
    return gone


def until_now(moment: datetime | None = None, zone: str = "Europe/Istanbul") -> date:
    """Today in the shop's zone: the history ends the day before."""
    return (moment or datetime.now(UTC)).astimezone(ZoneInfo(zone)).date()
