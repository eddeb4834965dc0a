"""A campaign on a virtual clock: when each call would go out, how long it takes, how many lines.

The same policy decides as in earnest, and lanes, caps and gaps hold as `cti/db/store/dialling.py`
holds them; a test runs the dialler's own store on the virtual clock and compares every call.
What nobody can know beforehand - who answers - is drawn from rates; the same seed draws the same.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from cti.db.store.outbound import OPEN, NewEvent
from cti.dialler import policy
from cti.dialler.campaigns import Campaign, Campaigns, Outcome
from cti.dialler.intake import CLOSES
from cti.dialler.policy import Dialled, History
from cti.dialler.window import zone_of

ASSUMED: Final[Mapping[str, float]] = {
    "answered": 0.45, "no_answer": 0.25, "busy": 0.1, "machine": 0.1, "failed": 0.05,
    "hung_up_early": 0.05,
}  # fmt: skip
# Seconds a line is taken, from dialling to the end.
SECONDS: Final[Mapping[str, tuple[float, float]]] = {
    "answered": (25.0, 90.0), "no_answer": (30.0, 30.0), "busy": (1.0, 3.0),
    "machine": (15.0, 35.0), "failed": (1.0, 10.0), "hung_up_early": (6.0, 15.0),
    "message_left": (25.0, 45.0), "invalid": (1.0, 2.0),
}  # fmt: skip
MOST_STEPS: Final = 50_000_000


@dataclass(frozen=True, slots=True)
class Fate:
    """How a call goes, by assumption."""

    outcome: Outcome
    seconds: float


@dataclass(frozen=True, slots=True)
class Rates:
    """How often calls end how; the seed makes every draw repeatable."""

    outcomes: Mapping[str, float] = field(default_factory=lambda: dict(ASSUMED))
    seed: int = 1

    def fate(self, event: str, campaign: str, number: int) -> Fate:
        """That of an event's attempt; the same whoever asks, and when."""
        chance = Random(f"{self.seed} {event} {campaign} {number}")  # noqa: S311 (no secret)
        names = sorted(self.outcomes)
        outcome = chance.choices(names, [self.outcomes[name] for name in names])[0]
        low, high = SECONDS.get(outcome, (5.0, 30.0))
        return Fate(Outcome(outcome), round(chance.uniform(low, high), 3))


