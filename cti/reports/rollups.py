"""Keeps what reports read up to date: facts of calls, and sums by quarters of an hour.

`refresh` takes in what has changed since the last time, a page of calls in one transaction with the
mark of how far it came: killed anywhere, it goes on from there, and what is taken in twice counts
once. `rebuild` makes everything anew from the journal; what the journal does not hold any more
(retention) stays as it was.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import (
    Column,
    Insert,
    Select,
    Table,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cti.db.callers import callers_of, count_callers
from cti.db.engine import BEGIN
from cti.db.models import (
    WAITS,
    agent_spans,
    call_events,
    call_facts,
    call_steps,
    calls,
    queue_visits,
    report_names,
    rollup_agents,
    rollup_calls,
    rollup_marks,
    rollup_queues,
    rollup_state,
    rollup_steps,
    survey_answers,
)
from cti.reports import local
from cti.reports.coarse import sum_blocks
from cti.reports.facts import QUARTER, Event, Facts, Visit, facts, quarter
from cti.reports.local import day_of, first_quarter, sum_days, summed

PAGE: Final = 200  # calls in one transaction
OVERLAP: Final = 5.0  # seconds; several engines' clocks, and commits that overtake
WITHIN: Final = 7 * 86400.0  # a call so soon after another says: it was not solved
SHORT: Final = 5.0  # who hangs up in a queue before this many seconds is a short abandon
SHAPE: Final = 3.0  # of the roll-ups; another one: all is made again
MONTH: Final = 4 * 7 * 96  # quarters that `rebuild` sums up in one transaction
KINDS: Final = (
    "CallStarted", "StepEntered", "Heard", "LookupDone", "EffectDone", "Rated", "RecordingMade",
    "Transferred", "CallResumed", "Failed", "CallEnded", "LanguageChosen",
)  # fmt: skip
Progress = Callable[[int, int], None]

_VISIT: Final = (
    queue_visits.c.queue, queue_visits.c.entered, queue_visits.c.left, queue_visits.c.outcome,
    queue_visits.c.agent, queue_visits.c.ended, queue_visits.c.held,
)  # fmt: skip


class Rollups:
    """`refresh` now and then; everything else reads. `zone` is the shop's: sums are kept by its
    days, too; none without one."""

    def __init__(
        self, engine: AsyncEngine, now: Callable[[], float] = time.time, zone: str = ""
    ) -> None:
        self._engine = engine.execution_options(**{BEGIN: "IMMEDIATE"})
        self._reading = engine
        self._now = now
        self._zone = ZoneInfo(zone) if zone else None

    async def refresh(self) -> int:
        """Take in what has changed. How many calls that were. Roll-ups of an older shape are made
        anew."""
        if await self._mark("shape") != SHAPE:
            return await self.rebuild()
        taken = 0
        upto, last = await self._mark("calls"), ""
        start = upto - OVERLAP
        while page := await self._changed(start, last):
            start, last = page[-1]
            taken += await self._take([call for _, call in page], start)
        await self._take_visits()
        await self._take_spans()
        await self._take_days()
        return taken

    async def rebuild(self, progress: Progress | None = None) -> int:
        """Make all of it again from the journal. How many calls there are."""
        async with self._reading.connect() as connection:
            count = (await connection.execute(select(func.count()).select_from(calls))).scalar_one()
        done, last, begun = 0, "", self._now()  # what changes meanwhile is taken in again later
        while page := await self._ids_after(last):
            last = page[-1]
            made = await self._facts(page)
            async with self._engine.begin() as connection:
                await _store(connection, page, made)
            done += len(page)
            if progress:
                progress(done, count)
        now = self._now()
        async with self._engine.begin() as connection:
            await connection.execute(delete(report_names))
            await count_callers(connection)
            await _forget_days(connection)
        for quarters in await self._months(now):
            async with self._engine.begin() as connection:  # short ones: others write, too
                await _sum_all(connection, quarters, now)
        async with self._engine.begin() as connection:
            for name, upto in (
                ("calls", begun),
                ("visits", begun),
                ("spans", begun),
                ("shape", SHAPE),
            ):
                await _set_mark(connection, name, upto)
        await self._take_days()
        return count

    async def _months(self, now: float) -> list[range]:
        """All the quarters that there is anything of, in stretches of four weeks."""
        first = last = quarter(now)
        async with self._reading.connect() as connection:
            for table in (
                call_facts, queue_visits, rollup_calls, rollup_queues, rollup_agents, rollup_marks,
            ):  # fmt: skip
                number = table.c.quarter
                row = (await connection.execute(select(func.min(number), func.max(number)))).one()
                first, last = min(first, row[0] or first), max(last, row[1] or last)
            since = (await connection.execute(select(func.min(agent_spans.c.since)))).scalar()
            first = min(first, quarter(since) if since else first)
        starts = range(first // MONTH * MONTH, last + 1, MONTH)
        return [range(start, start + MONTH) for start in starts]

    # --- calls

    async def _changed(self, after: float, last: str) -> list[tuple[float, str]]:
        """A page of calls that changed: when, and which."""
        moment = datetime.fromtimestamp(max(0.0, after), UTC)
        later = or_(
            calls.c.changed_at > moment, and_(calls.c.changed_at == moment, calls.c.id > last)
        )
        query = select(calls.c.changed_at, calls.c.id).where(later)
        query = query.order_by(calls.c.changed_at, calls.c.id).limit(PAGE)
        async with self._reading.connect() as connection:
            rows = (await connection.execute(query)).all()
        return [(changed.timestamp(), call) for changed, call in rows]

    async def _ids_after(self, last: str) -> list[str]:
        query = select(calls.c.id).where(calls.c.id > last).order_by(calls.c.id).limit(5 * PAGE)
        async with self._reading.connect() as connection:
            return list((await connection.execute(query)).scalars())

    async def _take(self, ids: Sequence[str], upto: float) -> int:
        made = await self._facts(ids)
        async with self._engine.begin() as connection:
            before = select(call_facts.c.quarter).where(call_facts.c.call.in_(ids)).distinct()
            dirty = set((await connection.execute(before)).scalars())
            who = await callers_of(connection, ids)
            await _store(connection, ids, made)
            await count_callers(connection, who | {one.caller for one in made if one.caller})
            dirty |= {one.quarter for one in made}
            dirty |= await follow(connection, made)
            answered = select(survey_answers.c.at).where(survey_answers.c.call.in_(ids))
            marked = (await connection.execute(answered)).scalars()
            for table, statement in ((rollup_calls, _sum_calls), (rollup_steps, _sum_steps)):
                await connection.execute(delete(table).where(table.c.quarter.in_(dirty)))
                await connection.execute(statement(dirty))
                await sum_blocks(connection, table, dirty)
            rated = {quarter(at.timestamp()) for at in marked}
            await _sum_marks(connection, rated)
            if rated:
                await sum_blocks(connection, rollup_marks, range(min(rated), max(rated) + 1))
            await _learn(connection, rollup_calls, dirty)
            await self._again(connection, dirty, ids)
            await _set_mark(connection, "calls", upto)
        return len(made)

    async def _facts(self, ids: Sequence[str]) -> list[Facts]:
        """What these calls come to, by their journal and their visits to queues."""
        events: dict[str, list[Event]] = defaultdict(list)
        visits: dict[str, list[Visit]] = defaultdict(list)
        c = call_events.c
        journal = (
            select(c.call, c.at, c.kind, c.data)
            .where(c.call.in_(ids), c.kind.in_(KINDS))
            .order_by(c.call, c.sequence)
        )
        numbers = select(calls.c.id, calls.c.caller, calls.c.dialled).where(calls.c.id.in_(ids))
        stays = select(queue_visits.c.call, *_VISIT).where(queue_visits.c.call.in_(ids))
        async with self._reading.connect() as connection:
            for call, *rest in await connection.execute(journal):
                events[call].append(Event(*rest))
            for call, *rest in await connection.execute(stays):
                visits[call].append(Visit(*rest))
            parties = {row.id: row for row in await connection.execute(numbers)}
        return await asyncio.to_thread(_fold, events, visits, parties)

    # --- queues and agents

    async def _take_visits(self) -> None:
        """The queues' sums; their calls' facts are made again, too."""
        upto = await self._mark("visits")
        c = queue_visits.c
        query = select(c.call, c.quarter, c.changed).where(c.changed > upto - OVERLAP)
        async with self._reading.connect() as connection:
            rows = (await connection.execute(query.order_by(c.changed))).all()
        if not rows:
            return
        ids = sorted({row.call for row in rows})
        mark = await self._mark("calls")
        for start in range(0, len(ids), PAGE):
            await self._take(ids[start : start + PAGE], mark)
        dirty = {row.quarter for row in rows}
        async with self._engine.begin() as connection:
            await connection.execute(
                delete(rollup_queues).where(rollup_queues.c.quarter.in_(dirty))
            )
            await connection.execute(_sum_queues(dirty))
            await sum_blocks(connection, rollup_queues, dirty)
            await _learn(connection, rollup_queues, dirty)
            await _set_mark(connection, "visits", rows[-1].changed)

    async def _take_days(self) -> None:
        """The days of the shop that are over since the last time."""
        zone = self._zone
        if zone is None:
            return
        upto, today = int(await self._mark(local.mark(zone))), day_of(quarter(self._now()), zone)
        if not upto:
            upto = today
            async with self._engine.begin() as connection:
                await _forget_days(connection)
                for table in (call_facts, queue_visits):
                    first = (await connection.execute(select(func.min(table.c.quarter)))).scalar()
                    upto = min(upto, day_of(first, zone)) if first else upto
        for start in range(upto, today, MONTH // 96):
            days = range(start, min(start + MONTH // 96, today))
            async with self._engine.begin() as connection:
                for of in local.TABLES:
                    await sum_days(connection, of, days, zone, _measures(of))
                await _set_mark(connection, local.mark(zone), float(days.stop))

    async def _again(
        self, connection: AsyncConnection, quarters: Iterable[int], ids: Sequence[str]
    ) -> None:
        """The sums of days that were over already, and that these calls have changed."""
        zone = self._zone
        upto = await summed(connection, zone) if zone else 0
        if zone is None or not upto:
            return
        edge = first_quarter(upto, zone)
        v = queue_visits.c
        stays = select(v.quarter).where(v.call.in_(ids), v.quarter < edge).distinct()
        joined = (await connection.execute(stays)).scalars()
        for of, changed in (("visits", joined), ("steps", quarters)):
            days = {day_of(one, zone) for one in changed if one < edge}
            await sum_days(connection, of, days, zone, _measures(of))

    async def _take_spans(self) -> None:
        """What agents did since the last time, and what has changed of before."""
        now, upto = self._now(), await self._mark("spans")
        c = agent_spans.c
        earliest = select(func.min(c.since)).where(or_(c.changed > upto - OVERLAP, c.until == 0))
        async with self._engine.begin() as connection:
            first = (await connection.execute(earliest)).scalar()
            if first is None:
                return
            quarters = range(quarter(first), quarter(now) + 1)
            await _sum_spans(connection, quarters, now)
            await sum_blocks(connection, rollup_agents, quarters)
            await _learn(connection, rollup_agents, quarters)
            await _set_mark(connection, "spans", now)

    async def _mark(self, name: str) -> float:
        query = select(rollup_state.c.upto).where(rollup_state.c.name == name)
        async with self._reading.connect() as connection:
            return (await connection.execute(query)).scalar() or 0.0


def _fold(
    events: Mapping[str, Sequence[Event]],
    visits: Mapping[str, Sequence[Visit]],
    parties: Mapping[str, Any],
) -> list[Facts]:
    made = []
    for call, entries in events.items():
        one = facts(call, entries, visits.get(call, ()))
        if one is not None:
            if call in parties:
                one.caller, one.line = parties[call].caller, parties[call].dialled
            made.append(one)
    return made


async def _store(connection: AsyncConnection, ids: Sequence[str], made: Sequence[Facts]) -> None:
    """Put the facts in the place of what was there; a call without a journal keeps what it has."""
    gone = [one.call for one in made]
    await connection.execute(delete(call_facts).where(call_facts.c.call.in_(gone)))
    await connection.execute(delete(call_steps).where(call_steps.c.call.in_(gone)))
    if not made:
        return
    rows = []
    steps: list[dict[str, Any]] = []
    for one in made:
        row = {name: getattr(one, name) for name in _FACTS} | {"quarter": one.quarter}
        rows.append(row)
        for step in one.steps.values():
            own = {name: getattr(step, name) for name in _STEP}
            steps.append(own | {"call": one.call, "quarter": row["quarter"]})
    await connection.execute(insert(call_facts), rows)
    if steps:
        await connection.execute(insert(call_steps), steps)


_STEP: Final = [column.name for column in call_steps.c if column.name not in ("call", "quarter")]
_FACTS: Final = [c.name for c in call_facts.c if c.name not in ("quarter", "followed")]


async def follow(connection: AsyncConnection, made: Sequence[Facts]) -> set[int]:
    """Whether calls of these callers were followed by another one within seven days. The quarters
    in which that has changed."""
    callers = {one.caller for one in made if one.caller}
    if not callers:
        return set()
    c = call_facts.c
    since = min(one.began for one in made) - WITHIN
    again = _again()
    asked = select(c.call, c.quarter, c.followed, again).where(
        c.caller.in_(callers), c.began >= since
    )
    changed: dict[int, list[str]] = {0: [], 1: []}
    quarters = set()
    for call, number, before, after in await connection.execute(asked):
        if before != int(after):
            changed[int(after)].append(call)
            quarters.add(number)
    for value, ids in changed.items():
        for start in range(0, len(ids), 500):
            some = c.call.in_(ids[start : start + 500])
            await connection.execute(update(call_facts).where(some).values(followed=value))
    return quarters


def _again() -> Any:
    c, later = call_facts.c, call_facts.alias()
    return case(
        (
            exists().where(
                later.c.caller == c.caller, later.c.began > c.began,
                later.c.began <= c.began + WITHIN,
            ),
            1,
        ),
        else_=0,
    )  # fmt: skip


# --- sums, in SQL


async def _sum_all(connection: AsyncConnection, quarters: range, now: float) -> None:
    """Everything of a stretch of time, anew."""
    c = call_facts.c
    here = and_(c.quarter >= quarters.start, c.quarter < quarters.stop)
    known = update(call_facts).where(here, c.caller != "")
    await connection.execute(known.values(followed=_again()))
    for table, statement in (
        (rollup_calls, _sum_calls), (rollup_steps, _sum_steps), (rollup_queues, _sum_queues),
    ):  # fmt: skip
        await connection.execute(delete(table).where(_within(table.c.quarter, quarters)))
        await connection.execute(statement(quarters))
    await _sum_marks(connection, quarters)
    await _sum_spans(connection, quarters, now)
    for table in (rollup_calls, rollup_steps, rollup_queues, rollup_agents, rollup_marks):
        await sum_blocks(connection, table, quarters)
        if table is not rollup_steps:
            await _learn(connection, table, quarters)


def _sum_calls(quarters: Iterable[int] | None = None) -> Insert:
    c = call_facts.c
    sums = {
        "calls": func.count(),
        **{
            name: func.sum(c[name])
            for name in ("questions", "no_inputs", "no_matches", "faults", "resumed", "seconds")
        },
        "known": func.sum(case((c.caller != "", 1), else_=0)),
        "followed": func.sum(func.coalesce(c.followed, 0)),
    }
    return _sums(rollup_calls, call_facts, sums, _within(c.quarter, quarters))


def _sum_steps(quarters: Iterable[int] | None = None) -> Insert:
    return _sums(rollup_steps, call_steps, step_measures(), _within(call_steps.c.quarter, quarters))


def step_measures() -> dict[str, Any]:
    """What is summed of steps; the columns of `rollup_steps`."""
    counts = (
        "visits", "keys", "speech", "no_inputs", "no_matches", "unsure", "faults", "hung_up",
        "ended",
    )  # fmt: skip
    return {"calls": func.count(), **{name: func.sum(call_steps.c[name]) for name in counts}}


def _measures(of: str) -> dict[str, Any]:
    return visit_measures() if of == "visits" else step_measures()


async def _forget_days(connection: AsyncConnection) -> None:
    await connection.execute(delete(rollup_state).where(rollup_state.c.name.startswith("days ")))
    for table in local.TABLES.values():
        await connection.execute(delete(table))


def _sums(into: Table, source: Table, sums: Mapping[str, Any], where: Any) -> Insert:
    keys = [column.name for column in into.primary_key]
    query: Select[Any] = select(*(source.c[key] for key in keys), *sums.values()).where(where)
    query = query.group_by(*(source.c[key] for key in keys))
    return insert(into).from_select([*keys, *sums], query)


def _sum_queues(quarters: Iterable[int] | None = None) -> Insert:
    where = _within(queue_visits.c.quarter, quarters)
    return _sums(rollup_queues, queue_visits, visit_measures(), where)


def visit_measures() -> dict[str, Any]:
    """What is summed of visits to queues; the columns of `rollup_queues`."""
    c = queue_visits.c
    over = case((c.left > 0, c.left - c.entered), else_=0.0)
    talk = case((and_(c.outcome == "handled", c.ended > 0), c.ended - c.left - c.held), else_=0.0)
    return {
        "visits": func.count(),
        "transferred": func.sum(case((c.ended_by == "transfer", 1), else_=0)),
        "waited": func.sum(over),
        "longest": func.max(over),
        "talked": func.sum(talk),
        "held": func.sum(c.held),
        "wrapped": func.sum(c.wrap_up),
        **{
            f"within_{limit}": func.sum(case((and_(c.left > 0, over <= limit), 1), else_=0))
            for limit in WAITS
        },
    }


async def _sum_spans(connection: AsyncConnection, quarters: range, now: float) -> None:
    """Each span's part in each quarter; what goes on counts until now."""
    c = agent_spans.c
    start, end = quarters.start * QUARTER, quarters.stop * QUARTER
    query = select(c.agent, c.state, c.reason, c.since, c.until).where(
        c.since < end, or_(c.until == 0, c.until > start)
    )
    seconds: Counter[tuple[int, str, str, str]] = Counter()
    for agent, state, reason, since, until in await connection.execute(query):
        first, over = max(since, start), min(until or now, end)
        while first < over:
            here = quarter(first)
            part = min(over, (here + 1) * QUARTER)
            seconds[here, agent, state, reason] += part - first
            first = part
    await connection.execute(
        delete(rollup_agents).where(
            rollup_agents.c.quarter >= quarters.start, rollup_agents.c.quarter < quarters.stop
        )
    )
    rows = [
        {"quarter": q, "agent": agent, "state": state, "reason": reason, "seconds": float(spent)}
        for (q, agent, state, reason), spent in seconds.items()
    ]
    if rows:
        await connection.execute(insert(rollup_agents), rows)


