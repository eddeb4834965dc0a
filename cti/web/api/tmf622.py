"""TM Forum product-order notifications (TMF622, versions 4 and 5) as our own order events. Pure.

Read is what a call needs: number, total, items, the customer with a telephone number, the state.
Everything else of the notification is left alone, as TMF630 asks of a receiver.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cti.web.api.kinds import Amount, Line, Moment
from cti.web.api.problems import pointer
from cti.web.api.shapes import OrderTold, PaymentFailed, read_event
from ivr.errors import RequestRefused

CREATED: Final = "ProductOrderCreateEvent"
CHANGED: Final = "ProductOrderStateChangeEvent"
# What a state of TMF622's means to us; the others lead to nothing.
STATES: Final = {
    "acknowledged": "order.created",
    "completed": "order.delivered",
    "cancelled": "order.cancelled",
    "rejected": "order.cancelled",
}


class Part(BaseModel):
    """A part of the notification: what is not read here is not looked at."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Money(Part):
    unit: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "TRY"
    value: Amount


class Price(Part):
    tax_included: Money | None = Field(None, alias="taxIncludedAmount")
    duty_free: Money | None = Field(None, alias="dutyFreeAmount")


class OrderPrice(Part):
    price: Price | None = None


class Named(Part):
    id: Line = ""
    name: Line = ""


class OrderItem(Part):
    quantity: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    offering: Named | None = Field(None, alias="productOffering")
    price: Annotated[tuple[OrderPrice, ...], Field(max_length=20)] = Field((), alias="itemPrice")


class Phone(Part):
    phone: Line | None = Field(None, alias="phoneNumber")


class Medium(Part):
    """Version 4 keeps the number in `characteristic`, version 5 beside it."""

    phone: Line | None = Field(None, alias="phoneNumber")
    characteristic: Phone | None = None


class Party(Part):
    """Version 5 keeps the person one level deeper, in `partyOrPartyRole`."""

    name: Line = ""
    role: Line = ""
    medium: Annotated[tuple[Medium, ...], Field(max_length=20)] = Field((), alias="contactMedium")
    inner: Party | None = Field(None, alias="partyOrPartyRole")

    @property
    def phones(self) -> Iterator[str]:
        for one in self.medium:
            phone = one.phone or (one.characteristic.phone if one.characteristic else None)
            if phone:
                yield phone
        if self.inner:
            yield from self.inner.phones

    @property
    def called(self) -> str:
        return self.name or (self.inner.called if self.inner else "")


class ProductOrder(Part):
    id: Line
    state: Line = "acknowledged"
    date: Moment | None = Field(None, alias="orderDate")
    wanted: Moment | None = Field(None, alias="requestedCompletionDate")
    expected: Moment | None = Field(None, alias="expectedCompletionDate")
    category: Line = ""
    total: Annotated[tuple[OrderPrice, ...], Field(max_length=20)] = Field(
        (), alias="orderTotalPrice"
    )
    items: Annotated[tuple[OrderItem, ...], Field(max_length=500)] = Field(
        (), alias="productOrderItem"
    )
    parties: Annotated[tuple[Party, ...], Field(max_length=50)] = Field((), alias="relatedParty")


class Payload(Part):
    order: ProductOrder = Field(alias="productOrder")


class Notification(Part):
    """A notification as a TMF622 server sends it to a listener."""

    id: Annotated[str, Field(alias="eventId", pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]
    at: Moment | None = Field(None, alias="eventTime")
    type: Literal["ProductOrderCreateEvent", "ProductOrderStateChangeEvent"] = Field(
        alias="eventType"
    )
    event: Payload


def translated(given: Notification) -> OrderTold | PaymentFailed | None:
    """The same as an event of ours; None when it leads to nothing. `RequestRefused` names what is
    missing, by its place in the notification."""
    order = given.event.order
    event = "order.created" if given.type == CREATED else STATES.get(order.state)
    if event is None:
        return None
    root = ("event", "productOrder")
    total = next(_amounts(order.total), None)
    if total is None:
        total = _sum(order)
    if total is None:
        raise _missing((*root, "orderTotalPrice"), "the total with tax is missing")
    party = _customer(order)
    phone = next(party.phones, "") if party else ""
    if not phone:
        raise _missing((*root, "relatedParty"), "the customer has no telephone number here")
    due = order.expected or order.wanted
    made: dict[str, Any] = {
        "id": f"tmf622:{given.id}"[:128],
        "event": event,
        "at": _text(given.at),
        "customer": {"phone": phone, "name": party.called if party and party.called else None},
        "order": {
            "number": order.id, "total": str(total.value), "currency": total.unit,
            "placed_at": _text(order.date), "items": list(_items(order)),
            "categories": [order.category] if order.category else [],
            "delivery_on": due.date().isoformat() if due else None,
        },
    }  # fmt: skip
    try:
        return read_event.validate_python(made)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        place = pointer([part for part in found["loc"] if part != event])
        raise RequestRefused("bad-value", f"{place} of what it says: {found['msg']}") from None


def _customer(order: ProductOrder) -> Party | None:
    """The party whose role says so; the first one, if none does."""
    named = [party for party in order.parties if "customer" in party.role.lower()]
    return next(iter(named or order.parties), None)


def _amounts(prices: tuple[OrderPrice, ...]) -> Iterator[Money]:
    for one in prices:
        if one.price and (amount := one.price.tax_included or one.price.duty_free):
            yield amount


def _sum(order: ProductOrder) -> Money | None:
    amounts = [amount for item in order.items for amount in list(_amounts(item.price))[:1]]
    if not amounts or len({amount.unit for amount in amounts}) > 1:
        return None
    return Money(unit=amounts[0].unit, value=sum((one.value for one in amounts), Decimal(0)))


def _items(order: ProductOrder) -> Iterator[dict[str, Any]]:
    """The item's price is that of all its pieces."""
    for item in order.items:
        name = item.offering.name or item.offering.id if item.offering else ""
        amount = next(_amounts(item.price), None)
        if name and amount:
            each = (amount.value / item.quantity).quantize(Decimal("0.01"))
            yield {
                "sku": item.offering.id[:64] if item.offering else "", "name": name,
                "quantity": item.quantity, "unit_price": str(each),
            }  # fmt: skip


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _missing(place: tuple[str, ...], detail: str) -> RequestRefused:
    where = pointer(place)
    return RequestRefused(
        "bad-value", f"{where}: {detail}", errors=[{"pointer": where, "detail": detail}]
    )
