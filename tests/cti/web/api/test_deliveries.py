"""Messages to webhooks: the log, what was given up, and sending again. Against a real receiver."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.bus import LocalBus
from cti.db.store.outbox import OutboxStore
from cti.services.notifier import open_notifier
from cti.services.outside import Allowed, open_session
from cti.services.webhooks import Sender, Webhook, is_genuine
from tests.cti.services.test_http import serving
from tests.cti.web.api.serving import Shop, serving_api

SECRET = "a secret of twenty letters"


async def standing(shop: Shop, delivery: int, state: str) -> Any:
    """The delivery once it is in this state."""
    async with asyncio.timeout(10):
        while True:
            _, _, found = await shop.call("GET", f"/deliveries/{delivery}")
            if found["state"] == state:
                return found
            await asyncio.sleep(0.01)


async def test_given_up_then_sent_again(engine: AsyncEngine, tmp_path: Path) -> None:
    answers, got = [503, 500], []

    async def receive(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        got.append((headers, await request.read()))
        return web.Response(status=answers.pop(0) if answers else 204)

    allowed, store = Allowed(private=("127.0.0.0/8",)), OutboxStore(engine)
    async with serving(receive) as port, open_session(allowed) as session:
        hooks = {"shop": Webhook(url=f"http://127.0.0.1:{port}/hook")}
        sender = Sender(session, allowed, SECRET)
        async with (
            open_notifier(store, LocalBus(), sender, hooks, (0.01,)) as notifier,
            serving_api(engine, tmp_path, notifier=notifier) as shop,
        ):
            await notifier.notify("order_confirmed", {"number": "1234"}, "c-1:0:f.s:1")
            _, _, page = await shop.call("GET", "/deliveries?webhook=shop")
            (one,) = page["items"]
            failed = await standing(shop, one["id"], "failed")
            assert [tried["status"] for tried in failed["tries"]] == [503, 500]
            assert failed["data"] == {"number": "1234"}
            assert failed["due_at"] is None
            _, _, dead = await shop.call("GET", "/deliveries?state=failed")
            assert [item["id"] for item in dead["items"]] == [one["id"]]
            _, _, hooks_now = await shop.call("GET", "/webhooks")
            (row,) = hooks_now["items"]
            assert (row["name"], row["source"], row["failed"]) == ("shop", "scenarios", 1)

            status, _, sent = await shop.call("POST", f"/deliveries/{one['id']}/replay")
            assert (status, sent["state"] in ("waiting", "done")) == (202, True)
            done = await standing(shop, one["id"], "done")
            assert [tried["status"] for tried in done["tries"]] == [503, 500, 204]

            answers += [500, 500]
            assert (await shop.call("POST", f"/deliveries/{one['id']}/replay"))[0] == 202
            await standing(shop, one["id"], "failed")
            status, _, sent = await shop.call("POST", "/webhooks/shop/replay")
            assert (status, sent) == (202, {"webhook": "shop", "deliveries": 1})
            await standing(shop, one["id"], "done")
    assert len({headers["webhook-id"] for headers, _ in got}) == 1
    for headers, body in got:
        stamp = float(headers["webhook-timestamp"])
        assert is_genuine(SECRET, headers, body, stamp)
        assert not is_genuine(SECRET, headers, body + b" ", stamp)


async def test_a_message_on_its_way_is_not_sent_beside_itself(
    shop: Shop, engine: AsyncEngine
) -> None:
    store = OutboxStore(engine)
    await store.put("k", "order_note", {}, ["elsewhere", "desk"])
    (one,) = (await shop.call("GET", "/deliveries"))[2]["items"]
    status, _, problem = await shop.call("POST", f"/deliveries/{one['id']}/replay")
    assert (status, problem["type"]) == (409, "/api/v1/problems#conflict")
    assert (await shop.call("GET", "/deliveries/999999"))[0] == 404
    assert (await shop.call("POST", "/webhooks/desk/replay"))[0] == 404


async def test_pages_of_deliveries(shop: Shop, engine: AsyncEngine) -> None:
    store = OutboxStore(engine)
    for n in range(5):
        await store.put(f"k{n}", "order_note", {"n": n}, ["shop"])
    seen, after = [], ""
    while after is not None:
        _, _, page = await shop.call("GET", f"/deliveries?limit=2&after={after}")
        seen += [one["message"] for one in page["items"]]
        after = page["next"]
    assert seen == ["k4", "k3", "k2", "k1", "k0"]
