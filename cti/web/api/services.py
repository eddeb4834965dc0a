"""What the handlers of `/api/v1` work with: one `Api` for the whole application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from aiohttp import web

from cti.web.auth import Principal
from cti.web.auth import principal as who_asks
from cti.web.errors import Refused
from ivr.errors import RequestRefused

if TYPE_CHECKING:
    from cti.db.store.calls import CallStore
    from cti.db.store.outbound import OutboundStore
    from cti.db.store.outbox import OutboxStore
    from cti.db.store.shop import ShopStore
    from cti.db.store.timeline import TimelineStore
    from cti.db.store.webhooks import WebhookStore
    from cti.dialler.campaigns import Campaigns
    from cti.dialler.intake import Intake
    from cti.services.notifier import OutboxNotifier
    from cti.services.outside import Allowed
    from cti.web.api.idempotency import Once
    from ivr.events import Entry


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True, kw_only=True)
class Taking:
    """What it takes to take something in, over HTTP or from a file. `region` reads numbers without
    a country; `zone` and `currency` are the shop's."""

    shop: ShopStore
    outbound: OutboundStore
    intake: Intake
    region: str = "TR"
    zone: str = "Europe/Istanbul"
    currency: str = "TRY"
    now: Callable[[], datetime] = field(default=_now)


@dataclass(slots=True, kw_only=True)
class Api(Taking):
    """Services by name. `history` gives the events of a call; `outside` is where requests may
    go."""

    once: Once
    calls: CallStore
    outbox: OutboxStore
    history: Callable[[str], Awaitable[Sequence[Entry]]]
    webhooks: WebhookStore
    notifier: OutboxNotifier
    outside: Allowed
    timeline: TimelineStore
    campaigns: Callable[[], Campaigns | None]


API: Final = web.AppKey("api", Api)


def allowed(request: web.Request, scope: str) -> Principal | None:
    """Who asks, if they may; None where nothing is asked of anybody. `RequestRefused` otherwise."""
    if not scope:
        return None
    try:
        who = who_asks(request)
    except Refused as refused:
        kind = "not-signed-in" if refused.status == 401 else "not-allowed"
        headers = {"WWW-Authenticate": "Bearer"} if refused.status == 401 else {}
        raise RequestRefused(kind, str(refused), headers=headers) from None
    if not who.may(scope):
        raise RequestRefused("not-allowed", f"this needs a token with the scope {scope}")
    return who
