"""What the rules and the shop hear of attempts: may it be dialled now, what follows its end, and
what the shop is told when a job is over."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from cti.db.store.dialling import Claim, DiallingStore, Next
from cti.db.store.outbound import NEVER, Attempt, Job, OutboundStore
from cti.dialler import policy
from cti.dialler.campaigns import Campaign, Campaigns, Outcome
from cti.dialler.intake import clauses_to_json, known_of
from cti.dialler.outcomes import UNREACHABLE, Result, talked
from cti.dialler.policy import Clause, Dialled, Verdict
from ivr.errors import SantralError
from ivr.events import Entry
from ivr.services import Notifier

TOLD: Final = "outbound_result"  # the event that the shop's webhooks get
TEXT: Final = timedelta(seconds=15)  # how long the text of a note is waited for
JOURNAL: Final = timedelta(seconds=60)  # how long the journal of a call is waited for
History = Callable[[str], Awaitable[Sequence[Entry]]]
Count = Callable[[str, str], None]
log = logging.getLogger(__name__)


def uncounted(what: str, which: str) -> None:
    """Nobody counts."""


class Following:
    """Decides by `policy`, writes by the store, tells by the notifier."""

    def __init__(
        self,
        store: DiallingStore,
        outbound: OutboundStore,
        campaigns: Callable[[], Campaigns | None],
        notifier: Notifier,
        history: History,
        now: Callable[[], datetime],
        count: Count = uncounted,
    ) -> None:
        self._store, self._outbound, self._campaigns = store, outbound, campaigns
        self._notifier, self._history, self._now = notifier, history, now
        self._count = count

    def campaign(self, job: Job) -> Campaign | None:
        """The rules of a job; None when its campaign is no more."""
        campaigns = self._campaigns()
        return campaigns.campaigns.get(job.campaign) if campaigns else None

    async def has_history(self, call: str) -> bool:
        return bool(await self._history(call))

    async def may_dial(self, claim: Claim, campaign: Campaign, campaigns: Campaigns) -> bool:
        """Whether it is to be dialled now; what the rules say otherwise is written down."""
        now, job = self._now(), claim.job
        decided = await self._plan(job, campaign, now, claim.at)
        refused = campaigns.trunk(campaign.pace.trunk).refuses(job.phone)
        reasons = [*decided.reasons, Clause("allowed number", not refused, refused or "yes")]
        if decided.verdict is Verdict.CALL and not refused:
            return True
        if refused or decided.at is None:
            attempts = claim.attempt.number - 1
            result = UNREACHABLE if attempts else "not_called"
            then = Next("never", clauses_to_json(reasons), None, NEVER, result, {
                "attempts": attempts, "why": refused or decided.why,
            })  # fmt: skip
        else:
            then = Next("wait", clauses_to_json(reasons), decided.at)
        await self._store.postpone(claim, then, now)
        return False

    async def ended(
        self, attempt: Attempt, job: Job, outcome: Outcome, cause: int | None, begun: datetime,
        result: Result | None = None,
    ) -> None:  # fmt: skip
        """A dialled call is over: again, or the end of the job."""
        now = self._now()
        then = await self._after(attempt, job, outcome, begun, result or Result(outcome), now)
        if await self._store.finish(attempt, outcome, cause, now, then, now):
            self._count("outcome", outcome.value)
            if then.result:
                self._count("result", then.result)
            log.info("attempt %s: %s; %s", attempt.id, outcome.value, then.result or then.verdict)

    async def close_what_is_over(self) -> None:
        """Calls that were talked, once their journal is whole; the shop is told what is over."""
        for attempt, job, whole in await self._store.over():
            ended = attempt.ended_at or self._now()
            if not whole and self._now() - ended < JOURNAL:
                continue
            entries = await self._history(attempt.id)
            result = talked(entries, machine=attempt.outcome == Outcome.MACHINE)
            begun = attempt.started_at or ended
            await self.ended(attempt, job, result.outcome, attempt.cause, begun, result)
        for job in await self._store.untold(self._now()):
            await self._tell(job)

    async def expire(self) -> None:
        """Jobs whose time is over although nobody claims them: their campaign is paused or gone."""
        for attempt in await self._store.expired(self._now()):
            reasons = [Clause("expires", False, "nobody dialled it in time")]
            details = {"attempts": attempt.number - 1, "why": "it expired before it was dialled"}
            result = UNREACHABLE if attempt.number > 1 else "not_called"
            then = Next("never", clauses_to_json(reasons), None, NEVER, result, details)
            await self._store.finish(attempt, "expired", None, self._now(), then, self._now())

    async def _plan(
        self, job: Job, campaign: Campaign, now: datetime, turn: datetime
    ) -> policy.Decision:
        """Of the campaign's claimed calls those count whose turn is before `turn`."""
        known = await known_of(self._outbound, job, job.campaign, campaign, now, turn)
        event = policy.Event(job.event_key, job.event, job.event_at, job.facts)
        return policy.plan(event, *known, job.campaign, campaign, now)

    async def _after(
        self, attempt: Attempt, job: Job, outcome: Outcome, begun: datetime, result: Result,
        now: datetime,
    ) -> Next:  # fmt: skip
        campaign = self.campaign(job)
        details: dict[str, Any] = {
            "call": attempt.id, "attempts": attempt.number, "outcome": outcome.value,
            **result.details,
        }  # fmt: skip
        if campaign is None:
            gone = [Clause("campaign", False, f"there is no campaign '{job.campaign}' now")]
            return Next("never", clauses_to_json(gone), None, "done",
                        result.result or UNREACHABLE, details)  # fmt: skip
        customer, history = await known_of(self._outbound, job, job.campaign, campaign, now)
        others = tuple(call for call in history.calls if call.at != begun)
        this = Dialled(begun, job.event_key, job.campaign, outcome)
        event = policy.Event(job.event_key, job.event, job.event_at, job.facts)
        known = policy.History((*others, this), history.campaign)
        decided = policy.plan(event, customer, known, job.campaign, campaign, now)
        reasons = clauses_to_json(decided.reasons)
        if decided.at is not None:
            return Next(decided.verdict, reasons, decided.at)
        return Next("never", reasons, None, "done", result.result or UNREACHABLE,
                    {**details, "why": decided.why})  # fmt: skip

    async def _tell(self, job: Job) -> None:
        """Once, however often: the key is the job's. A note goes with its text, if there is one
        soon."""
        said: dict[str, Any] = {}
        if recording := job.details.get("recording"):
            text = await self._store.text_of(job.details.get("call", ""), recording["name"])
            if text is None and self._now() - (job.closed_at or self._now()) < TEXT:
                return
            said = {"transcript": text}
        data: Mapping[str, Any] = {
            "number": job.order_number, "result": job.result, "campaign": job.campaign,
            "event": job.event, "event_id": job.event_key, "phone": job.phone, "job": job.id,
            **job.details, **said,
        }  # fmt: skip
        key = f"{job.details.get('call', '')}:job:{job.id}"
        try:
            await self._notifier.notify(TOLD, data, key)
        except SantralError as error:
            log.warning("job %d: the shop cannot be told yet: %s", job.id, error)
            return
        await self._store.told(job.id, self._now())
