"""The dialler's own store, intake and rules on a virtual clock, with fates in place of people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.store.dialling import DiallingStore
from cti.db.store.outbound import Attempt, Job, OutboundStore
from cti.dialler.campaigns import Campaigns
from cti.dialler.dialler import lane_for
from cti.dialler.following import Following
from cti.dialler.forecast import PlannedCall, Rates
from cti.dialler.intake import Intake, OrderEvent

NOTHING = timedelta()


class Told:
    """A notifier that keeps what it is told."""

    def __init__(self) -> None:
        self.got: list[tuple[str, Any, str]] = []

    async def notify(self, event: str, data: Any, key: str) -> None:
        self.got.append((event, data, key))


class VirtualRun:
    def __init__(self, engine: AsyncEngine, campaigns: Campaigns, rates: Rates) -> None:
        self.now = datetime.min.replace(tzinfo=UTC)
        self.campaigns, self.rates, self.told = campaigns, rates, Told()
        self.outbound, self.store = OutboundStore(engine), DiallingStore(engine, "virtual", 3600)
        self.intake = Intake(self.outbound, None, lambda: campaigns, now=lambda: self.now)
        self.following = Following(
            self.store, self.outbound, lambda: campaigns, self.told, _no_history, lambda: self.now
        )
        self.ends: list[tuple[datetime, int, Attempt, Job, PlannedCall]] = []
        self.calls: list[PlannedCall] = []

    async def run(self, events: Sequence[OrderEvent], start: datetime) -> list[PlannedCall]:
        self.now = start
        arrivals = sorted(events, key=lambda e: max(e.at, start))
        names = [name for name, _ in self.campaigns.by_priority]
        while True:
            while arrivals and arrivals[0].at <= self.now:
                await self.intake.take(arrivals.pop(0))
            self.ends.sort(key=lambda one: one[:2])
            while self.ends and self.ends[0][0] <= self.now:
                await self._end(*self.ends.pop(0))
            again = False
            for name in names:
                again |= await self._claim(name)
            moments = [e.at for e in arrivals] + [end[0] for end in self.ends]
            moments += [d for n in names for d in [await self.store.next_due([n])] if d]
            later = [moment for moment in moments if moment > self.now]
            due = [moment for moment in moments if moment <= self.now]
            if due or again:  # something waits for a lane: look at it often
                later.append(self.now + timedelta(milliseconds=500))
            if not later:
                return self.calls
            self.now = min(later)

    async def _claim(self, name: str) -> bool:
        claims = await self.store.claim(lane_for(self.campaigns, name), self.now, 1, NOTHING)
        for claim in claims:
            campaign = self.campaigns.campaigns[name]
            if not await self.following.may_dial(claim, campaign, self.campaigns):
                continue
            assert await self.store.begin(claim.attempt.id, self.now, "boot")
            number = claim.attempt.number
            fate = self.rates.fate(claim.job.event_key, name, number)
            call = PlannedCall(
                self.now, claim.job.phone, name, claim.job.event_key,
                claim.job.order_number or "", number, fate.outcome.value, fate.seconds,
            )  # fmt: skip
            self.calls.append(call)
            end = self.now + timedelta(seconds=fate.seconds)
            self.ends.append((end, claim.job.id, claim.attempt, claim.job, call))
        return bool(claims)

    async def _end(
        self, at: datetime, number: int, attempt: Attempt, job: Job, call: PlannedCall
    ) -> None:
        from cti.dialler.campaigns import Outcome

        await self.following.ended(attempt, job, Outcome(call.outcome), None, call.at)


async def _no_history(call: str) -> Sequence[Any]:
    return ()
