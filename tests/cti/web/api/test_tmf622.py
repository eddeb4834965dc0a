"""TMF622 notifications, as versions 4 and 5 of it write them, become our events."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cti.web.api.tmf622 import Notification, translated
from ivr.errors import RequestRefused

V4: dict[str, Any] = {
    "eventId": "e-77", "eventTime": "2026-11-22T10:15:00.000Z",
    "eventType": "ProductOrderCreateEvent", "correlationId": "c-1", "domain": "Commercial",
    "event": {
        "productOrder": {
            "id": "30001", "href": "https://shop.example.com/productOrder/30001",
            "category": "white-goods", "state": "acknowledged",
            "orderDate": "2026-11-22T10:14:58Z",
            "requestedCompletionDate": "2026-11-25T09:00:00Z",
            "orderTotalPrice": [
                {
                    "priceType": "oneTime",
                    "price": {
                        "taxRate": 20, "dutyFreeAmount": {"unit": "TRY", "value": 7500},
                        "taxIncludedAmount": {"unit": "TRY", "value": 9000.5},
                    },
                }
            ],
            "productOrderItem": [
                {
                    "id": "100", "quantity": 2, "action": "add",
                    "itemPrice": [
                        {"price": {"taxIncludedAmount": {"unit": "TRY", "value": 9000.5}}}
                    ],
                    "productOffering": {"id": "14277", "name": "Çamaşır makinesi"},
                }
            ],
            "relatedParty": [
                {"id": "9", "role": "Seller", "name": "Shop"},
                {
                    "id": "456", "role": "Customer", "name": "Ayşe Yılmaz",
                    "@referredType": "Individual",
                    "contactMedium": [
                        {"mediumType": "email", "characteristic": {"emailAddress": "a@example.com"}},
                        {"mediumType": "mobile", "characteristic": {"phoneNumber": "0532 111 22 33"}},
                    ],
                },
            ],
        }
    },
}  # fmt: skip


def changed(**order: Any) -> dict[str, Any]:
    whole = V4["event"]["productOrder"] | order
    return V4 | {"event": {"productOrder": whole}}


def test_version_4() -> None:
    event = translated(Notification.model_validate(V4))
    assert event is not None
    assert (event.id, event.event) == ("tmf622:e-77", "order.created")
    assert event.order.total == Decimal("9000.50")
    assert event.order.categories == ("white-goods",)
    assert str(event.order.delivery_on) == "2026-11-25"
    (item,) = event.order.items
    assert (item.name, item.quantity, str(item.unit_price)) == ("Çamaşır makinesi", 2, "4500.25")
    assert (event.customer.phone, event.customer.name) == ("+905321112233", "Ayşe Yılmaz")


def test_version_5_keeps_the_person_one_level_deeper() -> None:
    party = {
        "role": "customer",
        "partyOrPartyRole": {
            "@type": "Individual", "name": "Ayşe Yılmaz",
            "contactMedium": [{"@type": "PhoneContactMedium", "phoneNumber": "+905321112233"}],
        },
    }  # fmt: skip
    event = translated(Notification.model_validate(changed(relatedParty=[party])))
    assert event is not None
    assert (event.customer.phone, event.customer.name) == ("+905321112233", "Ayşe Yılmaz")


@pytest.mark.parametrize(
    ("state", "event"),
    [("completed", "order.delivered"), ("cancelled", "order.cancelled"), ("inProgress", None)],
)
def test_changes_of_state(state: str, event: str | None) -> None:
    given = changed(state=state) | {"eventType": "ProductOrderStateChangeEvent"}
    made = translated(Notification.model_validate(given))
    assert (made.event if made else None) == event


def test_without_a_total_the_items_add_up() -> None:
    event = translated(Notification.model_validate(changed(orderTotalPrice=[])))
    assert event is not None
    assert event.order.total == Decimal("9000.50")


@pytest.mark.parametrize(
    ("order", "pointer"),
    [
        ({"relatedParty": []}, "/event/productOrder/relatedParty"),
        (
            {"orderTotalPrice": [], "productOrderItem": []},
            "/event/productOrder/orderTotalPrice",
        ),
    ],
)
def test_what_is_missing_is_named(order: dict[str, Any], pointer: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        translated(Notification.model_validate(changed(**order)))
    assert refused.value.errors[0]["pointer"] == pointer
