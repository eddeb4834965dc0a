"""Webhooks registered over the API: signed with their own secret, and never to our own network."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.services.outside import Allowed
from cti.services.webhooks import is_genuine
from tests.cti.services.test_http import serving
from tests.cti.web.api.serving import Shop, serving_api


class Receiver:
    """The shop's own system."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()

    async def receive(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.got.put_nowait((headers, await request.read()))
        return web.Response(status=204)

    async def next(self) -> tuple[dict[str, str], bytes]:
        async with asyncio.timeout(10):
            return await self.got.get()


async def test_made_tested_signed_renewed_and_forgotten(shop: Shop) -> None:
    receiver = Receiver()
    async with serving(receiver.receive) as port:
        body = {"url": f"http://127.0.0.1:{port}/hook", "events": ["order_confirmed"]}
        status, _, made = await shop.call("PUT", "/webhooks/shop", body)
        assert status == 201
        status, _, changed = await shop.call("PUT", "/webhooks/shop", body)
        assert (status, changed["secret"]) == (200, None)

        status, _, sent = await shop.call("POST", "/webhooks/shop/test")
        assert status == 202
        headers, content = await receiver.next()
        assert headers["webhook-id"] == sent["message"]
        assert is_genuine(made["secret"], headers, content, time.time())

        _, _, renewed = await shop.call("POST", "/webhooks/shop/secret")
        await shop.call("POST", "/webhooks/shop/test")
        headers, content = await receiver.next()
        for secret in (made["secret"], renewed["secret"]):
            assert is_genuine(secret, headers, content, time.time())
        assert not is_genuine("another secret of ours", headers, content, time.time())

        # what it listens for reaches it, other events do not
        await shop.api.notifier.notify("order_cancelled", {}, "c:1")
        await shop.api.notifier.notify("order_confirmed", {"number": "1"}, "c:2")
        headers, _ = await receiver.next()
        assert headers["webhook-id"] == "c:2"

        assert (await shop.call("DELETE", "/webhooks/shop"))[0] == 204
        assert (await shop.call("DELETE", "/webhooks/shop"))[0] == 404
        await shop.api.notifier.notify("order_confirmed", {"number": "1"}, "c:3")
        assert (await shop.call("POST", "/webhooks/shop/test"))[0] == 404
        assert receiver.got.empty()


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.2/hook",
        "https://localhost/hook",
        "https://2130706434/hook",  # 127.0.0.2 in one number
        "https://0x7f000002/hook",
        "https://[::1]/hook",
        "https://[::ffff:127.0.0.2]/hook",
        "https://10.1.2.3/hook",
        "https://192.168.1.1:8443/hook",
        "https://169.254.169.254/latest/meta-data/",
        "https://0.0.0.0/hook",
        "https://user:secret@example.com/hook",
        "http://93.184.215.14/hook",  # public, but in the open
        "https://no-such-host.invalid/hook",
        f"https://{'x' * 70}.com/hook",
    ],
)
async def test_an_address_that_leads_inside_is_refused(
    sqlite_engine: AsyncEngine, tmp_path: Path, url: str
) -> None:
    async with serving_api(sqlite_engine, tmp_path, outside=Allowed()) as shop:
        status, _, problem = await shop.call("PUT", "/webhooks/shop", {"url": url})
        assert status == 422
        assert problem["errors"][0]["pointer"] == "/url"
        assert (await shop.call("GET", "/webhooks"))[2]["items"] == []


async def test_a_redirect_inside_is_not_followed(
    one_shop: Shop, sqlite_engine: AsyncEngine
) -> None:
    inside: list[Any] = []

    async def secret_place(request: web.Request) -> web.Response:
        inside.append(request.path)
        return web.Response()

    async with serving(secret_place) as hidden:

        async def redirect(_: web.Request) -> web.Response:
            return web.Response(
                status=307, headers={"Location": f"http://127.0.0.1:{hidden}/admin"}
            )

        async with serving(redirect) as port:
            await one_shop.call("PUT", "/webhooks/shop", {"url": f"http://127.0.0.1:{port}/"})
            await one_shop.call("POST", "/webhooks/shop/test")
            async with asyncio.timeout(10):
                while True:
                    _, _, page = await one_shop.call("GET", "/deliveries?state=failed")
                    if page["items"]:
                        break
                    await asyncio.sleep(0.01)
            _, _, failed = await one_shop.call("GET", f"/deliveries/{page['items'][0]['id']}")
    assert {tried["status"] for tried in failed["tries"]} == {307}
    assert inside == []


async def test_a_name_of_the_scenarios_is_taken(one_shop: Shop) -> None:
    status, _, problem = await one_shop.call(
        "PUT", "/webhooks/desk", {"url": "https://example.com/"}
    )
    assert (status, problem["type"]) == (409, "/api/v1/problems#conflict")
