"""Calls: which there were, and the whole conversation of one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from cti.db.store.calls import CallFilter, CallRecord
from cti.transcript import transcript
from cti.web.api.kinds import Model, Moment
from cti.web.api.operation import Answer, NoQuery, Operation, Request
from cti.web.api.paging import Page, Paged, moment, page, place
from ivr.errors import RequestRefused

TAG = "calls"
CallId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]


class CallOut(Model):
    """One call. `outcome` is `running`, or why it ended: `hangup` (we did), `caller_hung_up`,
    `transfer`, `failed`, `drained`."""

    id: str
    direction: str
    caller: str
    dialled: str
    started_at: datetime
    ended_at: datetime | None
    seconds: float | None
    flow: str
    version: str
    language: str
    outcome: str
    ended_step: str
    transferred_to: str
    error: str


class Calls(Paged):
    """Which calls; times are of their beginning."""

    since: Moment | None = None
    until: Moment | None = None
    caller: Annotated[str, Field(max_length=32, pattern=r"^\+?[0-9 ().-]*$")] = ""
    dialled: Annotated[str, Field(max_length=32, pattern=r"^\+?[0-9 ().-]*$")] = ""
    flow: Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,99}$")] | None = None
    outcome: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")] | None = None


class LineOut(Model):
    """One thing that happened, `at` seconds after the call began. `who`: caller, us, step, note."""

    at: float
    who: str
    text: str
    depth: int
    kind: str


class TranscriptOut(Model):
    """A whole conversation. What was secret is hidden. `ended` is empty while it goes on."""

    call: str
    started_at: datetime
    seconds: float
    ended: str
    path: tuple[str, ...]
    lines: tuple[LineOut, ...]


def shown(call: CallRecord) -> CallOut:
    return CallOut(
        id=call.id, direction=call.direction, caller=call.caller, dialled=call.dialled,
        started_at=call.started_at, ended_at=call.ended_at, seconds=call.seconds, flow=call.flow,
        version=call.version, language=call.language, outcome=call.outcome,
        ended_step=call.ended_step, transferred_to=call.transferred_to, error=call.error,
    )  # fmt: skip


async def list_calls(request: Request[None, Calls]) -> Answer:
    query = request.query
    after = place(query.after, str, str)
    which = CallFilter(
        since=query.since, until=query.until, caller=query.caller, dialled=query.dialled,
        flow=query.flow or "", outcome=query.outcome or "", region=request.api.region,
    )  # fmt: skip
    found = await request.api.calls.find(
        which, limit=query.limit + 1, after=(moment(after[0]), after[1]) if after else None
    )
    made = page(list(found), query.limit, lambda last: (last.started_at.isoformat(), last.id))
    return Answer(Page(items=tuple(map(shown, made.items)), next=made.next))


async def get_call(request: Request[None, NoQuery]) -> Answer:
    found = await request.api.calls.of_id(request.path["id"], limit=2)
    if not found or found[0].id != request.path["id"]:
        raise RequestRefused("not-found", "there is no call with this id")
    return Answer(shown(found[0]))


async def get_transcript(request: Request[None, NoQuery]) -> Answer:
    try:
        told = transcript(await request.api.history(request.path["id"]))
    except ValueError:
        raise RequestRefused("not-found", "there is no call with this id") from None
    return Answer(TranscriptOut.model_validate(told.to_dict()))


OPERATIONS = (
    Operation(
        "GET", "/calls", "listCalls", "Calls, the latest first", list_calls, "calls:read",
        {200: Page[CallOut]}, query=Calls, tag=TAG,
    ),
    Operation(
        "GET", "/calls/{id}", "getCall", "One call", get_call, "calls:read", {200: CallOut},
        places={"id": CallId}, tag=TAG,
    ),
    Operation(
        "GET", "/calls/{id}/transcript", "getTranscript", "What was said in a call",
        get_transcript, "transcripts", {200: TranscriptOut}, places={"id": CallId}, tag=TAG,
    ),
)  # fmt: skip
