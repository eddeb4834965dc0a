"""Jobs: what one campaign does about one event, and the calls for it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from cti.db.store.outbound import Job
from cti.dialler.intake import verdict_of
from cti.web.api.customers import phone_of
from cti.web.api.kinds import Model, OrderNumber
from cti.web.api.operation import Answer, NoQuery, Operation, Request
from cti.web.api.paging import Page, Paged, page, place
from cti.web.api.services import Api
from cti.web.api.shapes import Reason
from ivr.errors import RequestRefused

TAG = "jobs"
CampaignName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,99}$")]
JobId = Annotated[int, Field(ge=1, le=2**63 - 1)]


class AttemptOut(Model):
    """One call for a job. `id` is the call's, too. `state` is due, claimed, dialling, talked or
    ended; `cause` is of Q.850."""

    id: str
    number: int
    state: str
    due_at: datetime
    started_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    outcome: str
    cause: int | None


class JobOut(Model):
    """`state` is open, done, never or cancelled; `result` is there when it is over; `why` is the
    last decision in one line, `next_at` when the next call is due."""

    id: str
    event: str
    event_name: str
    campaign: str
    flow: str
    order: str | None
    phone: str
    state: str
    verdict: str
    why: str
    result: str
    priority: int
    next_at: datetime | None
    expires_at: datetime
    created_at: datetime
    closed_at: datetime | None


class JobDetails(JobOut):
    """`details` are of the result: the call, a recording, …"""

    reasons: tuple[Reason, ...]
    attempts: tuple[AttemptOut, ...]
    details: dict[str, Any]


class Jobs(Paged):
    campaign: CampaignName | None = None
    state: Literal["open", "done", "never", "cancelled"] | None = None
    order: OrderNumber | None = None
    phone: Annotated[str, Field(max_length=32, pattern=r"^\+?[0-9 ().-]*$")] = ""


def shown(job: Job) -> JobOut:
    return JobOut(**_common(job))


def _common(job: Job) -> dict[str, Any]:
    return {
        "id": str(job.id), "event": job.event_key, "event_name": job.event,
        "campaign": job.campaign, "flow": job.flow, "order": job.order_number, "phone": job.phone,
        "state": job.state, "verdict": job.verdict, "why": verdict_of(job).why,
        "result": job.result, "priority": job.priority, "next_at": job.next_at,
        "expires_at": job.expires_at, "created_at": job.created_at, "closed_at": job.closed_at,
    }  # fmt: skip


async def _whole(api: Api, job: Job) -> JobDetails:
    reasons = tuple(
        Reason(name=one.name, holds=one.holds, value=one.value) for one in verdict_of(job).reasons
    )
    return JobDetails(
        **_common(job), reasons=reasons, attempts=await attempts_of(api, job.id),
        details=dict(job.details),
    )  # fmt: skip


async def attempts_of(api: Api, job: int) -> tuple[AttemptOut, ...]:
    """Every call for a job, the first first."""
    return tuple(
        AttemptOut(
            id=one.id, number=one.number, state=one.state, due_at=one.due_at,
            started_at=one.started_at, answered_at=one.answered_at, ended_at=one.ended_at,
            outcome=one.outcome, cause=one.cause,
        )
        for one in await api.outbound.attempts(job)
    )  # fmt: skip


async def list_jobs(request: Request[None, Jobs]) -> Answer:
    query, api = request.query, request.api
    (after,) = place(query.after, int) or (0,)
    found = await api.outbound.jobs(
        after=after, limit=query.limit + 1, campaign=query.campaign or "",
        state=query.state or "", order=query.order or "",
        phone=phone_of(query.phone, api.region) if query.phone else "",
    )  # fmt: skip
    made = page(list(found), query.limit, lambda last: (last.id,))
    return Answer(Page(items=tuple(map(shown, made.items)), next=made.next))


async def get_job(request: Request[None, NoQuery]) -> Answer:
    return Answer(await _whole(request.api, await _found(request)))


async def cancel_job(request: Request[None, NoQuery]) -> Answer:
    """Nobody is called for it any more."""
    api, job = request.api, await _found(request)
    by = request.who.login if request.who else "?"
    if not await api.outbound.cancel_job(job.id, f"cancelled by {by}", api.now()):
        raise RequestRefused("conflict", "it is over, or on the line now")
    return Answer(await _whole(api, await _found(request)))


async def _found(request: Request[None, NoQuery]) -> Job:
    found = await request.api.outbound.job(request.path["id"])
    if found is None:
        raise RequestRefused("not-found", "there is no such job")
    return found


OPERATIONS = (
    Operation(
        "GET", "/jobs", "listJobs", "Jobs, the latest first", list_jobs, "orders:read",
        {200: Page[JobOut]}, query=Jobs, tag=TAG,
    ),
    Operation(
        "GET", "/jobs/{id}", "getJob", "One job, with its reasons and calls", get_job,
        "orders:read", {200: JobDetails}, places={"id": JobId}, tag=TAG,
    ),
    Operation(
        "POST", "/jobs/{id}/cancel", "cancelJob", "Call nobody for it any more", cancel_job,
        "orders:write", {200: JobDetails}, places={"id": JobId}, problems=("conflict",), tag=TAG,
    ),
)  # fmt: skip
