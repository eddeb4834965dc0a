"""Orders over HTTP: taken once, decided with every reason, told why; and what is refused."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.models import customers, orders, outbound_events, outbound_jobs
from cti.web.api.orders import EXAMPLE
from tests.cti.web.api.serving import Shop, serving_api
from tests.cti.web.api.test_tmf622 import V4

MONDAY_NOON = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)  # in Istanbul


@pytest.fixture
async def at_noon(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[Shop]:
    """The API on each engine, on a Monday at noon."""
    async with serving_api(engine, tmp_path / "spool", now=lambda: MONDAY_NOON) as shop:
        yield shop


def event(**changes: Any) -> dict[str, Any]:
    """The document's example, happening at noon; `order_total=…` changes a part of a part."""
    made: dict[str, Any] = copy.deepcopy(EXAMPLE) | {"at": "2026-11-23T12:00:00+03:00"}
    for name, value in changes.items():
        part, _, field = name.partition("_")
        if field:
            made[part] = {**made.get(part, {}), field: value}
        else:
            made[part] = value
    return made


async def count(engine: AsyncEngine, table: Any) -> int:
    async with engine.connect() as connection:
        found = await connection.scalar(select(func.count()).select_from(table))
    return int(found or 0)


async def test_an_order_is_taken_and_the_decision_told(at_noon: Shop) -> None:
    status, _, made = await at_noon.call("POST", "/orders", event())
    assert status == 202
    assert (made["event"], made["order"], made["decision"]) == ("evt-1001", "4711", "wait")
    assert made["at"] == "2026-11-23T09:02:00Z"  # the campaign's delay of two minutes
    (verdict,) = made["verdicts"]
    assert verdict["campaign"] == "order_received"
    when = next(reason for reason in verdict["reasons"] if reason["name"] == "when")
    assert when["holds"] is True
    assert "order.total = 1459.90" in when["value"].replace("'", "")
    _, _, order = await at_noon.call("GET", "/orders/4711")
    assert (order["status"], order["total"], order["customer"]) == (
        "awaiting", "1459.90", "+905321112233",
    )  # fmt: skip
    assert order["items"][0]["name"] == "Bakır cezve"
    _, _, job = await at_noon.call("GET", f"/jobs/{verdict['job']}")
    assert (job["state"], job["order"], len(job["attempts"])) == ("open", "4711", 1)


async def test_why_there_was_no_call(at_noon: Shop) -> None:
    await at_noon.call("PUT", "/do-not-call/+905321112233", {"reason": "asked on the phone"})
    _, _, made = await at_noon.call("POST", "/orders", event())
    assert made["decision"] == "never"
    assert "do not call" in made["why"]
    status, _, why = await at_noon.call("GET", "/orders/4711/why")
    assert status == 200
    assert [one["id"] for one in why["events"]] == ["evt-1001"]
    (job,) = why["jobs"]
    assert (job["state"], job["attempts"]) == ("never", [])
    against = [reason["name"] for reason in job["reasons"] if not reason["holds"]]
    assert against == ["do not call"]
    _, _, told = await at_noon.call("GET", "/orders/4711/timeline")
    assert [one["what"] for one in told["items"]] == ["event", "decision"]
    assert (await at_noon.call("GET", "/orders/9999/why"))[0] == 404


@pytest.mark.parametrize(
    ("changes", "clause"),
    [
        ({"order_total": "499.99"}, "when"),
        ({"customer_consent": False}, "consent"),
        ({"at": "2026-11-20T12:00:00+03:00"}, "expires"),
        ({"customer_phone": "+491701234567"}, "allowed number"),
    ],
)
async def test_each_clause_can_forbid_it(
    at_noon: Shop, changes: dict[str, Any], clause: str
) -> None:
    _, _, made = await at_noon.call("POST", "/orders", event(**changes))
    assert made["decision"] == "never"
    against = [one["name"] for one in made["verdicts"][0]["reasons"] if not one["holds"]]
    assert clause in against


