"""The shop's API on a real socket, with a database, and a token for every scope."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.bus import LocalBus
from cti.db.store.calls import CallStore
from cti.db.store.idempotency import IdempotencyStore
from cti.db.store.outbound import OutboundStore
from cti.db.store.outbox import OutboxStore
from cti.db.store.shop import ShopStore
from cti.db.store.timeline import TimelineStore
from cti.db.store.webhooks import WebhookStore
from cti.dialler.campaigns import load_campaigns
from cti.dialler.intake import Intake
from cti.journal.reading import read_call
from cti.services.notifier import OutboxNotifier, open_notifier
from cti.services.outside import Allowed, open_session
from cti.services.webhooks import Sender
from cti.web.api.app import build_api
from cti.web.api.idempotency import Once
from cti.web.api.services import Api
from cti.web.auth import PRINCIPAL, SCOPES, Principal
from ivr.events import Entry

TOKEN = "all"
SECRET = "a secret of twenty letters"
ALLOWED = Allowed(private=("127.0.0.1/32",))  # where the tests' own receivers are


def principal(token: str) -> Principal:
    """`all` and `other` have every scope; else the token is its one scope."""
    scopes = frozenset(SCOPES) if token in ("all", "other") else frozenset({token})
    return Principal(1, "shop", "Shop", "admin", "en", scopes, "token", token)


@web.middleware
async def by_token(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind == "Bearer" and token in {"all", "other", *SCOPES}:
        request[PRINCIPAL] = principal(token)
    return await handler(request)


@dataclass
class Shop:
    """A client of the API; `call` gives status, headers and the JSON of the answer."""

    url: str
    session: aiohttp.ClientSession
    api: Api

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str = "",
        token: str | None = TOKEN,
        **options: Any,
    ) -> tuple[int, Any, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if key:
            headers["Idempotency-Key"] = key
        if body is not None:
            options["json"] = body
        headers.update(options.pop("headers", {}))
        async with self.session.request(
            method, f"{self.url}{path}", headers=headers, **options
        ) as answer:
            found = await answer.json(content_type=None) if answer.status != 204 else None
            return answer.status, answer.headers, found


def api_of(engine: AsyncEngine, spool: Path, notifier: OutboxNotifier, **services: Any) -> Api:
    async def history(call: str) -> Sequence[Entry]:
        return await read_call(engine, spool, call)

    campaigns = load_campaigns(Path(__file__).parents[4] / "scenarios" / "outbound.yaml")
    shop, outbound = ShopStore(engine), OutboundStore(engine)
    now = services.get("now", lambda: datetime.now(UTC))
    made: dict[str, Any] = {
        "once": Once(IdempotencyStore(engine)),
        "shop": shop,
        "outbound": outbound,
        "timeline": TimelineStore(engine),
        "intake": Intake(outbound, shop, lambda: campaigns, now=now),
        "campaigns": lambda: campaigns,
        "calls": CallStore(engine),
        "outbox": OutboxStore(engine),
        "history": history,
        "webhooks": WebhookStore(engine),
        "notifier": notifier,
        "outside": ALLOWED,
    }
    return Api(**made | services)


@asynccontextmanager
async def serving_api(engine: AsyncEngine, spool: Path, **services: Any) -> AsyncIterator[Shop]:
    async with AsyncExitStack() as stack:
        notifier = services.pop("notifier", None)
        if notifier is None:
            session = await stack.enter_async_context(open_session(ALLOWED))
            sender = Sender(session, ALLOWED, SECRET)
            notifier = await stack.enter_async_context(
                open_notifier(OutboxStore(engine), LocalBus(), sender, {}, (0.01,))
            )
        yield await stack.enter_async_context(_serving(api_of(engine, spool, notifier, **services)))


@asynccontextmanager
async def _serving(api: Api) -> AsyncIterator[Shop]:
    app = web.Application(middlewares=(by_token,))
    app.add_subapp("/api/v1/", build_api(api))
    runner = web.AppRunner(app, shutdown_timeout=0.5)  # a body left unread is not waited for
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=2048)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    connector = aiohttp.TCPConnector(limit=0)
    try:
        async with aiohttp.ClientSession(connector=connector) as session:
            yield Shop(f"{url}/api/v1", session, api)
    finally:
        await runner.cleanup()
