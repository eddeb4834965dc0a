"""Random customers, campaigns and pasts, and a judge of plans that shares no code with the policy."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

import holidays

from cti.dialler.campaigns import Campaign, Outcome
from cti.dialler.policy import Customer, Decision, Dialled, Event, History, Verdict, plan

ZONES = {
    "Europe/Istanbul": "TR", "Europe/Berlin": "DE", "America/New_York": "US", "Asia/Kolkata": "IN",
    "Australia/Lord_Howe": "AU", "America/Santiago": "CL", "Africa/Cairo": "EG",
}  # fmt: skip
# Around these the clocks change somewhere: Berlin, New York, Lord Howe (by half an hour), Santiago
# and Cairo (at midnight); and days on which Turkey and Germany keep a holiday.
MOMENTS = ("2026-03-08", "2026-03-29", "2026-04-04", "2026-04-24", "2026-09-06", "2026-10-04",
           "2026-10-25", "2026-10-29", "2026-11-01", "2026-12-25", "2026-07-14")  # fmt: skip
SPANS = (
    (0, 1440),
    (0, 1440),
    (0, 1440),
    (0, 1440),
    (540, 1080),
    (600, 720),
    (0, 90),
    (60, 120),
    (90, 150),
    (780, 1200),
    (1380, 1440),
)
RETRIED = ("busy", "no_answer", "machine", "failed", "hung_up_early")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
STEP = timedelta(minutes=15)


class World(NamedTuple):
    event: Event
    customer: Customer
    history: History
    campaign: Campaign
    weekly: dict[str, tuple[int, int]]
    now: datetime

    def plan(self) -> Decision:
        return plan(self.event, self.customer, self.history, "one", self.campaign, self.now)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def world(random: Random) -> World:
    now = datetime.fromisoformat(random.choice(MOMENTS)).replace(tzinfo=UTC)
    now += timedelta(minutes=random.randrange(-2 * 1440, 1440))
    zone = random.choice([*ZONES, ""])
    weekly = {day: random.choice(SPANS) for day in DAYS if random.random() < 0.8} or {
        "mon": SPANS[0]
    }
    attempts = {
        name: {"gap": random.choice((60, 1800, 7200)), "times": random.randint(1, 3)}
        for name in RETRIED
        if random.random() < 0.85
    }
    campaign = Campaign.model_validate({
        "event": "order.created", "flow": "confirm_order", "caller_id": "+908502220100",
        "when": "order.total >= 500", "delay": random.choice((0, 0, 120, 120, 14_400)),
        "window": {"zone": random.choice(list(ZONES)), "country": "TR",
                   "weekly": {day: f"{_clock(a)}-{_clock(b)}" for day, (a, b) in weekly.items()}},
        "attempts": {"most": random.randint(1, 5), **attempts},
        "caps": {"number_per_day": random.randint(1, 4), "campaign_per_day": random.randint(2, 5)},
        "consent": random.choice(("required", "not_needed")),
        "do_not_call": random.choice(((), ("payments",))),
        "expires": random.choice((20_000, 86_400, 3 * 86_400, 3 * 86_400)),
    })  # fmt: skip
    event = Event("e1", "order.created", now - timedelta(minutes=random.choice((5, 60, 600, 1500))),
                  {"order": {"total": random.choice((499, *[500] * 9))}})  # fmt: skip
    calls = tuple(
        Dialled(now - timedelta(minutes=random.randrange(1, 2000)), random.choice(("e1", "e2")),
                random.choice(("one", "other")), Outcome(random.choice((*RETRIED * 6, *Outcome))))
        for _ in range(random.choice((0, 0, 0, 1, 2, 4)))
    )  # fmt: skip
    ours = ZoneInfo(campaign.window.zone)
    today = now.astimezone(ours).date()
    counts = {today + timedelta(days=days): random.randint(0, 4) for days in (0, 1)}
    lists = random.choice((*[()] * 12, ("own",), ("payments",), ("elsewhere",)))
    customer = Customer("+905321112233", zone, ZONES.get(zone, ""), random.random() < 0.95,
                        frozenset(lists))  # fmt: skip
    return World(event, customer, History(calls, counts), campaign, weekly, now)


def broken(one: World, at: datetime) -> list[str]:
    """The rules that a call at `at` would break."""
    campaign, customer, history = one.campaign, one.customer, one.history
    zone = ZoneInfo(customer.zone or campaign.window.zone)
    local, here = at.astimezone(zone), at.astimezone(ZoneInfo(campaign.window.zone))
    start, end = one.weekly.get(DAYS[local.weekday()], (0, 0))
    per_day = Counter(call.at.astimezone(zone).date() for call in history.calls)
    ours = sorted((c for c in history.calls if (c.event, c.campaign) == ("e1", "one")),
                  key=lambda call: call.at)  # fmt: skip
    rules = {
        "past": at >= one.now,
        "window": start <= local.hour * 60 + local.minute < end,
        "holiday": local.date() not in _holidays(customer.country or "TR"),
        "expiry": at < one.event.at + timedelta(seconds=campaign.expires),
        "delay": at >= one.event.at + timedelta(seconds=campaign.delay),
        "number's cap": per_day[local.date()] < campaign.caps.number_per_day,
        "campaign's cap": history.campaign.get(here.date(), 0) < campaign.caps.campaign_per_day,
        "list": not customer.lists & {"own", *campaign.do_not_call},
        "consent": customer.consent or campaign.consent == "not_needed",
        "when": one.event.facts["order"]["total"] >= 500,
        "attempts": len(ours) < campaign.attempts.most,
    }
    if ours:
        rule = getattr(campaign.attempts, ours[-1].outcome.value, None)
        same = [call for call in ours if call.outcome is ours[-1].outcome]
        rules["again"] = bool(rule) and len(same) <= rule.times
        rules["gap"] = bool(rule) and at >= ours[-1].at + timedelta(seconds=rule.gap)
    return [name for name, kept in rules.items() if not kept]


def wrong(one: World, decision: Decision) -> list[str]:
    """What is wrong with a plan: a rule broken, or a better moment missed (by quarters of hours)."""
    if decision.at is None:
        found = [] if decision.verdict is Verdict.NEVER else ["no moment"]
    else:
        found = broken(one, decision.at)
        if (decision.verdict is Verdict.CALL) != (decision.at == one.now):
            found.append("verdict")
    last = decision.at or one.event.at + timedelta(seconds=one.campaign.expires)
    moment = one.now + (STEP - timedelta(minutes=one.now.minute % 15))
    while moment < last:
        if not broken(one, moment):
            return [*found, f"missed {moment}"]
        moment += STEP
    return found


_KNOWN: dict[str, holidays.HolidayBase] = {}


def _holidays(country: str) -> holidays.HolidayBase:
    if country not in _KNOWN:
        _KNOWN[country] = holidays.country_holidays(country, years=(2025, 2026, 2027))
    return _KNOWN[country]