async def test_a_failed_payment_and_then_a_paid_one(at_noon: Shop) -> None:
    failed = event(id="p-1", event="payment.failed", payment_amount="1459.90")
    _, _, made = await at_noon.call("POST", "/orders", failed)
    assert [one["campaign"] for one in made["verdicts"]] == ["payment_retry"]
    assert (await at_noon.call("GET", "/orders/4711"))[2]["status"] == "unpaid"
    paid = event(id="p-3", event="payment.succeeded")
    _, _, made = await at_noon.call("POST", "/orders", paid)
    assert made["decision"] == "none"
    assert len(made["closed"]) == 1
    _, _, job = await at_noon.call("GET", f"/jobs/{made['closed'][0]}")
    assert job["state"] == "cancelled"
    assert (await at_noon.call("GET", "/orders/4711"))[2]["status"] == "preparing"


async def test_a_thousand_times_at_once_is_once(at_noon: Shop, engine: AsyncEngine) -> None:
    answers = await asyncio.gather(*(at_noon.call("POST", "/orders", event()) for _ in range(1000)))
    assert {status for status, _, _ in answers} == {202}
    assert len({str(body) for _, _, body in answers}) == 1
    for table in (outbound_events, outbound_jobs, orders, customers):
        assert await count(engine, table) == 1


async def test_the_same_event_with_another_body_is_refused(at_noon: Shop) -> None:
    await at_noon.call("POST", "/orders", event())
    status, headers, _ = await at_noon.call("POST", "/orders", event())
    assert (status, headers["Idempotency-Replayed"]) == (202, "true")
    status, _, problem = await at_noon.call("POST", "/orders", event(order_total="5000.00"))
    assert (status, problem["type"]) == (422, "/api/v1/problems#key-reused")
    assert (await at_noon.call("GET", "/orders/4711"))[2]["total"] == "1459.90"


async def test_idempotency_keys_are_of_their_token(at_noon: Shop) -> None:
    first = await at_noon.call("POST", "/orders", event(), key="k-1")
    again = await at_noon.call("POST", "/orders", event(), key="k-1")
    assert first[2] == again[2]
    assert again[1]["Idempotency-Replayed"] == "true"
    other = event(id="evt-2", order_number="4712")
    assert (await at_noon.call("POST", "/orders", other, key="k-1"))[0] == 422
    assert (await at_noon.call("POST", "/orders", other, key="k-1", token="other"))[0] == 202
    assert (await at_noon.call("POST", "/orders", other, key="no blanks"))[0] == 400


@pytest.mark.parametrize(
    ("changes", "pointer", "says"),
    [
        ({"colour": "red"}, "/colour", "no such field"),
        ({"order_colour": "red"}, "/order/colour", "no such field"),
        ({"order_total": "-5.00"}, "/order/total", "not negative"),
        ({"order_total": -5}, "/order/total", "not negative"),
        ({"order_total": 1e300}, "/order/total", "at most"),
        ({"order_total": "1.999"}, "/order/total", "two decimals"),
        ({"order_total": True}, "/order/total", "number"),
        ({"customer_phone": "not a number"}, "/customer/phone", "+905321112233"),
        ({"customer_phone": "+999123456789"}, "/customer/phone", "+905321112233"),
        ({"at": "2026-11-23T12:00:00"}, "/at", "zone"),
        ({"at": "2027-01-01T12:00:00Z"}, "/at", "not happened"),
        ({"id": ""}, "/id", "pattern"),
        ({"event": "payment.failed"}, "/payment", "missing"),
        ({"event": "order.eaten"}, "", "order.created"),
        ({"customer_time_zone": "Mars/Olympus"}, "/customer/time_zone", "time zone"),
    ],
)
async def test_what_cannot_be_used_is_named(
    one_shop: Shop, changes: dict[str, Any], pointer: str, says: str
) -> None:
    status, _, problem = await one_shop.call("POST", "/orders", event(**changes))
    assert status == 422
    assert problem["errors"][0]["pointer"] == pointer
    assert says in problem["errors"][0]["detail"]
    assert (await one_shop.call("GET", "/orders"))[2]["items"] == []


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "bad-json"),
        (b"", "bad-json"),
        (b"\xff\xfe", "bad-json"),
        (b'{"id": NaN}', "bad-json"),
        (b'{"id": "1", "id": "2"}', "bad-json"),
        (b"[" * 100_000, "bad-json"),
        (b'{"id": ' + b"9" * 10_000 + b"}", "bad-json"),
        (b"[]", "bad-value"),
        (b"null", "bad-value"),
    ],
)
async def test_what_is_no_json(one_shop: Shop, body: bytes, kind: str) -> None:
    status, headers, problem = await one_shop.call(
        "POST", "/orders", data=body, headers={"Content-Type": "application/json"}
    )
    assert status in (400, 422)
    assert problem["type"] == f"/api/v1/problems#{kind}"
    assert headers["Content-Type"].startswith("application/problem+json")


