"""Every version of a flow that ever took a call: a resumed call and a report need the old ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.models import flow_versions


@dataclass(frozen=True, slots=True)
class FlowVersion:
    """`source` is the file's text as it was loaded; `version` is the hash of its content.

    `author` is whose file it was; `prompts` are the shared prompts that it says, by name.
    """

    name: str
    version: str
    source: str
    first_seen_at: datetime
    last_seen_at: datetime
    author: str = ""
    prompts: Mapping[str, Any] = field(default_factory=dict)


class FlowStore:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert

    async def keep(
        self,
        name: str,
        version: str,
        source: str,
        *,
        author: str = "",
        prompts: Mapping[str, Any] | None = None,
    ) -> None:
        """Note that a version is in use. Its source never changes; its last day of use does."""
        now = datetime.now(UTC)
        statement = self._insert(flow_versions).values(
            name=name, version=version, source=source, first_seen_at=now, last_seen_at=now,
            author=author, prompts=dict(prompts or {}),
        )  # fmt: skip
        statement = statement.on_conflict_do_update(
            index_elements=["name", "version"], set_={"last_seen_at": now}
        )
        async with self._engine.begin() as connection:
            await connection.execute(statement)

    async def get(self, name: str, version: str) -> FlowVersion | None:
        query = select(flow_versions).where(
            flow_versions.c.name == name, flow_versions.c.version == version
        )
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).first()
            return None if row is None else FlowVersion(*row)

    async def latest(self, name: str) -> FlowVersion | None:
        """The version that was in use last."""
        query = (
            select(flow_versions)
            .where(flow_versions.c.name == name)
            .order_by(flow_versions.c.last_seen_at.desc())
            .limit(1)
        )
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).first()
            return None if row is None else FlowVersion(*row)

    async def versions(self, name: str = "") -> Sequence[FlowVersion]:
        """All versions of a flow, or of every flow, the newest first."""
        query = select(flow_versions).order_by(flow_versions.c.first_seen_at.desc())
        if name:
            query = query.where(flow_versions.c.name == name)
        async with self._engine.connect() as connection:
            return [FlowVersion(*row) for row in await connection.execute(query)]
