"""Whether and when to call. Pure: facts and a moment in, a decision with all its reasons out.

`plan` is asked when the event comes in, again right before each dialling, and `after` once each
attempt has ended; so what was planned yesterday never overrules what is known today.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from cti.dialler.campaigns import Campaign, Outcome
from cti.dialler.window import next_day, zone_of
from ivr.errors import BadInput, ExpressionFault
from ivr.expressions import Expression

OWN_LIST = "own"


class Verdict(StrEnum):
    CALL = "call"  # now
    WAIT = "wait"  # until `at`
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing that was looked at: which, whether it allows the call, and what was found."""

    name: str
    holds: bool
    value: str


@dataclass(frozen=True, slots=True)
class Decision:
    """`at` is when to call, in UTC; None when never."""

    verdict: Verdict
    at: datetime | None
    reasons: tuple[Clause, ...]

    @property
    def why(self) -> str:
        """In one line: what forbids the call, or what it waits for."""
        against = [f"{one.name}: {one.value}" for one in self.reasons if not one.holds]
        return "; ".join(against) or self.verdict.value


@dataclass(frozen=True, slots=True)
class Event:
    """What the shop told us, and when it happened. `facts`: order, payment, … by name."""

    id: str
    name: str
    at: datetime
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Customer:
    """Whom it is about. `lists` are the do-not-call lists the number stands on; `zone` (IANA) and
    `country` are empty when not known; `facts` is what `when` reads as `customer`.

    `also` are further zones that they may live in, for all that their number tells: then the window
    has to be open in every one of them."""

    phone: str
    zone: str = ""
    country: str = ""
    consent: bool = False
    lists: frozenset[str] = frozenset()
    facts: Mapping[str, Any] = field(default_factory=dict)
    also: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for zone in (self.zone, *self.also) if self.zone else self.also:
            try:
                zone_of(zone)
            except ValueError as error:
                raise BadInput(str(error)) from error


@dataclass(frozen=True, slots=True)
class Dialled:
    """A call that was really dialled; `at` is when the dialling began."""

    at: datetime
    event: str
    campaign: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class History:
    """`calls`: every call dialled to the number, whatever the campaign. `campaign`: how many calls
    this campaign dialled to anybody, by day in its window's zone."""

    calls: tuple[Dialled, ...] = ()
    campaign: Mapping[date, int] = field(default_factory=dict)


def plan(
    event: Event,
    customer: Customer,
    history: History,
    name: str,
    campaign: Campaign,
    now: datetime,
) -> Decision:
    """Call now, wait, or never, for `event` under the campaign called `name`."""
    calls = [c for c in history.calls if c.event == event.id and c.campaign == name]
    calls.sort(key=lambda call: call.at)
    reasons = [*_wishes(customer, campaign), _when(event, customer, campaign.when)]
    reasons += _tries(calls, campaign)
    expiry = event.at + timedelta(seconds=campaign.expires)
    reasons.append(Clause("expires", now < expiry, _moment(expiry)))
    if not all(reason.holds for reason in reasons):
        return Decision(Verdict.NEVER, None, tuple(reasons))
    earliest = [now, event.at + timedelta(seconds=campaign.delay)]
    if calls and (again := campaign.attempts.again(calls[-1].outcome)):
        earliest.append(calls[-1].at + timedelta(seconds=again.gap))
    search = _Search(customer, history, campaign)
    at = search.first(max(earliest).astimezone(UTC), expiry)
    reasons += [Clause("not before", max(earliest) <= now, _moment(max(earliest))), *search.met]
    if at is None:
        reasons.append(Clause("chance", False, "none before it expires"))
        return Decision(Verdict.NEVER, None, tuple(reasons))
    return Decision(Verdict.CALL if at <= now else Verdict.WAIT, at, tuple(reasons))


def after(
    event: Event,
    customer: Customer,
    history: History,
    name: str,
    campaign: Campaign,
    ended: Dialled,
    now: datetime,
) -> Decision:
    """What follows a call that was dialled and has ended; `history` is that from before it."""
    day = ended.at.astimezone(zone_of(campaign.window.zone)).date()
    counted = {**history.campaign, day: history.campaign.get(day, 0) + 1}
    known = replace(history, calls=(*history.calls, ended), campaign=counted)
    return plan(event, customer, known, name, campaign, now)


