"""The report of calls that went out against a recount in Python, on each engine."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from cti import reports
from cti.db.models import outbound_attempts, outbound_jobs
from cti.reports.outbound import ENDS
from cti.reports.period import Period
from cti.reports.query import Query
from ivr.errors import BadInput
from ivr.events import to_json

ZONE = ZoneInfo("Europe/Berlin")  # the clocks go back in the night to 25 October
WEEK = Period(datetime(2026, 10, 21, tzinfo=ZONE), datetime(2026, 10, 29, tzinfo=ZONE))
# how a job stands in the table, and which end that is
STANDS = (
    (("open", ""), "open"), (("done", "confirmed"), "confirmed"), (("done", "cancelled"), "cancelled"),
    (("done", "noted"), "other"), (("done", "message_left"), "other"),
    (("done", "unreachable"), "unreachable"), (("never", "unreachable"), "unreachable"),
    (("never", "not_called"), "not_called"), (("never", ""), "not_called"),
    (("cancelled", "cancelled"), "withdrawn"),
)  # fmt: skip
CALLED = {"confirmed", "cancelled", "other", "unreachable"}


def generated(count: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]:
    """Jobs, their attempts, and the end of each."""
    chance = random.Random(4711)
    jobs, attempts, ends = [], [], []
    first = datetime(2026, 10, 20, tzinfo=UTC)
    for n in range(1, count + 1):
        (state, result), end = chance.choice(STANDS)
        at = first + timedelta(seconds=chance.randrange(10 * 86400))
        unit = chance.choice(("TRY", "TRY", "EUR"))
        total = Decimal(chance.randrange(1, 10**7)) / 100
        campaign = chance.choice(("order_received", "payment_retry"))
        jobs.append({
            "id": n, "key": f"{n}", "event_key": f"{n}", "event": "order.created",
            "campaign": campaign, "flow": "confirm_order", "phone": "+905321112233", "zones": [],
            "country": "TR", "consent": True, "language": "tr", "order_number": f"{n}",
            "customer": {}, "facts": to_json({"order": {"total": total, "currency": unit}}),
            "state": state, "verdict": "call", "reasons": [], "decided_at": at, "result": result,
            "details": {}, "event_at": at, "expires_at": at, "created_at": at,
        })  # fmt: skip
        ends.append(end)
        dialled = chance.randint(1, 3) if end in CALLED else 0
        for number in range(1, dialled + 1):
            attempts.append({
                "id": f"{n}-{number}", "job_id": n, "number": number, "phone": "+905321112233",
                "campaign": campaign, "state": "ended", "due_at": at, "started_at": at,
                "outcome": "answered", "reasons": [],
            })  # fmt: skip
        if end in ("open", "withdrawn", "not_called") and chance.random() < 0.5:
            attempts.append({
                "id": f"{n}-due", "job_id": n, "number": 1, "phone": "+905321112233",
                "campaign": campaign, "state": "due", "due_at": at, "started_at": None,
                "outcome": "", "reasons": [],
            })  # fmt: skip
    return jobs, attempts, ends


async def test_every_figure_is_that_of_a_recount(engine: AsyncEngine) -> None:
    jobs, attempts, ends = generated(3000)
    async with engine.begin() as connection:
        await connection.execute(insert(outbound_jobs), jobs)
        await connection.execute(insert(outbound_attempts), attempts)
    query = Query(WEEK)
    table = await reports.make(engine, "outbound", query)

    counted: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    money: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    behind: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for job, end in zip(jobs, ends, strict=True):
        local = job["created_at"].astimezone(ZONE).replace(tzinfo=None)
        if not datetime(2026, 10, 21) <= local < datetime(2026, 10, 29):  # noqa: DTZ001
            continue
        order = job["facts"]["order"]
        row = (job["campaign"], order["currency"])
        counted[row][end] += 1
        calls = {a["id"] for a in attempts if a["job_id"] == job["id"] and a["started_at"]}
        counted[row]["calls"] += len(calls)
        behind[*row, end] |= calls
        if end == "confirmed":
            money[row] += Decimal(order["total"]["$decimal"])

    assert {(row.values["campaign"], row.values["currency"]) for row in table.rows} == set(counted)
    for row in table.rows:
        key = (row.values["campaign"], row.values["currency"])
        for name in (*ENDS, "calls"):
            assert row.values[name] == counted[key][name], (key, name)
        assert row.values["jobs"] == sum(counted[key][name] for name in ENDS)
        assert row.values["money"] == money[key]
        for column in table.columns:
            if column.where and (end := column.where.get("end")):
                found = await reports.calls_behind(
                    engine, "outbound", query, {**row.where, **column.where}, limit=5000
                )
                assert set(found) == behind[*key, end], (key, end)
    assert table.total is not None
    assert table.total.values["jobs"] == sum(row.values["jobs"] for row in table.rows)
    assert table.total.values["money"] is None  # of two currencies

    told = json.loads(json.dumps(table.to_dict()))
    assert [row["values"]["money"] for row in told["rows"]] == [
        str(row.values["money"]) for row in table.rows
    ]
    one = await reports.make(engine, "outbound", Query(WEEK, campaign="payment_retry"))
    assert {row.values["campaign"] for row in one.rows} == {"payment_retry"}


async def test_what_it_cannot_be_asked(engine: AsyncEngine) -> None:
    with pytest.raises(BadInput, match="queue"):
        await reports.make(engine, "outbound", Query(WEEK, queue="support"))
    with pytest.raises(BadInput, match="colour"):
        await reports.calls_behind(engine, "outbound", Query(WEEK), {"colour": "red"})
    empty = await reports.make(engine, "outbound", Query(WEEK))
    assert empty.rows == []
    assert "Money confirmed" in empty.to_csv()
