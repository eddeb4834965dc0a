from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cti.dialler.campaigns import Campaign, Outcome
from cti.dialler.policy import Customer, Dialled, Event, History, Verdict, after, plan
from ivr.errors import BadInput
from tests.cti.dialler.histories import broken, world, wrong

NOON = datetime(2026, 11, 24, 9, tzinfo=UTC)  # a Tuesday, 12:00 in Istanbul
CAMPAIGN = Campaign.model_validate({
    "event": "order.created", "flow": "confirm_order", "caller_id": "+908502220100",
    "when": "order.total >= 500 and customer.tier == 'gold'", "delay": "2m",
    "window": {"weekly": {"mon-fri": "10:00-20:00"}},
    "attempts": {"most": 3, "busy": {"gap": "10m", "times": 2}, "no_answer": {"gap": "9h"}},
})  # fmt: skip
EVENT = Event("e1", "order.created", NOON - timedelta(minutes=5), {"order": {"total": 620}})
AYSE = Customer("+905321112233", consent=True, facts={"tier": "gold"})


@given(st.randoms(use_true_random=False))
def test_no_plan_breaks_a_rule_or_misses_a_moment(random: Random) -> None:
    one = world(random)
    assert wrong(one, one.plan()) == []


def test_the_random_worlds_meet_every_rule_and_every_verdict() -> None:
    worlds = [world(Random(seed)) for seed in range(400)]
    verdicts = Counter(one.plan().verdict for one in worlds)
    met = {rule for one in worlds for rule in broken(one, one.now)}
    assert all(verdicts[verdict] > 20 for verdict in Verdict), verdicts
    assert met >= {"window", "holiday", "expiry", "delay", "number's cap", "campaign's cap", "list",
                   "consent", "when", "attempts", "again", "gap"}  # fmt: skip


def test_now_is_a_good_time() -> None:
    decision = plan(EVENT, AYSE, History(), "one", CAMPAIGN, NOON)
    assert (decision.verdict, decision.at) == (Verdict.CALL, NOON)
    assert all(reason.holds for reason in decision.reasons)


def test_a_refusal_tells_the_values_it_read() -> None:
    poor = replace(EVENT, facts={"order": {"total": 459}})
    decision = plan(poor, AYSE, History(), "one", CAMPAIGN, NOON)
    assert decision.verdict is Verdict.NEVER
    assert "order.total = 459" in decision.why
    assert "customer.tier = 'gold'" in decision.why
    missing = plan(replace(EVENT, facts={}), AYSE, History(), "one", CAMPAIGN, NOON)
    assert missing.verdict is Verdict.NEVER
    assert missing.why.startswith("when: ")


@pytest.mark.parametrize(
    ("customer", "said"),
    [
        (replace(AYSE, lists=frozenset({"own"})), "do not call: on own"),
        (replace(AYSE, consent=False), "consent: not given"),
    ],
)
def test_against_their_wish_nobody_is_called(customer: Customer, said: str) -> None:
    decision = plan(EVENT, customer, History(), "one", CAMPAIGN, NOON)
    assert (decision.verdict, decision.why) == (Verdict.NEVER, said)


def test_the_window_goes_by_the_customers_clock() -> None:
    far = replace(AYSE, zone="America/New_York", country="US")  # 04:00 there
    decision = plan(EVENT, far, History(), "one", CAMPAIGN, NOON)
    assert (decision.verdict, decision.at) == (Verdict.WAIT, NOON + timedelta(hours=6))
    with pytest.raises(BadInput, match="no time zone"):
        replace(AYSE, zone="Europe/Istambul")


def test_a_number_is_called_so_often_a_day_and_no_oftener() -> None:
    capped = CAMPAIGN.model_copy(
        update={"caps": CAMPAIGN.caps.model_copy(update={"number_per_day": 2})}
    )
    calls = [
        Dialled(NOON - timedelta(hours=hours), f"other-{hours}", "other", Outcome.ANSWERED)
        for hours in (1, 2)
    ]
    assert plan(EVENT, AYSE, History(tuple(calls[:1])), "one", capped, NOON).at == NOON
    decision = plan(EVENT, AYSE, History(tuple(calls)), "one", capped, NOON)
    assert decision.verdict is Verdict.WAIT
    assert decision.at is not None
    assert decision.at.date() > NOON.date()


def test_a_public_holiday_is_waited_for() -> None:
    eve = datetime(2026, 10, 28, 18, tzinfo=UTC)  # 21:00; the 29th is Republic Day
    decision = plan(replace(EVENT, at=eve), AYSE, History(), "one", CAMPAIGN, eve)
    assert decision.at == datetime(2026, 10, 30, 7, tzinfo=UTC)


def test_an_outcome_decides_what_follows_from_the_dialling_on() -> None:
    late = NOON + timedelta(minutes=3)  # when the attempt had ended

    def follows(outcome: Outcome) -> tuple[Verdict, datetime | None]:
        ended = Dialled(NOON, "e1", "one", outcome)
        found = after(EVENT, AYSE, History(), "one", CAMPAIGN, ended, late)
        return found.verdict, found.at

    assert follows(Outcome.BUSY) == (Verdict.WAIT, NOON + timedelta(minutes=10))
    tomorrow = datetime(2026, 11, 25, 7, tzinfo=UTC)  # nine hours on is past the window
    assert follows(Outcome.NO_ANSWER) == (Verdict.WAIT, tomorrow)
    for final in (Outcome.ANSWERED, Outcome.UNKNOWN, Outcome.INVALID, Outcome.MACHINE):
        assert follows(final) == (Verdict.NEVER, None)
