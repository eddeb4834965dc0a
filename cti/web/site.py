"""What the handlers work with: opened and closed in `cti/main.py`, one for the whole app."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from ivr.errors import ActionNotSent

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from cti.accounts import Accounts
    from cti.accounts.trail import Trail
    from cti.agents import Agents
    from cti.bus import Bus
    from cti.callbacks import Callbacks
    from cti.crm import Crm
    from cti.db.store.desk import DeskStore
    from cti.db.store.flows import FlowStore
    from cti.desk import Desk
    from cti.figures import Figures
    from cti.floor import Floor
    from cti.health.vitals import Vitals
    from cti.records import ShopRecords
    from cti.roster import Roster
    from cti.scenarios import Scenarios
    from cti.settings import Settings
    from cti.web.api.services import Api
    from cti.web.phones import PhoneTabs
    from cti.web.streams import Streams
    from ivr.events import Journal


@dataclass(slots=True)
class Telephony:
    """What needs Asterisk's Manager."""

    agents: Agents
    desk: Desk
    callbacks: Callbacks


@dataclass(slots=True, kw_only=True)
class Site:
    """Services by name; `telephony` is None on an engine without a Manager, `pages` until they are
    made, `api` where there is none, `vitals` where nobody counts. `more` is for areas that bring a
    service of their own."""

    settings: Settings
    database: AsyncEngine
    bus: Bus
    audit: Trail
    accounts: Accounts
    roster: Roster
    floor: Floor
    figures: Figures
    records: ShopRecords
    notes: DeskStore
    scenarios: Scenarios
    versions: FlowStore
    journal: Journal
    crm: Crm
    phones: PhoneTabs
    streams: Streams
    telephony: Telephony | None = None
    pages: Path | None = None
    vitals: Vitals | None = None
    no_pages: str = ""
    """Why there are none, when they cannot be made."""
    api: Api | None = None
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def tele(self) -> Telephony:
        """Raises `ActionNotSent` without a Manager."""
        if self.telephony is None:
            raise ActionNotSent("This engine has no connection to Asterisk's Manager.")
        return self.telephony


SITE: Final = web.AppKey("site", Site)


def site(request: web.Request) -> Site:
    return request.app[SITE]
