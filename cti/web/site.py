"""What the handlers work with: opened and closed in `cti/main.py`, one for the whole app."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from cti.bus import Bus
    from cti.db.store.audit import AuditStore
    from cti.settings import Settings


@dataclass(slots=True, kw_only=True)
class Site:
    """Services by name; what needs Asterisk's Manager is None on an engine without one."""

    settings: Settings
    database: AsyncEngine
    bus: Bus
    audit: AuditStore


SITE: Final = web.AppKey("site", Site)


def site(request: web.Request) -> Site:
    return request.app[SITE]