async def _sum_marks(connection: AsyncConnection, quarters: Iterable[int] | None) -> None:
    """The answers of surveys, with the flow, queue and agent of their call."""
    a, f = survey_answers.c, call_facts.c
    query = select(
        a.at, a.question, a.scale, a.mark, f.flow, f.queue, f.agent, a.product
    ).select_from(survey_answers.outerjoin(call_facts, f.call == a.call))
    change = delete(rollup_marks)
    if quarters is not None:
        several = sorted(set(quarters))
        if not several:
            return
        begin, end = (
            datetime.fromtimestamp(at * QUARTER, UTC) for at in (several[0], several[-1] + 1)
        )
        query = query.where(a.at >= begin, a.at < end)
        change = change.where(rollup_marks.c.quarter.between(several[0], several[-1]))
    counts: Counter[tuple[Any, ...]] = Counter()
    for at, question, scale, mark, *rest in await connection.execute(query):
        where = (part or "" for part in rest)
        counts[quarter(at.timestamp()), question, scale, *where, mark] += 1
    await connection.execute(change)
    keys = [column.name for column in rollup_marks.primary_key]
    rows = [dict(zip(keys, key, strict=True)) | {"answers": n} for key, n in counts.items()]
    if rows:
        await connection.execute(insert(rollup_marks), rows)


async def _learn(connection: AsyncConnection, table: Table, quarters: Iterable[int] | None) -> None:
    """The names that are new in these quarters' sums."""
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    for kind in ("queue", "agent", "flow", "version"):
        if kind in table.c:
            new = select(literal(kind), table.c[kind]).distinct()
            new = new.where(table.c[kind] != "", _within(table.c.quarter, quarters))
            statement = make(report_names).from_select(["kind", "name"], new)
            await connection.execute(statement.on_conflict_do_nothing())


def _within(column: Column[int], quarters: Iterable[int] | None) -> Any:
    if isinstance(quarters, range):
        return and_(column >= quarters.start, column < quarters.stop)
    return column.is_not(None) if quarters is None else column.in_(sorted(set(quarters)))


async def _set_mark(connection: AsyncConnection, name: str, upto: float) -> None:
    await connection.execute(delete(rollup_state).where(rollup_state.c.name == name))
    await connection.execute(insert(rollup_state), {"name": name, "upto": upto})
