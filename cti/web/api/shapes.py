"""What a shop says of its orders and customers, as it comes over the wire."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from cti.web.api.kinds import (
    Amount,
    Country,
    Currency,
    Key,
    Language,
    Line,
    Model,
    Moment,
    OrderNumber,
    Phone,
    Tag,
    Words,
    Zone,
)

EMAIL = r"^[!-?A-~]+@[!-?A-~\u00a1-\uffff]+$"
Email = Annotated[str, Field(max_length=200, pattern=EMAIL)]
Quantity = Annotated[int, Field(ge=1, le=1_000_000)]


class CustomerFacts(Model):
    """What is known of a customer. What is left out stays as it was known before.

    `consent`: whether they agreed to be called about their orders; `tier` is the shop's own word.
    """

    name: Words | None = None
    email: Email | None = None
    language: Language | None = None
    city: Line | None = None
    tier: Tag | None = None
    time_zone: Zone | None = None
    country: Country | None = None
    consent: bool | None = None


class CustomerIn(CustomerFacts):
    """Whom an order is of."""

    phone: Phone


class ItemIn(Model):
    sku: Annotated[str, Field(max_length=64, pattern=r"^[^\u0000-\u001f\u007f]*$")] = ""
    name: Words
    quantity: Quantity = 1
    unit_price: Amount


class OrderIn(Model):
    """An order. `delivery_on`: the day it is expected at the customer's."""

    number: OrderNumber
    total: Amount
    currency: Currency | None = None
    placed_at: Moment | None = None
    items: Annotated[tuple[ItemIn, ...], Field(max_length=500)] = ()
    categories: Annotated[tuple[Tag, ...], Field(max_length=50)] = ()
    delivery_on: date | None = None
    carrier: Line | None = None
    tracking: Line | None = None


class PaymentIn(Model):
    """A payment. `reason` is why it failed, in the words of the payment provider's code."""

    amount: Amount
    currency: Currency | None = None
    reason: Line = ""
    link: Annotated[str, Field(max_length=1000, pattern=r"^https://[^\s\u0000-\u001f\u007f]+$")] = (
        ""
    )


class _Told(Model):
    """`id` is the shop's own name of what happened: told twice, it is taken once."""

    id: Key
    at: Moment | None = None
    customer: CustomerIn
    order: OrderIn


class OrderTold(_Told):
    """Something happened to an order."""

    event: Literal[
        "order.created", "order.shipped", "order.delivered", "order.cancelled", "payment.succeeded"
    ]


class PaymentFailed(_Told):
    """A payment did not go through."""

    event: Literal["payment.failed"]
    payment: PaymentIn


EVENT_NAMES = frozenset({
    "order.created", "order.shipped", "order.delivered", "order.cancelled",
    "payment.succeeded", "payment.failed",
})  # fmt: skip
OrderEvent = Annotated[OrderTold | PaymentFailed, Field(discriminator="event")]
read_event: TypeAdapter[OrderTold | PaymentFailed] = TypeAdapter(OrderEvent)


class Reason(Model):
    """One thing that was looked at: whether it allows the call, and what was found."""

    name: str
    holds: bool
    value: str


class Verdict(Model):
    """What a campaign does about an event. `job` is there when a call is or was planned."""

    campaign: str
    verdict: Literal["call", "wait", "never"]
    at: datetime | None
    why: str
    job: str | None
    reasons: tuple[Reason, ...]


class Decided(Model):
    """What comes of an event: one verdict for each campaign that listens for it.

    `decision` is the best of them: `call` (now), `wait` (until `at`), `never`, or `none` when no
    campaign listens. `closed` are the jobs that the event has put an end to.
    """

    event: str
    order: str
    decision: Literal["call", "wait", "never", "none"]
    at: datetime | None
    why: str
    verdicts: tuple[Verdict, ...]
    closed: tuple[str, ...] = ()


def facts(model: Model) -> dict[str, Any]:
    """What an expression may read of it: lists as lists, what is not given left out."""
    made = model.model_dump(exclude_none=True)
    return {name: list(one) if isinstance(one, tuple) else one for name, one in made.items()}
