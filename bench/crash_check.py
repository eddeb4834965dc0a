"""What the journal and the world tell after a kill campaign. Pure but for the reading."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.models import call_events, journal_gaps
from ivr import events
from ivr.events import Entry

Calls = Mapping[str, Sequence[Entry]]


@dataclass(slots=True)
class Findings:
    """Every count but the last two has to be 0."""

    lost: int = 0  # calls with a hole in their events, or without their end
    doubled: int = 0  # calls that began twice
    reordered: int = 0  # calls with times that run backwards, or a step visited twice as the same
    repeated_effects: int = 0  # writes, requests and messages that took place twice
    missing_effects: int = 0  # those that were told to be done, and were not
    gaps: int = 0  # that the journal had to record, but for torn lines
    torn_lines: int = 0
    resumed: int = 0


async def read_calls(engine: AsyncEngine, patience: int) -> Calls:
    """Every call's events, once all calls have ended, or after so many seconds."""
    query = select(call_events).order_by(call_events.c.call, call_events.c.sequence)
    calls: dict[str, list[Entry]] = {}
    for _ in range(patience):
        calls.clear()
        async with engine.connect() as connection:
            for row in (await connection.execute(query)).mappings():
                calls.setdefault(row["call"], []).append(Entry.from_dict(dict(row)))
        if calls and all(map(whole, calls.values())):
            break
        await asyncio.sleep(1)
    return calls


def whole(entries: Sequence[Entry]) -> bool:
    """From the first event to the last, with none missing."""
    first, last = entries[0].event, entries[-1].event
    ends = isinstance(first, events.CallStarted) and isinstance(last, events.CallEnded)
    return ends and [e.sequence for e in entries] == list(range(1, len(entries) + 1))


def tale(entries: Sequence[Entry]) -> str:
    """How the journal of a call ends that has no end: for whoever looks for the reason."""
    last = " ".join(
        f"{e.sequence}:{e.kind}{'@' + e.event.step if hasattr(e.event, 'step') else ''}"
        for e in entries[-4:]
    )
    return f"{entries[0].call} {len(entries)} events, at {entries[-1].at:.3f}: {last}"


def went_astray(entries: Sequence[Entry], goal: str) -> str:
    """How a call ended that never came by the step `goal`; empty for the others. A caller who keys
    a wrong number is not the engine's fault, but is counted as unanswered all the same."""
    steps = [e.event for e in entries if isinstance(e.event, events.StepEntered)]
    if any(one.step == goal for one in steps):
        return ""
    keyed = [e.event.answer for e in entries if isinstance(e.event, events.Heard)]
    way = " ".join(f"{one.via}>{one.step}" for one in steps[-3:])
    return f"{entries[0].call} keyed {keyed}, went {way}"


def check_story(entries: Sequence[Entry], findings: Findings) -> None:
    """One call."""
    findings.lost += not whole(entries)
    findings.doubled += sum(isinstance(e.event, events.CallStarted) for e in entries) != 1
    times = [entry.at for entry in entries]
    steps = [e.event for e in entries if isinstance(e.event, events.StepEntered)]
    visits = Counter((step.flow, step.step, step.visit) for step in steps)
    findings.reordered += times != sorted(times) or max(visits.values(), default=1) > 1
    done = Counter(e.event.key for e in entries if isinstance(e.event, events.EffectDone))
    findings.repeated_effects += sum(number - 1 for number in done.values())
    findings.resumed += sum(isinstance(e.event, events.CallResumed) for e in entries)


async def check_world(
    engine: AsyncEngine, calls: Calls, posted: Sequence[str], findings: Findings
) -> None:
    """The table that a step of each call has written to, and the idempotency keys of the requests
    that another machine got: it may have got one twice, with the same key."""
    async with engine.connect() as connection:
        counted = Counter(await connection.scalars(text("SELECT call FROM bench_counts")))
        sent = Counter(await connection.scalars(text("SELECT key FROM outbox")))
        reasons = Counter(await connection.scalars(select(journal_gaps.c.reason)))
    findings.repeated_effects += sum(number - 1 for number in counted.values())
    findings.repeated_effects += sum(number - 1 for number in sent.values())
    per_call = Counter(key.split(":")[0].split("/")[0] for key in set(posted))
    findings.repeated_effects += sum(number - 1 for number in per_call.values())
    for call, entries in calls.items():
        kinds = {e.event.kind for e in entries if isinstance(e.event, events.EffectDone)}
        findings.missing_effects += "update" in kinds and not counted[call]
        findings.missing_effects += "http" in kinds and not per_call[call]
    findings.torn_lines = reasons.pop("damaged", 0)
    findings.gaps = reasons.total()


@dataclass(slots=True)
class Waits:
    """Seconds, sorted when told."""

    values: list[float] = field(default_factory=list)

    def to_dict(self, name: str) -> dict[str, float]:
        ordered = sorted(self.values) or [0.0]
        return {
            f"{name}_median": round(ordered[len(ordered) // 2], 3),
            f"{name}_p95": round(ordered[int(len(ordered) * 0.95)], 3),
            f"{name}_longest": round(ordered[-1], 3),
        }
