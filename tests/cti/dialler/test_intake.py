"""What the shop tells: kept once, decided with reasons."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.models import outbound_attempts, outbound_events, outbound_jobs
from cti.db.store.outbound import CANCELLED, Listed, OutboundStore
from cti.db.store.shop import ShopStore
from cti.dialler.campaigns import Campaigns, load_campaigns
from cti.dialler.intake import Decision, Intake, OrderEvent
from cti.settings import HOME
from ivr.errors import BadInput

PHONE = "+905321112233"
NOON = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)  # a Monday, 12:00 in Istanbul


@pytest.fixture(scope="module")
def campaigns() -> Campaigns:
    return load_campaigns(HOME / "scenarios" / "outbound.yaml")


@pytest.fixture
async def intake(engine: AsyncEngine, campaigns: Campaigns) -> Intake:
    shop = ShopStore(engine)
    await shop.put_customer(PHONE, {"name": "Ayşe", "tier": "gold", "consent": True})
    return Intake(OutboundStore(engine), shop, lambda: campaigns, now=lambda: NOON)


def created(**more: Any) -> OrderEvent:
    order = {"number": "A1", "total": Decimal("899.50"), **more.pop("order", {})}
    given = {"key": "e1", "name": "order.created", "at": NOON, "phone": PHONE, "order": order}
    return OrderEvent(**{**given, **more})


def clause(decision: Decision, name: str) -> tuple[bool, str]:
    assert decision.best is not None
    found = next(one for one in decision.best.reasons if one.name == name)
    return found.holds, found.value


async def test_a_call_is_planned_with_every_clause(intake: Intake) -> None:
    decision = await intake.take(created())
    assert (decision.decision, decision.new, decision.order) == ("wait", True, "A1")
    assert decision.at == NOON + timedelta(minutes=2)
    assert clause(decision, "consent") == (True, "given")
    assert "order.total = '899.50'" in clause(decision, "when")[1]
    assert clause(decision, "allowed number") == (True, "yes")


@pytest.mark.parametrize(
    ("event", "against"),
    [
        (created(order={"total": Decimal(499)}), "when"),
        (created(consent=False), "consent"),
        (created(phone="+12125551234", consent=True), "when"),  # a stranger is nobody's gold
        (
            created(phone="+12125551234", consent=True, customer={"tier": "gold"}),
            "allowed number",
        ),
        (created(at=NOON - timedelta(days=3)), "expires"),
    ],
)
async def test_nobody_is_called_against_a_rule(
    intake: Intake, event: OrderEvent, against: str
) -> None:
    decision = await intake.take(event)
    assert (decision.decision, decision.at) == ("never", None)
    assert clause(decision, against)[0] is False


async def test_the_list_holds(intake: Intake, engine: AsyncEngine) -> None:
    store = OutboundStore(engine)
    assert await store.list_number(Listed(PHONE, "own", "asked", "caller", NOON))
    assert not await store.list_number(Listed(PHONE, "own", "asked again", "caller", NOON))
    decision = await intake.take(created())
    assert decision.decision == "never"
    assert clause(decision, "do not call") == (False, "on own")


async def test_the_same_event_a_hundred_times_at_once_is_one_call(
    intake: Intake, engine: AsyncEngine
) -> None:
    decisions = await asyncio.gather(*(intake.take(created()) for _ in range(100)))
    assert sum(one.new for one in decisions) == 1
    assert len({(one.decision, one.at, one.verdicts[0].job) for one in decisions}) == 1
    async with engine.connect() as connection:
        for table in (outbound_events, outbound_jobs, outbound_attempts):
            assert await connection.scalar(select(func.count()).select_from(table)) == 1


async def test_a_second_event_about_the_same_order_makes_no_second_call(intake: Intake) -> None:
    await intake.take(created())
    again = await intake.take(created(key="e2"))
    assert again.decision == "never"
    assert not clause(again, "one call for an order")[0]


async def test_an_order_that_was_cancelled_is_not_asked_about(
    intake: Intake, engine: AsyncEngine
) -> None:
    planned = await intake.take(created())
    decision = await intake.take(created(key="e2", name="order.cancelled"))
    assert decision.decision == "none"
    assert decision.closed == (planned.verdicts[0].job,)
    store = OutboundStore(engine)
    job = await store.job(int(decision.closed[0]))
    assert job is not None
    assert (job.state, job.next_at) == (CANCELLED, None)
    assert [one.state for one in await store.attempts(job.id)] == ["ended"]


async def test_what_is_no_number_or_no_zone_is_refused(intake: Intake) -> None:
    with pytest.raises(BadInput):
        await intake.take(created(phone="12"))
    with pytest.raises(BadInput):
        await intake.take(created(zone="Mars/Olympus"))


async def test_a_foreign_number_is_called_by_its_own_clock(
    engine: AsyncEngine, campaigns: Campaigns
) -> None:
    one = campaigns.campaigns["order_received"]
    trunks = {"main": {"countries": ["TR", "US"]}}
    abroad = Campaigns.model_validate({"campaigns": {"one": one}, "trunks": trunks})
    intake = Intake(OutboundStore(engine), None, lambda: abroad, now=lambda: NOON)
    decision = await intake.take(
        created(phone="+12125551234", consent=True, customer={"tier": "gold"})
    )
    assert decision.at == datetime(2026, 11, 23, 15, 0, tzinfo=UTC)  # ten in New York
    assert "America/New_York" in clause(decision, "window")[1]
