"""The dry run's plan is what a run on the virtual clock then does, call for call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.dialler.campaigns import Campaigns
from cti.dialler.forecast import Plan, Rates, forecast
from cti.dialler.intake import Intake, OrderEvent
from tests.cti.dialler.virtual import VirtualRun

START = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)


def campaigns(random: Random) -> Campaigns:
    """Two campaigns that share a trunk, with rates whose gaps are whole half seconds."""

    def one(event: str, flow: str) -> dict[str, Any]:
        retried = {
            name: {"gap": random.choice((60, 600, 7200)), "times": random.randint(1, 3)}
            for name in ("busy", "no_answer", "machine", "failed", "hung_up_early")
            if random.random() < 0.8
        }
        return {
            "event": event, "flow": flow, "caller_id": "+908502220100", "when": "order.total > 50",
            "delay": random.choice((0, 60, 900)), "expires": random.choice((7200, 86_400)),
            "window": {"weekly": {"mon-sun": random.choice(("09:00-10:00", "10:00-20:00"))}},
            "attempts": {"most": random.randint(1, 4), **retried},
            "caps": {"number_per_day": random.randint(1, 3),
                     "campaign_per_day": random.choice((3, 1000))},
            "pace": {"at_once": random.randint(1, 3), "per_second": random.choice((1, 2))},
            "priority": random.choice((0, 10)), "consent": "not_needed",
        }  # fmt: skip

    return Campaigns.model_validate({
        "campaigns": {"a": one("order.created", "x"), "b": one("payment.failed", "y")},
        "trunks": {"main": {"at_once": random.randint(1, 4),
                            "per_second": random.choice((1, 2)), "countries": ["TR", "DE"]}},
    })  # fmt: skip


def events(random: Random, count: int) -> list[OrderEvent]:
    phones = ("+905321112233", "+905321112234", "+4915112345678", "+12125551234")
    return [
        OrderEvent(
            f"e{number}", random.choice(("order.created", "payment.failed")),
            START + timedelta(seconds=random.choice((0, 30, 3600, 9000)) + number),
            random.choice(phones), {"number": f"o{number}", "total": random.choice((49, 100))},
        )
        for number in range(count)
    ]  # fmt: skip


async def planned(told: list[OrderEvent], rules: Campaigns, rates: Rates, keep: Any) -> Plan:
    intake = Intake(keep, None, lambda: rules)
    return forecast([await intake.complete(one) for one in told], rules, rates, START)


@pytest.mark.parametrize("seed", range(25))
async def test_the_plan_is_what_happens(sqlite_engine: AsyncEngine, seed: int) -> None:
    random = Random(f"plan {seed}")
    rules, told, rates = campaigns(random), events(random, random.randint(3, 14)), Rates(seed=seed)
    run = VirtualRun(sqlite_engine, rules, rates)
    plan = await planned(told, rules, rates, run.outbound)
    done = await run.run(told, START)
    assert [repr(call) for call in done] == [repr(call) for call in plan.calls]
    assert plan.lines <= rules.trunk("main").at_once


async def test_every_order_ends_with_a_call_or_a_reason(sqlite_engine: AsyncEngine) -> None:
    random = Random("ends")
    rules, told, rates = campaigns(random), events(random, 20), Rates(seed=3)
    plan = await planned(told, rules, rates, VirtualRun(sqlite_engine, rules, rates).outbound)
    talked = {c.event for c in plan.calls if c.outcome in {"answered", "message_left"}}
    assert talked | {one.event for one in plan.refused} == {one.key for one in told}
    assert plan.summary()["calls"] == len(plan.calls)


def test_fates_are_drawn_the_same_for_the_same_seed() -> None:
    assert Rates(seed=1).fate("e", "c", 1) == Rates(seed=1).fate("e", "c", 1)
    assert any(Rates(seed=n).fate("e", "c", 1) != Rates().fate("e", "c", 1) for n in range(9))
