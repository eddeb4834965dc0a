"""What the shop tells is taken in here, whichever way it came: posted, imported, or by TMF622."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from cti.db.store.shop import Item, Told
from cti.dialler.intake import Decision, OrderEvent
from cti.dialler.intake import Verdict as Planned
from cti.web.api.services import Taking
from cti.web.api.shapes import Decided, OrderTold, PaymentFailed, Reason, Verdict, facts
from ivr.errors import RequestRefused

AHEAD: Final = timedelta(minutes=5)  # how far the shop's clock may be ahead of ours


async def take(api: Taking, told: OrderTold | PaymentFailed) -> Decided:
    """Keep it in the shop's tables, and decide about calls. The same event twice is taken once."""
    now = api.now()
    at = told.at or now
    if at > now + AHEAD:
        raise RequestRefused(
            "bad-value",
            "/at: this has not happened yet",
            errors=[{"pointer": "/at", "detail": "this has not happened yet"}],
        )
    order, customer = told.order, told.customer
    known = customer.model_dump(exclude={"phone"}, exclude_none=True)
    currency = order.currency or api.currency
    await api.shop.tell(
        customer.phone,
        known,
        Told(
            event=told.event, number=order.number, at=order.placed_at or at, total=order.total,
            currency=currency, expected_on=order.delivery_on, carrier=order.carrier,
            tracking=order.tracking,
            items=[Item(i.sku, i.name, i.quantity, i.unit_price) for i in order.items],
        ),
    )  # fmt: skip
    return decided(told, await api.intake.take(event_of(told, at, currency)))


def event_of(told: OrderTold | PaymentFailed, at: Any, currency: str) -> OrderEvent:
    """What the dialler's intake takes."""
    customer = told.customer
    payment: dict[str, Any] = {}
    if isinstance(told, PaymentFailed):
        payment = {"currency": currency, **facts(told.payment)}
    return OrderEvent(
        key=told.id, name=told.event, at=at, phone=customer.phone,
        order={"currency": currency, **facts(told.order)}, payment=payment,
        customer=customer.model_dump(
            include={"name", "city", "tier", "language"}, exclude_none=True
        ),
        consent=customer.consent, zone=customer.time_zone or "", country=customer.country or "",
        language=customer.language or "",
    )  # fmt: skip


def decided(told: OrderTold | PaymentFailed, made: Decision) -> Decided:
    """The answer to an event."""
    return Decided(
        event=told.id,
        order=told.order.number,
        decision=made.decision,
        at=made.at,
        why=made.why,
        verdicts=tuple(verdict(one) for one in made.verdicts),
        closed=made.closed,
    )


def verdict(one: Planned) -> Verdict:
    return Verdict(
        campaign=one.campaign,
        verdict=one.verdict,
        at=one.at,
        why=one.why,
        job=one.job,
        reasons=tuple(Reason(name=r.name, holds=r.holds, value=r.value) for r in one.reasons),
    )