@dataclass(frozen=True, slots=True)
class PlannedCall:
    at: datetime
    phone: str
    campaign: str
    event: str
    order: str
    number: int
    outcome: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that no call is made for (any more), and why."""

    event: str
    campaign: str
    phone: str
    at: datetime
    why: str


@dataclass(slots=True)
class Plan:
    calls: list[PlannedCall] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    @property
    def lines(self) -> int:
        """The most calls at once."""
        return max(self.by_time().values(), default=0)

    def by_time(self) -> dict[datetime, int]:
        """How many lines are taken, at each moment that changes it."""
        changes: Counter[datetime] = Counter()
        for call in self.calls:
            changes[call.at] += 1
            changes[call.at + timedelta(seconds=call.seconds)] -= 1
        busy, found = 0, {}
        for moment in sorted(changes):
            busy += changes[moment]
            found[moment] = busy
        return found

    def summary(self) -> dict[str, Any]:
        ends = [call.at + timedelta(seconds=call.seconds) for call in self.calls]
        return {
            "calls": len(self.calls),
            "people": len({call.phone for call in self.calls}),
            "first": min((call.at for call in self.calls), default=None),
            "last": max(ends, default=None),
            "lines": self.lines,
            "hours_talked": round(sum(call.seconds for call in self.calls) / 3600, 2),
            "outcomes": dict(Counter(call.outcome for call in self.calls)),
            "not_called": len(self.refused),
        }


@dataclass(slots=True)
class _Job:
    id: int
    event: NewEvent
    campaign: str
    attempts: int = 0
    open: bool = True

    @property
    def policy_event(self) -> policy.Event:
        return policy.Event(self.event.key, self.event.name, self.event.at, self.event.facts)


def forecast(
    events: Sequence[NewEvent], campaigns: Campaigns, rates: Rates, start: datetime,
    lists: Mapping[str, frozenset[str]] | None = None,
) -> Plan:  # fmt: skip
    """What a run from `start` on would do; events come at their own times, earlier ones at once."""
    return _Run(events, campaigns, rates, start, lists or {}).run()


class _Run:
    def __init__(
        self, events: Sequence[NewEvent], campaigns: Campaigns, rates: Rates, start: datetime,
        lists: Mapping[str, frozenset[str]],
    ) -> None:  # fmt: skip
        self.campaigns, self.rates, self.now, self.lists = campaigns, rates, start, lists
        self.arrivals = sorted(events, key=lambda e: max(e.at, start), reverse=True)
        self.plan = Plan()
        self.jobs: list[_Job] = []
        self.due: dict[str, list[tuple[datetime, int]]] = {n: [] for n in campaigns.campaigns}
        self.ends: list[tuple[datetime, int, PlannedCall]] = []
        self.busy: set[str] = set()
        self.active: Counter[str] = Counter()
        self.free: dict[str, datetime] = {}
        self.dialled: dict[str, list[Dialled]] = {}
        self.days: Counter[tuple[str, Any]] = Counter()

    def run(self) -> Plan:
        for _ in range(MOST_STEPS):
            while self.arrivals and self.arrivals[-1].at <= self.now:
                self._arrive(self.arrivals.pop())
            while self.ends and self.ends[0][0] <= self.now:
                self._end(*self.ends.pop(0))
            for name, campaign in self.campaigns.by_priority:
                self._claim(name, campaign)
            following = self._next()
            if following is None:
                break
            self.now = following
        return self.plan

    def _next(self) -> datetime | None:
        """The next moment at which anything can happen."""
        moments = [self.ends[0][0]] if self.ends else []
        moments += [self.arrivals[-1].at] if self.arrivals else []
        for name, campaign in self.campaigns.campaigns.items():
            waiting = self.due[name]
            if waiting:
                moments += [due for due, _ in waiting[:1]]
                later = bisect.bisect_right(waiting, (self.now, len(self.jobs)))
                moments += [waiting[later][0]] if later < len(waiting) else []
                moments += [self._free(name), self._free(_trunk(campaign))]
        return min((moment for moment in moments if moment > self.now), default=None)

    def _free(self, lane: str) -> datetime:
        return self.free.get(lane, self.now)

    def _arrive(self, event: NewEvent) -> None:
        for job in self.jobs:
            if job.open and job.event.order_number and job.event.phone not in self.busy and (
                (job.event.order_number, True)
                == (event.order_number, job.event.name in CLOSES.get(event.name, ()))
            ):  # fmt: skip
                self._close(job, f"{event.name} came")
                self.due[job.campaign] = [d for d in self.due[job.campaign] if d[1] != job.id]
        for name, campaign in self.campaigns.of(event.name).items():
            job = _Job(len(self.jobs) + 1, event, name)
            other = any(
                j.open and j.campaign == name and event.order_number
                and j.event.order_number == event.order_number
                for j in self.jobs
            )  # fmt: skip
            self.jobs.append(job)
            refused = self.campaigns.trunk(campaign.pace.trunk).refuses(event.phone)
            decided = self._decide(job, campaign)
            if refused or other or decided.at is None:
                self._close(job, refused or (f"another {OPEN} call" if other else decided.why))
            else:
                bisect.insort(self.due[name], (decided.at, job.id))

    def _claim(self, name: str, campaign: Campaign) -> None:
        """As the store does with nothing claimed ahead: one for each free moment of the lane."""
        trunk, lane = self.campaigns.trunk(campaign.pace.trunk), _trunk(campaign)
        if self._free(name) > self.now or self._free(lane) > self.now:
            return
        if self.active[name] >= campaign.pace.at_once or self.active[lane] >= trunk.at_once:
            return
        job = self._first(name)
        if job is None:
            return
        self.free[name] = self.now + timedelta(seconds=1 / campaign.pace.per_second)
        self.free[lane] = self.now + timedelta(seconds=1 / trunk.per_second)
        decided = self._decide(job, campaign)
        if decided.verdict is policy.Verdict.CALL:
            self._dial(job, campaign)
        elif decided.at is not None:
            bisect.insort(self.due[name], (decided.at, job.id))
        else:
            self._close(job, decided.why)

    def _first(self, name: str) -> _Job | None:
        """The first due job to a number that nobody calls now."""
        for place, (due, number) in enumerate(self.due[name]):
            if due > self.now:
                return None
            job = self.jobs[number - 1]
            if job.event.phone not in self.busy:
                del self.due[name][place]
                return job
        return None

    def _dial(self, job: _Job, campaign: Campaign) -> None:
        job.attempts += 1
        fate = self.rates.fate(job.event.key, job.campaign, job.attempts)
        call = PlannedCall(
            self.now, job.event.phone, job.campaign, job.event.key, job.event.order_number or "",
            job.attempts, fate.outcome.value, fate.seconds,
        )  # fmt: skip
        self.plan.calls.append(call)
        self.busy.add(call.phone)
        self.active.update((job.campaign, _trunk(campaign)))
        self.days[job.campaign, self._day(campaign)] += 1
        end = (self.now + timedelta(seconds=fate.seconds), job.id, call)
        bisect.insort(self.ends, end, key=lambda one: one[:2])

    def _end(self, at: datetime, number: int, call: PlannedCall) -> None:
        job = self.jobs[number - 1]
        campaign = self.campaigns.campaigns[job.campaign]
        self.busy.discard(call.phone)
        self.active.subtract((job.campaign, _trunk(campaign)))
        ended = Dialled(call.at, call.event, call.campaign, Outcome(call.outcome))
        self.dialled.setdefault(call.phone, []).append(ended)
        decided = self._decide(job, campaign)
        if decided.at is None:
            job.open = False
            if call.outcome not in {"answered", "message_left"}:
                self._close(job, decided.why)
        else:
            bisect.insort(self.due[job.campaign], (decided.at, job.id))

    def _decide(self, job: _Job, campaign: Campaign) -> policy.Decision:
        event, day = job.event, self._day(campaign)
        zone, *also = event.zones or [""]
        customer = policy.Customer(
            event.phone, zone, event.country, event.consent,
            self.lists.get(event.phone, frozenset()), event.customer, tuple(also),
        )  # fmt: skip
        calls = tuple(self.dialled.get(event.phone, ()))
        history = History(calls, {day: self.days[job.campaign, day]})
        return policy.plan(job.policy_event, customer, history, job.campaign, campaign, self.now)

    def _day(self, campaign: Campaign) -> Any:
        return self.now.astimezone(zone_of(campaign.window.zone)).date()

    def _close(self, job: _Job, why: str) -> None:
        job.open = False
        self.plan.refused.append(
            Refused(job.event.key, job.campaign, job.event.phone, self.now, why)
        )


def _trunk(campaign: Campaign) -> str:
    return f"trunk:{campaign.pace.trunk}"
