"""The dialler of an engine, as its settings say."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from cti.ami.bridge import Account
from cti.db.store.dialling import DiallingStore
from cti.db.store.outbound import OutboundStore
from cti.dialler.dialler import Dialler, new_owner
from cti.dialler.following import Count, uncounted
from cti.dialler.placing import Trunks
from cti.dialler.rules import RuleFile
from cti.settings import Settings
from ivr.events import Journal
from ivr.services import Notifier


def open_dialler(
    settings: Settings,
    database: AsyncEngine,
    notifier: Notifier,
    journal: Journal,
    count: Count = uncounted,
) -> Dialler | None:
    """None where no trunk, or no Manager, is in the settings: then nobody is called."""
    trunks = Trunks.read(settings.trunks)
    if not trunks.channels or not settings.ami_user:
        return None
    return Dialler(
        DiallingStore(database, new_owner()),
        OutboundStore(database),
        RuleFile(settings.scenarios),
        trunks,
        Account(settings.ami_user, settings.ami_secret, settings.ami_host, settings.ami_port),
        notifier,
        journal.history,
        count=count,
    )
