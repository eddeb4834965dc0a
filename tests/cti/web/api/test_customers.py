"""Customers over HTTP: made, changed, found, listed; and what is refused."""

from __future__ import annotations

import pytest

from tests.cti.web.api.serving import Shop

AYSE = "/customers/+905321112233"


async def test_a_customer_is_made_changed_and_found(shop: Shop) -> None:
    given = {"name": "Ayşe Yılmaz", "tier": "gold", "consent": True, "time_zone": "Europe/Istanbul"}
    status, _, made = await shop.call("PUT", AYSE, given)
    assert status == 201
    assert made["phone"] == "+905321112233"
    assert made["consent"] is True
    status, _, changed = await shop.call("PUT", AYSE, {"tier": "silver"})
    assert (status, changed["tier"], changed["name"]) == (200, "silver", "Ayşe Yılmaz")
    # however the number is written
    status, _, found = await shop.call("GET", "/customers/0532 111 22 33")
    assert (status, found) == (200, changed)


async def test_nobody_asked_is_not_a_no(shop: Shop) -> None:
    await shop.call("PUT", AYSE, {"name": "Ayşe"})
    assert (await shop.call("GET", AYSE))[2]["consent"] is None


async def test_pages_go_through_every_customer_once(shop: Shop) -> None:
    phones = [f"+9053211122{n:02}" for n in range(7)]
    for phone in phones:
        await shop.call("PUT", f"/customers/{phone}", {"name": "X"})
    seen, after = [], ""
    while after is not None:
        _, _, page = await shop.call("GET", f"/customers?limit=3&after={after}")
        seen += [one["phone"] for one in page["items"]]
        after = page["next"]
    assert seen == phones


@pytest.mark.parametrize(
    ("body", "pointer", "says"),
    [
        ({"nmae": "Ayşe"}, "/nmae", "no such field"),
        ({"consent": "yes"}, "/consent", "boolean"),
        ({"time_zone": "Istanbul"}, "/time_zone", "Europe/Istanbul"),
        ({"country": "XX"}, "/country", "calendar"),
        ({"name": "a\u0000b"}, "/name", "pattern"),
        ({"name": 5}, "/name", "string"),
    ],
)
async def test_a_value_that_cannot_be_used_is_named(
    one_shop: Shop, body: object, pointer: str, says: str
) -> None:
    status, headers, problem = await one_shop.call("PUT", AYSE, body)
    assert status == 422
    assert headers["Content-Type"].startswith("application/problem+json")
    assert problem["type"] == "/api/v1/problems#bad-value"
    (error,) = problem["errors"]
    assert error["pointer"] == pointer
    assert says in error["detail"]
    assert (await one_shop.call("GET", AYSE))[0] == 404


@pytest.mark.parametrize("number", ["+999123456789", "12", "+90000", "0532"])
async def test_a_number_that_is_none(one_shop: Shop, number: str) -> None:
    status, _, problem = await one_shop.call("PUT", f"/customers/{number}", {"name": "X"})
    assert status in (404, 422)
    assert problem["title"]


async def test_who_may_what(one_shop: Shop) -> None:
    assert (await one_shop.call("GET", AYSE, token=None))[0] == 401
    status, _, problem = await one_shop.call("PUT", AYSE, {"name": "X"}, token="orders:read")
    assert (status, problem["type"]) == (403, "/api/v1/problems#not-allowed")
    assert "orders:write" in problem["detail"]
    assert (await one_shop.call("GET", AYSE, token="orders:read"))[0] == 404