async def test_fifty_megabytes_are_not_read(one_shop: Shop) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b" " * 1_000_000

    kind = {"Content-Type": "application/json"}
    for body in (b" " * 50_000_000, endless()):
        status, _, problem = await one_shop.call("POST", "/orders", data=body, headers=kind)
        assert (status, problem["type"]) == (413, "/api/v1/problems#too-large")
    assert (await one_shop.call("GET", "/orders"))[0] == 200


async def test_another_media_type(one_shop: Shop) -> None:
    status, _, problem = await one_shop.call("POST", "/orders", data={"id": "1"})
    assert (status, problem["detail"]) == (415, "send application/json")


async def test_jobs_are_listed_and_cancelled(at_noon: Shop) -> None:
    numbers = ("1", "2", "3")
    for number in numbers:
        given = event(id=f"e-{number}", order_number=number, customer_phone=f"+90532111220{number}")
        await at_noon.call("POST", "/orders", given)
    seen, after = [], ""
    while after is not None:
        _, _, page = await at_noon.call("GET", f"/jobs?limit=2&after={after}&state=open")
        seen += [job["order"] for job in page["items"]]
        after = page["next"]
    assert seen == ["3", "2", "1"]
    _, _, page = await at_noon.call("GET", "/jobs?order=2")
    job = page["items"][0]["id"]
    status, _, cancelled = await at_noon.call("POST", f"/jobs/{job}/cancel")
    assert (status, cancelled["state"]) == (200, "cancelled")
    status, _, problem = await at_noon.call("POST", f"/jobs/{job}/cancel")
    assert (status, problem["type"]) == (409, "/api/v1/problems#conflict")
    _, _, page = await at_noon.call("GET", "/orders?status=awaiting&customer=05321112202")
    assert [order["number"] for order in page["items"]] == ["2"]


async def test_campaigns_live_and_their_brake(at_noon: Shop) -> None:
    await at_noon.call("POST", "/orders", event())
    _, _, found = await at_noon.call("GET", "/campaigns")
    by_name = {one["name"]: one for one in found["items"]}
    assert by_name["order_received"]["due"] == 1
    assert by_name["order_received"]["jobs"] == {"open": 1}
    assert by_name["payment_retry"]["jobs"] == {}
    _, _, paused = await at_noon.call("POST", "/campaigns/order_received/pause")
    assert paused["paused"] is True
    _, _, one = await at_noon.call("GET", "/campaigns/order_received")
    assert one["paused"] is True
    _, _, one = await at_noon.call("POST", "/campaigns/order_received/resume")
    assert one["paused"] is False
    assert (await at_noon.call("POST", "/campaigns/nothing/pause"))[0] == 404


