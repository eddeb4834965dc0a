"""Messages that went back to the shop: the delivery log, what was given up, and sending again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from cti.db.store.outbox import Standing
from cti.services.notifier import DESK
from cti.web.api.kinds import Model
from cti.web.api.operation import Answer, NoQuery, Operation, Request
from cti.web.api.paging import Page, Paged, page, place
from ivr.errors import RequestRefused

TAG = "deliveries"
State = Literal["waiting", "done", "failed"]
Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
NAME = r"^[a-zA-Z_][a-zA-Z0-9_]{0,99}$"
Place = Annotated[str, Field(pattern=NAME, description="the webhook's name in the scenarios")]


class TryOut(Model):
    """One try. `status` is what the other side answered; null when it did not."""

    at: datetime
    status: int | None
    ms: float
    error: str


class DeliveryOut(Model):
    """A message on its way to one webhook. `message` is the id the other side sees as
    `webhook-id`. `failed` is the dead-letter list: given up, until it is sent again."""

    id: int
    webhook: str
    message: str
    event: str
    made_at: datetime
    state: State
    attempts: int
    due_at: datetime | None


class DeliveryDetails(DeliveryOut):
    data: dict[str, Any]
    tries: tuple[TryOut, ...]


class Deliveries(Paged):
    webhook: Place | None = None
    state: State | None = None
    event: Annotated[str, Field(pattern=NAME)] | None = None


def shown(one: Standing) -> DeliveryOut:
    return DeliveryOut(**_common(one))


def _common(one: Standing) -> dict[str, Any]:
    return {
        "id": one.id, "webhook": one.place, "message": one.key, "event": one.event,
        "made_at": one.made_at, "state": one.state, "attempts": one.attempts, "due_at": one.due_at,
    }  # fmt: skip


def _whole(one: Standing) -> DeliveryDetails:
    tries = tuple(TryOut(at=t.at, status=t.status, ms=t.ms, error=t.error) for t in one.tries)
    return DeliveryDetails(**_common(one), data=dict(one.data), tries=tries)


async def list_deliveries(request: Request[None, Deliveries]) -> Answer:
    query = request.query
    (before,) = place(query.after, int) or (None,)
    found = await request.api.outbox.standings(
        place=query.webhook or "", state=query.state or "", event=query.event or "",
        but=DESK, before=before, limit=query.limit + 1,
    )  # fmt: skip
    made = page(list(found), query.limit, lambda last: (last.id,))
    return Answer(Page(items=tuple(map(shown, made.items)), next=made.next))


async def get_delivery(request: Request[None, NoQuery]) -> Answer:
    return Answer(_whole(await _found(request)))


async def replay(request: Request[None, NoQuery]) -> Answer:
    """Send it again, with the same message id."""
    found = await _found(request)
    if not await request.api.outbox.replay(found.id):
        raise RequestRefused("conflict", "it is on its way already")
    request.api.notifier.wake(found.place)
    return Answer(_whole(await _found(request)), 202)


async def _found(request: Request[Any, Any]) -> Standing:
    found = await request.api.outbox.standing(request.path["id"])
    if found is None or found.place == DESK:
        raise RequestRefused("not-found", "there is no such delivery")
    return found


OPERATIONS = (
    Operation(
        "GET", "/deliveries", "listDeliveries", "Messages to webhooks, the latest first",
        list_deliveries, "webhooks:read", {200: Page[DeliveryOut]}, query=Deliveries, tag=TAG,
        about="`state=failed` is the dead-letter list.",
    ),
    Operation(
        "GET", "/deliveries/{id}", "getDelivery", "One message, with every try", get_delivery,
        "webhooks:read", {200: DeliveryDetails}, places={"id": Id}, tag=TAG,
    ),
    Operation(
        "POST", "/deliveries/{id}/replay", "replayDelivery", "Send a message again", replay,
        "webhooks:write", {202: DeliveryDetails}, places={"id": Id}, tag=TAG,
        problems=("conflict",), words={202: "It is on its way."},
        about="It keeps its id, so a receiver that had it can tell.",
    ),
)  # fmt: skip