def _wishes(customer: Customer, campaign: Campaign) -> Iterator[Clause]:
    on = sorted(customer.lists & {OWN_LIST, *campaign.do_not_call})
    yield Clause("do not call", not on, f"on {', '.join(on)}" if on else "on no list")
    given = "given" if customer.consent else "not given"
    yield Clause("consent", customer.consent or campaign.consent == "not_needed", given)


def _when(event: Event, customer: Customer, when: Expression) -> Clause:
    about = {"id": event.id, "name": event.name}
    facts = {**event.facts, "event": about, "customer": customer.facts}
    try:
        holds = when.holds(facts)
    except ExpressionFault as error:
        return Clause("when", False, str(error))
    read = [f"{a}.{b} = {_part(facts, a, b)!r}" for a, b in sorted(when.parts)]
    return Clause("when", holds, f"{when.source} ({', '.join(read)})" if read else when.source)


def _part(facts: Mapping[str, Any], name: str, part: str) -> Any:
    whole = facts.get(name)
    value = whole.get(part) if isinstance(whole, Mapping) else None
    return value if value is None or isinstance(value, (bool, int, float, list)) else str(value)


def _tries(calls: list[Dialled], campaign: Campaign) -> Iterator[Clause]:
    """Of the calls for this event: how many, and whether one may follow the last."""
    most = campaign.attempts.most
    yield Clause("attempts", len(calls) < most, f"{len(calls)} of {most}")
    if not calls:
        return
    last = calls[-1].outcome
    again = campaign.attempts.again(last)
    times = sum(call.outcome is last for call in calls)
    allowed = again.times if again else 0
    yield Clause("last outcome", times <= allowed, f"{last.value}, {times} times; again {allowed}")


class _Search:
    """Looks for the first moment inside the window and under the caps; `met` is what it met."""

    def __init__(self, customer: Customer, history: History, campaign: Campaign) -> None:
        self.customer, self.history, self.campaign = customer, history, campaign
        self.theirs = zone_of(customer.zone or campaign.window.zone)
        self.ours = zone_of(campaign.window.zone)
        self.zones = (self.theirs, *map(zone_of, customer.also))
        self.met: list[Clause] = []

    def first(self, moment: datetime, expiry: datetime) -> datetime | None:
        """None when there is no such moment before `expiry`."""
        while moment < expiry:
            others = self.zones[1:]
            opens = self._opens(moment, expiry)
            shown = _moment((opens or moment).astimezone(self.theirs))
            where = f"{self.theirs.key}{f' and {len(others)} more' if others else ''}"
            self.met.append(Clause("window", opens == moment, f"{where} {shown}"))
            if opens is None or opens >= expiry:
                return None
            full = self._full(opens)
            if full is None:
                return opens
            moment = next_day(opens, full)
        return None

    def _opens(self, moment: datetime, expiry: datetime) -> datetime | None:
        """The first moment from `moment` on at which it is open in every zone."""
        window, country = self.campaign.window, self.customer.country
        while moment < expiry:
            later = moment
            for zone in self.zones:
                opens = window.next_open(later, zone, country)
                if opens is None:
                    return None
                later = opens
            if later == moment:
                return moment
            moment = later
        return moment

    def _full(self, moment: datetime) -> ZoneInfo | None:
        """The zone whose next day has to be waited for; None when no cap is reached."""
        caps = self.campaign.caps
        day = moment.astimezone(self.theirs).date()
        times = [call.at.astimezone(self.theirs).date() for call in self.history.calls]
        dialled, most = times.count(day), caps.number_per_day
        self.met.append(Clause("number's cap", dialled < most, f"{dialled} of {most} on {day}"))
        if dialled >= most:
            return self.theirs
        day = moment.astimezone(self.ours).date()
        dialled, most = self.history.campaign.get(day, 0), caps.campaign_per_day
        self.met.append(Clause("campaign's cap", dialled < most, f"{dialled} of {most} on {day}"))
        return self.ours if dialled >= most else None


def _moment(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="seconds")