async def test_money_confirmed_is_exact(at_noon: Shop, engine: AsyncEngine) -> None:
    for n, total in enumerate(("1459.90", "0.10", "999999999999.99")):
        given = event(
            id=f"e-{n}", order_number=f"{n}", order_total=total, customer_phone=f"+90532111220{n}"
        )
        await at_noon.call("POST", "/orders", given)
    async with engine.begin() as connection:
        await connection.execute(
            outbound_jobs.update().values(state="done", result="confirmed", closed_at=MONDAY_NOON)
        )
    _, _, one = await at_noon.call("GET", "/campaigns/order_received")
    assert one["confirmed_today"] == [{"currency": "TRY", "amount": "1000000001459.99"}]
    assert one["jobs"] == {"confirmed": 3}


async def test_the_do_not_call_lists(at_noon: Shop) -> None:
    phone = "/do-not-call/0532 111 22 33"
    assert (await at_noon.call("PUT", phone, {"reason": "by mail"}))[0] == 201
    assert (await at_noon.call("PUT", phone, {"reason": "by phone"}))[0] == 200
    assert (await at_noon.call("PUT", phone, {"list": "payments"}))[0] == 201
    _, _, page = await at_noon.call("GET", "/do-not-call")
    assert [(one["phone"], one["list"]) for one in page["items"]] == [
        ("+905321112233", "own"), ("+905321112233", "payments"),
    ]  # fmt: skip
    assert (await at_noon.call("DELETE", f"{phone}?list=payments"))[0] == 204
    assert (await at_noon.call("DELETE", f"{phone}?list=payments"))[0] == 404
    _, _, page = await at_noon.call("GET", "/do-not-call?phone=05321112233")
    assert [one["reason"] for one in page["items"]] == ["by phone"]


async def test_a_tmf622_notification_is_an_order_like_any_other(at_noon: Shop) -> None:
    given = V4 | {"eventTime": "2026-11-23T09:00:00Z"}
    status, _, made = await at_noon.call("POST", "/product-orders", given)
    assert status == 202
    assert (made["order"], made["verdicts"][0]["campaign"]) == ("30001", "order_received")
    again = await at_noon.call("POST", "/product-orders", given)
    assert (again[2], again[1]["Idempotency-Replayed"]) == (made, "true")
    order = (await at_noon.call("GET", "/orders/30001"))[2]
    assert (order["total"], order["status"]) == ("9000.50", "awaiting")


async def test_a_csv_file_is_reported_line_by_line(at_noon: Shop, engine: AsyncEngine) -> None:
    text = (
        "number;total;phone;name;consent;categories;at\n"
        "1;1.459,90;0532 111 22 01;Ayşe;evet;white-goods;23.11.2026 12:00\n"
        "2;10,00;0532 111 22 02;Ali;evet;;23.11.2026 12:00\n"
        "3;-1;0532 111 22 03;Veli;evet;;23.11.2026 12:00\n"
    )

    async def send(query: str = "") -> tuple[int, Any, Any]:
        return await at_noon.call(
            "POST", f"/imports{query}", data=text.encode(), headers={"Content-Type": "text/csv"}
        )

    status, _, report = await send()
    assert status == 200
    assert (report["kind"], report["taken"], report["refused"]) == ("orders", 2, 1)
    assert report["decisions"] == {"wait": 1, "never": 1}
    assert [(line["line"], line["result"]) for line in report["lines"]] == [
        (2, "taken"), (3, "taken"), (4, "refused"),
    ]  # fmt: skip
    assert report["lines"][2]["wrong"][0]["column"] == "total"
    _, _, again = await send("?all=false")
    assert [line["line"] for line in again["lines"]] == [4]
    assert await count(engine, outbound_jobs) == 2
    status, _, problem = await at_noon.call(
        "POST", "/imports", data=b"colour\nred\n", headers={"Content-Type": "text/csv"}
    )
    assert (status, problem["type"]) == (422, "/api/v1/problems#bad-value")
