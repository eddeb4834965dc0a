"""Who did what, for the log and the audit table. A database that is away stops nobody's work: then
the log has it alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from cti.db.store.audit import AuditEntry, AuditStore

log = logging.getLogger(__name__)
DEADLINE: Final = 3.0  # seconds


class Trail:
    """`AuditStore`, but `note` never raises."""

    def __init__(self, store: AuditStore) -> None:
        self._store = store

    async def note(
        self, actor: str, action: str, subject: str = "", address: str = "", **detail: Any
    ) -> None:
        log.info("%s: %s %r %s %s", actor or "nobody", action, subject, address, detail or "")
        try:
            async with asyncio.timeout(DEADLINE):
                await self._store.note(actor, action, subject, address, **detail)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.error("the audit log has not taken this: %s", type(error).__name__)

    async def find(
        self, *, actor: str = "", action: str = "", subject: str = "", limit: int = 100
    ) -> Sequence[AuditEntry]:
        return await self._store.find(actor=actor, action=action, subject=subject, limit=limit)
