"""Who did what: written once, never changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.models import audit_log


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """`actor` did `action` to `subject`, from the network address `address`."""

    at: datetime
    actor: str
    action: str
    subject: str
    address: str
    detail: Mapping[str, Any]


class AuditStore:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def note(
        self, actor: str, action: str, subject: str = "", address: str = "", **detail: Any
    ) -> None:
        """Write one entry. No secret belongs into `detail`."""
        row = {
            "at": datetime.now(UTC), "actor": actor, "action": action, "subject": subject,
            "address": address, "detail": detail,
        }  # fmt: skip
        async with self._engine.begin() as connection:
            await connection.execute(insert(audit_log), row)

    async def find(
        self, *, actor: str = "", action: str = "", subject: str = "", limit: int = 100
    ) -> Sequence[AuditEntry]:
        """The latest entries first."""
        names = ("at", "actor", "action", "subject", "address", "detail")
        query = select(*(audit_log.c[name] for name in names))
        for name, wanted in (("actor", actor), ("action", action), ("subject", subject)):
            if wanted:
                query = query.where(audit_log.c[name] == wanted)
        query = query.order_by(audit_log.c.at.desc(), audit_log.c.id.desc()).limit(limit)
        async with self._engine.connect() as connection:
            return [AuditEntry(*row) for row in await connection.execute(query)]
