"""The recount: what every report must say, from the raw records alone.

Written another way than the reports on purpose, and sharing nothing with them: no roll-up, no
facts, no sum in SQL; each call's story is read event by event, and each moment turned into the
zone's local time by itself. `differences` holds a report against it, figure by figure.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

UNITS: Final = ("quarter", "hour", "day", "week", "month", "weekday", "hour_of_day", "total")
ENDINGS: Final = ("handled", "contained", "abandoned", "diverted", "waiting")
WEEK: Final = 7 * 86400.0
AT_ONCE: Final = 20_000  # rows
Figures = dict[tuple[Any, ...], Counter[str]]
EVENTS: Final = """
SELECT call, sequence, at, kind, CAST(data AS TEXT) FROM call_events
WHERE (call, sequence) > (:call, :sequence) ORDER BY call, sequence LIMIT :most
"""
STAYS: Final = (
    "call, queue, entered, {left} AS left_at, outcome, agent, ended, held, wrap_up, ended_by"
)


@lru_cache(maxsize=200_000)
def labels(second: int, zone: ZoneInfo) -> Mapping[str, str]:
    """How the slots are called that a moment (a quarter's first second) falls into."""
    local = datetime.fromtimestamp(second, zone)
    return {
        "quarter": local.isoformat(timespec="minutes"),
        "hour": local.replace(minute=0).isoformat(timespec="minutes"),
        "day": str(local.date()), "week": f"{local:%G-W%V}", "month": f"{local:%Y-%m}",
        "weekday": f"{local:%A}".lower(), "hour_of_day": f"{local:%H}:00", "total": "",
    }  # fmt: skip


def labels_at(at: float, zone: ZoneInfo) -> Mapping[str, str]:
    return labels(int(at) // 900 * 900, zone)


@dataclass(slots=True)
class Stay:
    queue: str
    entered: float
    left: float
    outcome: str
    agent: str
    ended: float
    held: float
    wrap_up: float
    ended_by: str

    @property
    def waited(self) -> float:
        return self.left - self.entered if self.left else 0.0


@dataclass(slots=True)
class Person:
    """What one caller's calls come to."""

    ends: list[tuple[float, str]] = field(default_factory=list)
    waited: float = 0.0


@dataclass(slots=True)
class Recount:
    zone: ZoneInfo
    events: int = 0
    begun: Counter[str] = field(default_factory=Counter)
    by_slot: Figures = field(default_factory=lambda: defaultdict(Counter))
    by_queue: Figures = field(default_factory=lambda: defaultdict(Counter))
    steps: Figures = field(default_factory=lambda: defaultdict(Counter))
    marks: dict[tuple[str, ...], list[int]] = field(default_factory=lambda: defaultdict(list))
    people: dict[str, Person] = field(default_factory=lambda: defaultdict(Person))
    agents: Figures = field(default_factory=lambda: defaultdict(Counter))
    heat: Counter[tuple[str, str]] = field(default_factory=Counter)
    points: list[float] = field(default_factory=list)
    ids: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    stays: dict[str, list[Stay]] = field(default_factory=lambda: defaultdict(list))

    @property
    def calls(self) -> int:
        return sum(self.begun.values())

    @classmethod
    async def of(cls, engine: AsyncEngine, zone: ZoneInfo) -> Recount:
        self = cls(zone)
        # `left` is a word of PostgreSQL's; everything else is the same.
        left = '"left"' if engine.dialect.name == "postgresql" else "left"
        async with engine.connect() as connection:
            visits = f"SELECT {STAYS.format(left=left)} FROM queue_visits ORDER BY entered"
            for call, *rest in await connection.execute(text(visits)):
                self.stays[call].append(Stay(*rest))
            spans = "SELECT agent, state, reason, since, until FROM agent_spans"
            for agent, state, reason, since, until in await connection.execute(text(spans)):
                self.agents[agent,][state] += until - since  # type: ignore[assignment]
                if state == "paused":
                    self.agents[agent,][f"pause {reason}"] += until - since  # type: ignore[assignment]
        for stays in self.stays.values():
            for stay in stays:
                self._stayed(stay)
        async for call, story in stories(engine):
            self.events += len(story)
            self._called(call, story)
        return self

    # --- visits to queues

    def _stayed(self, stay: Stay) -> None:
        measures: dict[str, float] = {"offered": 1, f"outcome {stay.outcome}": 1}
        if stay.outcome == "handled":
            measures |= {
                "waited": stay.waited, "held": stay.held, "wrapped": stay.wrap_up,
                "talked": stay.ended - stay.left - stay.held,
                "transferred": stay.ended_by == "transfer",
            }  # fmt: skip
            measures |= {f"in {limit}": stay.waited <= limit for limit in (10, 20, 30, 60)}
            self.agents[stay.agent,]["calls"] += 1
            for name in ("talked", "held", "wrapped", "transferred"):
                self.agents[stay.agent,][name] += measures[name]  # type: ignore[assignment]
        elif stay.outcome == "abandoned":
            measures |= {"patience": stay.waited, "short": stay.waited <= 5}
        for unit, label in labels_at(stay.entered, self.zone).items():
            figures = self.by_queue[unit, label, stay.queue]
            figures.update(measures)  # type: ignore[arg-type]
            figures["longest"] = max(figures["longest"], stay.waited)  # type: ignore[assignment]

    # --- calls

    def _called(self, call: str, story: Sequence[tuple[float, str, Any]]) -> None:
        began, kind, start = story[0]
        assert kind == "CallStarted", call
        stays = self.stays.get(call, [])
        ending = self._ending(story, stays)
        self.begun[start["flow"]] += 1
        answers = [data for _, kind, data in story if kind == "Heard" and data["kind"] != "hangup"]
        silent = sum(data["kind"] == "nothing" for data in answers)
        wrong = sum(
            data["kind"] != "nothing" and data["answer"] is None and not data.get("secret")
            for data in answers
        )
        faults = sum(kind == "Failed" for _, kind, _ in story)
        over = max(story[-1][0], *(stay.ended for stay in stays)) if stays else story[-1][0]
        measures: dict[str, float] = {
            "offered": 1, ending: 1, "questions": len(answers), "no_inputs": silent,
            "no_matches": wrong, "faults": faults,
            "seconds": 0.0 if ending == "waiting" else over - began,
        }  # fmt: skip
        names = labels_at(began, self.zone)
        for unit, label in names.items():
            self.by_slot[unit, label].update(measures)  # type: ignore[arg-type]
        self.ids[names["day"], ending].append(call)
        self.heat[names["weekday"], f"h{int(names['hour_of_day'][:2])}"] += 1
        waited = sum(stay.waited for stay in stays)
        if start["caller"]:
            person = self.people[start["caller"]]
            person.ends.append((began, ending))
            person.waited += waited
        mark = self._marked(story, stays, start["flow"])
        self._points(waited, wrong, silent, faults, story, ending, mark)
        self._way(story)

    @staticmethod
    def _ending(story: Sequence[tuple[float, str, Any]], stays: Sequence[Stay]) -> str:
        if any(stay.outcome == "" for stay in stays):
            return "waiting"
        if any(stay.outcome == "handled" for stay in stays):
            return "handled"
        if stays:
            return "abandoned" if stays[-1].outcome == "abandoned" else "diverted"
        if story[-1][1] != "CallEnded":
            return "waiting"
        why = story[-1][2]["why"]
        if why == "hangup":
            return "contained"
        if why != "caller_hung_up":
            return "diverted"
        good = any(
            kind in ("LookupDone", "EffectDone") and data["outcome"] in ("found", "done")
            for _, kind, data in story
        )
        return "contained" if good else "abandoned"

    def _marked(self, story: Any, stays: Sequence[Stay], flow: str) -> int | None:
        mark = None
        for _, kind, data in story:
            if kind == "Rated":
                mark = data["mark"]
                who = [stay.agent for stay in stays if stay.outcome == "handled"]
                queue, agent = stays[-1].queue if stays else "", who[-1] if who else ""
                about = data.get("product", "")
                self.marks[data["question"], flow, queue, agent, about].append(data["mark"])
        return mark

    def _points(
        self, waited: float, wrong: int, silent: int, faults: int, story: Any, ending: str,
        mark: int | None,
    ) -> None:  # fmt: skip
        moved = sum(kind == "Transferred" for _, kind, _ in story)
        points = waited / 30 + 2 * wrong + silent + 6 * faults + 2 * max(0, moved - 1)
        points += 4 * (ending == "abandoned") + 5 * (mark is not None and mark <= 2)
        if points:
            self.points.append(points)

    def _way(self, story: Any) -> None:
        here: Counter[str] = Counter()
        been: set[tuple[str, str]] = set()
        for _, kind, data in story:
            if kind == "StepEntered":
                place = (data["flow"], data["step"])
                here = self.steps[place]
                here["visits"] += 1
                here["calls"] += place not in been
                been.add(place)
            elif kind == "Heard" and data["kind"] != "hangup":
                here["no_inputs"] += data["kind"] == "nothing"
                here["no_matches"] += data["kind"] != "nothing" and data["answer"] is None
                here["keys"] += data["kind"] == "keys"
                here["speech"] += data["kind"] == "speech"
                here["unsure"] += data["kind"] == "speech" and data["confidence"] < 0.6
            elif kind == "Failed":
                here["faults"] += 1
            elif kind == "CallEnded":
                here["hung_up"] += data["why"] == "caller_hung_up"

    # --- what is told of people

    def again(self) -> list[tuple[int, str]]:
        """Those who called twice or more, most first."""
        found = [(-len(one.ends), caller) for caller, one in self.people.items()]
        return [(-count, caller) for count, caller in sorted(found) if count < -1]

    def resolution(self) -> float | None:
        """Of the answered calls whose seven days are over, those that no other call followed."""
        newest = max(at for one in self.people.values() for at, _ in one.ends)
        # whole quarters of an hour: those of which every call's seven days are over
        over = (newest // 900 + 1) * 900 - WEEK
        answered = solved = 0
        for one in self.people.values():
            ends = sorted(one.ends)
            for number, (at, ending) in enumerate(ends):
                if ending in ("handled", "contained") and at < over:
                    answered += 1
                    later = ends[number + 1][0] if number + 1 < len(ends) else at + 2 * WEEK
                    solved += later > at + WEEK
        return 100 * solved / answered if answered else None


async def stories(
    engine: AsyncEngine,
) -> AsyncIterator[tuple[str, list[tuple[float, str, Any]]]]:
    """Each call with its events, one after the other."""
    call, sequence = "", 0
    story: list[tuple[float, str, Any]] = []
    async with engine.connect() as connection:
        while rows := (
            await connection.execute(
                text(EVENTS), {"call": call, "sequence": sequence, "most": AT_ONCE}
            )
        ).all():
            for name, number, at, kind, data in rows:
                if name != call and story:
                    yield call, story
                    story = []
                call, sequence = name, number
                story.append((at, kind, json.loads(data)))
    if story:
        yield call, story
