"""The services of `/api/v1`, as the settings say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.store.calls import CallStore
from cti.db.store.idempotency import IdempotencyStore
from cti.db.store.outbound import OutboundStore
from cti.db.store.outbox import OutboxStore
from cti.db.store.shop import ShopStore
from cti.db.store.timeline import TimelineStore
from cti.db.store.webhooks import WebhookStore
from cti.dialler.intake import Intake
from cti.dialler.rules import RuleFile
from cti.services.notifier import OutboxNotifier
from cti.services.outside import Allowed
from cti.settings import Settings
from cti.web.api.idempotency import Once
from cti.web.api.services import Api
from ivr.events import Entry


def taking_of(settings: Settings, database: AsyncEngine) -> dict[str, Any]:
    """The fields of a `Taking`."""
    shop = ShopStore(database, settings.language)
    outbound = OutboundStore(database)
    rules = RuleFile(settings.scenarios)
    return {
        "shop": shop,
        "outbound": outbound,
        "intake": Intake(
            outbound, shop, rules, region=settings.country, language=settings.language
        ),
        "region": settings.country,
        "zone": settings.time_zone,
        "currency": settings.currency,
    }


def make_api(
    settings: Settings,
    database: AsyncEngine,
    notifier: OutboxNotifier,
    outside: Allowed,
    history: Callable[[str], Awaitable[Sequence[Entry]]],
) -> Api:
    """Everything that the handlers work with; there is nothing to close."""
    return Api(
        **taking_of(settings, database),
        once=Once(IdempotencyStore(database)),
        calls=CallStore(database),
        outbox=OutboxStore(database),
        history=history,
        webhooks=WebhookStore(database),
        notifier=notifier,
        outside=outside,
        timeline=TimelineStore(database),
        campaigns=RuleFile(settings.scenarios),
    )
