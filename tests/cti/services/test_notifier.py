"""What is handed on is kept, signed, delivered, tried again, and given up in the open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.bus import Item, LocalBus
from cti.db.store.outbox import OutboxStore
from cti.services.notifier import DESK, OutboxNotifier, open_notifier
from cti.services.outside import Allowed, open_session
from cti.services.webhooks import Sender, Webhook, is_genuine, kept_secret
from tests.cti.services.test_http import serving

SECRET = "a secret of twenty letters"
QUICK = (0.01, 0.02, 0.03)


@dataclass
class Shop:
    """A shop's own system: answers with the statuses it is given, then with 200."""

    statuses: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes, Any]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.got.append((headers, await request.read(), await request.json()))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)


@asynccontextmanager
async def notifying(
    engine: AsyncEngine, hooks: Mapping[str, Webhook], bus: LocalBus | None = None
) -> AsyncIterator[tuple[OutboxNotifier, OutboxStore]]:
    allowed, store = Allowed(private=("127.0.0.0/8",)), OutboxStore(engine)
    async with (
        open_session(allowed) as session,
        open_notifier(
            store, bus or LocalBus(), Sender(session, allowed, SECRET), hooks, QUICK
        ) as notifier,
    ):
        yield notifier, store


async def until(done: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not (found := done()) or (asyncio.iscoroutine(found) and not await found):
            await asyncio.sleep(0.01)


async def settled(store: OutboxStore, key: str, state: str, place: str) -> None:
    async with asyncio.timeout(10):
        while (await store.states(key)).get(place) != state:
            await asyncio.sleep(0.01)


async def test_the_desk_and_the_webhook_are_told_once(engine: AsyncEngine) -> None:
    shop, bus = Shop(), LocalBus()
    async with serving(shop.answer) as port:
        hooks = {"sms": Webhook(url=f"http://127.0.0.1:{port}/x", events=("link",))}
        async with notifying(engine, hooks, bus) as (notifier, store):
            with bus.subscribe([DESK]) as desk:
                data = {"total": Decimal("1.50"), "day": date(2026, 11, 22), "ad": "Ümmühan"}
                await notifier.notify("link", data, "c-1:0:f.s:1")
                await notifier.notify("link", data, "c-1:0:f.s:1")
                item = await desk.next(10)
                await settled(store, "c-1:0:f.s:1", "done", "sms")
                await settled(store, "c-1:0:f.s:1", "done", DESK)
                assert await desk.next(0.05) is None
    assert isinstance(item, Item)
    assert (item.kind, item.value["call"]) == ("link", "c-1")
    assert len(shop.got) == 1
    headers, raw, body = shop.got[0]
    assert body == item.value
    assert body["data"] == {"total": "1.50", "day": "2026-11-22", "ad": "Ümmühan"}
    assert is_genuine(SECRET, headers, raw, time.time())
    assert not is_genuine(SECRET, headers, raw + b" ", time.time())
    assert not is_genuine("another secret of ours", headers, raw, time.time())
    assert not is_genuine(SECRET, headers, raw, time.time() + 3600)
    assert not is_genuine(SECRET, {}, raw, time.time())


async def test_a_webhook_hears_of_its_own_events_only(engine: AsyncEngine) -> None:
    hooks = {"sms": Webhook(url="http://127.0.0.1:9/", events=("other",))}
    async with notifying(engine, hooks) as (notifier, store):
        await notifier.notify("link", {}, "k")
        await settled(store, "k", "done", DESK)
        assert set(await store.states("k")) == {DESK}


async def test_what_fails_is_tried_again_with_the_same_id(engine: AsyncEngine) -> None:
    shop = Shop([500, 302, 429])
    async with serving(shop.answer) as port:
        hooks = {"sms": Webhook(url=f"http://127.0.0.1:{port}/")}
        async with notifying(engine, hooks) as (notifier, store):
            await notifier.notify("link", {}, "k")
            await settled(store, "k", "done", "sms")
            log = [(one.status, one.error) for one in await store.log("k") if one.place == "sms"]
    assert [status for status, _ in log] == [500, 302, 429, 200]
    assert log[0][1] == "status 500"
    assert {headers["webhook-id"] for headers, *_ in shop.got} == {"k"}


@pytest.mark.parametrize(("statuses", "tries"), [([500] * 9, len(QUICK) + 1), ([410], 1)])
async def test_it_is_given_up_in_the_end(
    engine: AsyncEngine, statuses: list[int], tries: int
) -> None:
    shop = Shop(list(statuses))
    async with serving(shop.answer) as port:
        hooks = {"sms": Webhook(url=f"http://127.0.0.1:{port}/")}
        async with notifying(engine, hooks) as (notifier, store):
            await notifier.notify("link", {}, "k")
            await settled(store, "k", "failed", "sms")
            assert len([one for one in await store.log("k") if one.place == "sms"]) == tries


async def test_what_an_engine_left_the_next_one_delivers(engine: AsyncEngine) -> None:
    store, shop = OutboxStore(engine), Shop()
    await store.put("k", "link", {"a": 1}, [DESK, "sms"])
    async with serving(shop.answer) as port:
        hooks = {"sms": Webhook(url=f"http://127.0.0.1:{port}/")}
        async with notifying(engine, hooks):
            await settled(store, "k", "done", "sms")
            await settled(store, "k", "done", DESK)
    assert [body["data"] for *_, body in shop.got] == [{"a": 1}]


async def test_a_slow_webhook_holds_up_neither_desk_nor_others(engine: AsyncEngine) -> None:
    go, shop = asyncio.Event(), Shop()

    async def slow(request: web.Request) -> web.Response:
        await go.wait()
        return web.Response()

    async with serving(slow) as one, serving(shop.answer) as two:
        hooks = {
            "slow": Webhook(url=f"http://127.0.0.1:{one}/"),
            "good": Webhook(url=f"http://127.0.0.1:{two}/"),
        }
        async with notifying(engine, hooks) as (notifier, store):
            await notifier.notify("link", {}, "k")
            await settled(store, "k", "done", "good")
            await settled(store, "k", "done", DESK)
            assert (await store.states("k"))["slow"] == "waiting"
            go.set()
            await settled(store, "k", "done", "slow")


async def test_a_webhook_cannot_be_led_to_a_private_address(engine: AsyncEngine) -> None:
    shop, store = Shop(), OutboxStore(engine)
    async with serving(shop.answer) as port, open_session(Allowed()) as session:
        sender = Sender(session, Allowed(), SECRET)
        for host in ("127.0.0.1", "localhost"):
            told = await sender.send(f"http://{host}:{port}/", "k", {})
            assert not told.done
            assert "private" in told.error
    assert not shop.got
    assert not await store.states("k")


def test_the_secret_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "state" / "webhook-secret"
    made = kept_secret(path)
    assert len(made) >= 32
    assert kept_secret(path) == made
    assert path.stat().st_mode & 0o077 == 0
