"""Orders: what happens to them comes in here, and why there was a call, or none."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field

from cti.db.store.shop import STATUSES, Order
from cti.dialler.intake import verdict_of
from cti.web.api.customers import phone_of
from cti.web.api.jobs import AttemptOut, attempts_of
from cti.web.api.kinds import Amount, Model, OrderNumber
from cti.web.api.operation import Answer, NoQuery, Operation, Request
from cti.web.api.paging import Page, Paged, moment, page, place
from cti.web.api.shapes import EVENT_NAMES, Decided, OrderEvent, OrderTold, PaymentFailed, Verdict
from cti.web.api.taking import take, verdict
from ivr.errors import RequestRefused

TAG = "orders"
EXAMPLE = {
    "id": "evt-1001",
    "event": "order.created",
    "at": "2026-11-22T10:15:00+03:00",
    "customer": {
        "phone": "+905321112233", "name": "Ayşe Yılmaz", "language": "tr", "tier": "gold",
        "consent": True,
    },
    "order": {
        "number": "4711", "total": "1459.90", "currency": "TRY",
        "items": [
            {"sku": "CZV-1", "name": "Bakır cezve", "quantity": 1, "unit_price": "1459.90"}
        ],
        "categories": ["kitchen"], "delivery_on": "2026-11-25",
    },
}  # fmt: skip


class ItemOut(Model):
    sku: str
    name: str
    quantity: int
    unit_price: Amount


class OrderOut(Model):
    """An order as we know it. `customer` is their number; `status` is how it stands with it:
    awaiting, confirmed, unpaid, preparing, shipped, delivered, cancelled, returned."""

    number: str
    customer: str
    status: str
    total: Amount
    currency: str
    placed_at: datetime
    shipped_at: datetime | None
    delivery_on: date | None
    carrier: str
    tracking: str
    items: tuple[ItemOut, ...]


class EventOut(Model):
    """What the shop told. `closed` are the jobs that it put an end to."""

    id: str
    event: str
    at: datetime
    received_at: datetime
    closed: tuple[str, ...]


class JobWhy(Verdict):
    """A campaign's last decision about an event of this order, and the calls for it. `state` is
    open, done, never or cancelled; `result` is there when it is over."""

    event: str
    flow: str
    state: str
    result: str
    decided_at: datetime
    expires_at: datetime
    attempts: tuple[AttemptOut, ...]


class Why(Model):
    """The whole decision about an order: every clause with what was found."""

    order: str
    events: tuple[EventOut, ...]
    jobs: tuple[JobWhy, ...]


class HappeningOut(Model):
    """One thing that happened; `what` is one of event, decision, dialled, answered, talked, ended,
    note, message, closed; `about` the event, job, call or message it belongs to."""

    at: datetime
    what: str
    about: str
    data: dict[str, Any]


class Timeline(Model):
    order: str
    items: tuple[HappeningOut, ...]


class Orders(Paged):
    customer: Annotated[str, Field(max_length=32, pattern=r"^\+?[0-9 ().-]*$")] = ""
    status: Literal[
        "awaiting", "confirmed", "unpaid", "preparing", "shipped", "delivered", "cancelled",
        "returned",
    ] | None = None  # fmt: skip


assert set(STATUSES) == set(Orders.model_fields["status"].annotation.__args__[0].__args__)  # type: ignore[union-attr]


def shown(order: Order) -> OrderOut:
    return OrderOut(
        number=order.number, customer=order.customer, status=order.status, total=order.total,
        currency=order.currency, placed_at=order.placed_at, shipped_at=order.shipped_at,
        delivery_on=order.expected_on, carrier=order.carrier, tracking=order.tracking,
        items=tuple(
            ItemOut(sku=i.sku, name=i.name, quantity=i.quantity, unit_price=Decimal(i.unit_price))
            for i in order.items
        ),
    )  # fmt: skip


async def post_order(request: Request[OrderTold | PaymentFailed, NoQuery]) -> Answer:
    return Answer(await take(request.api, request.body), 202)


async def list_orders(request: Request[None, Orders]) -> Answer:
    query = request.query
    after = place(query.after, str, str)
    phone = phone_of(query.customer, request.api.region) if query.customer else ""
    found = await request.api.shop.orders(
        after=(moment(after[0]), after[1]) if after else None,
        limit=query.limit + 1,
        phone=phone,
        status=query.status or "",
    )
    made = page(list(found), query.limit, lambda last: (last.placed_at.isoformat(), last.number))
    return Answer(Page(items=tuple(map(shown, made.items)), next=made.next))


async def get_order(request: Request[None, NoQuery]) -> Answer:
    found = await request.api.shop.order(request.path["number"])
    if found is None:
        raise RequestRefused("not-found", "there is no order of this number")
    return Answer(shown(found))


async def get_why(request: Request[None, NoQuery]) -> Answer:
    api, number = request.api, request.path["number"]
    events = await api.timeline.events(number)
    jobs = await api.outbound.of_order(number)
    if not events and not jobs:
        raise RequestRefused("not-found", "nothing was ever told about an order of this number")
    shown_jobs = [
        JobWhy(
            **verdict(verdict_of(job)).model_dump(), event=job.event_key, flow=job.flow,
            state=job.state, result=job.result, decided_at=job.decided_at,
            expires_at=job.expires_at, attempts=await attempts_of(api, job.id),
        )
        for job in jobs
    ]  # fmt: skip
    shown_events = (
        EventOut(
            id=one.key, event=one.name, at=one.at, received_at=one.received_at,
            closed=tuple(str(job) for job in one.closed),
        )
        for one in events
    )  # fmt: skip
    return Answer(Why(order=number, events=tuple(shown_events), jobs=tuple(shown_jobs)))


async def get_timeline(request: Request[None, NoQuery]) -> Answer:
    number = request.path["number"]
    found = await request.api.timeline.of_order(number)
    if not found:
        raise RequestRefused("not-found", "nothing was ever told about an order of this number")
    items = (
        HappeningOut(at=one.at, what=one.what, about=one.about, data=dict(one.data))
        for one in found
    )
    return Answer(Timeline(order=number, items=tuple(items)))


_NUMBERED = {"number": OrderNumber}
OPERATIONS = (
    Operation(
        "POST", "/orders", "postOrder", "Tell what happened to an order", post_order,
        "orders:write", {202: Decided}, body=OrderEvent, tag=TAG, tags=EVENT_NAMES,
        key_of=lambda told: told.id, problems=("key-reused",), example=EXAMPLE,
        words={202: "Taken; with what was decided, and every reason."},
        about="`id` is the shop's own name of the event: sent again it is taken once and answered "
        "alike; with another body it is refused. The customer and the order are made or changed by "
        "what is told.",
    ),
    Operation(
        "GET", "/orders", "listOrders", "Orders, the latest first", list_orders, "orders:read",
        {200: Page[OrderOut]}, query=Orders, tag=TAG,
    ),
    Operation(
        "GET", "/orders/{number}", "getOrder", "One order", get_order, "orders:read",
        {200: OrderOut}, places=_NUMBERED, tag=TAG,
    ),
    Operation(
        "GET", "/orders/{number}/why", "whyOrder", "Why there was a call about it, or none",
        get_why, "orders:read", {200: Why}, places=_NUMBERED, tag=TAG,
    ),
    Operation(
        "GET", "/orders/{number}/timeline", "orderTimeline", "Everything that happened about it",
        get_timeline, "orders:read", {200: Timeline}, places=_NUMBERED, tag=TAG,
    ),
)  # fmt: skip
