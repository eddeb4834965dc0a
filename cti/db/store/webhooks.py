"""Webhooks that the shop registered over the API, with the secrets that sign what they get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.engine import BEGIN
from cti.db.models import webhooks
from cti.services.webhooks import RegisteredWebhook


@dataclass(frozen=True, slots=True)
class Registered:
    """As it is kept, without its secrets. No `events`: of every event."""

    name: str
    url: str
    events: tuple[str, ...]
    made_at: datetime
    made_by: str


class WebhookStore:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.execution_options(**{BEGIN: "IMMEDIATE"})

    async def put(
        self, name: str, url: str, events: Sequence[str], secret: str, by: str
    ) -> tuple[Registered, bool]:
        """Make a webhook, or change it; then its secret stays. Whether it is new."""
        change = update(webhooks).where(webhooks.c.name == name)
        values = {"url": url, "events": list(events)}
        async with self._engine.begin() as connection:
            new = not (await connection.execute(change.values(**values))).rowcount
            if new:
                row = {
                    "name": name, **values, "secret": secret, "made_at": datetime.now(UTC),
                    "made_by": by,
                }  # fmt: skip
                await connection.execute(insert(webhooks), row)
            query = select(*_COLUMNS).where(webhooks.c.name == name)
            return _registered(*(await connection.execute(query)).one()), new

    async def renew(self, name: str, secret: str, overlap: timedelta) -> bool:
        """Sign with another secret from now on, and for a while with the old one, too."""
        change = (
            update(webhooks)
            .where(webhooks.c.name == name)
            .values(
                old_secret=webhooks.c.secret, secret=secret, old_until=datetime.now(UTC) + overlap
            )
        )
        async with self._engine.begin() as connection:
            return bool((await connection.execute(change)).rowcount)

    async def remove(self, name: str) -> bool:
        async with self._engine.begin() as connection:
            gone = await connection.execute(delete(webhooks).where(webhooks.c.name == name))
            return bool(gone.rowcount)

    async def all(self) -> Sequence[Registered]:
        async with self._engine.connect() as connection:
            rows = await connection.execute(select(*_COLUMNS).order_by(webhooks.c.name))
            return [_registered(*row) for row in rows]

    async def for_sending(self) -> Mapping[str, RegisteredWebhook]:
        """Every one, with what signs for it now."""
        now = datetime.now(UTC)
        async with self._engine.connect() as connection:
            rows = (await connection.execute(select(webhooks))).mappings().all()
        made = {}
        for row in rows:
            secrets = [row["secret"]]
            if row["old_secret"] and row["old_until"] > now:
                secrets.append(row["old_secret"])
            made[row["name"]] = RegisteredWebhook(
                url=row["url"], events=tuple(row["events"]),
                secrets=tuple(SecretStr(secret) for secret in secrets),
            )  # fmt: skip
        return made


_COLUMNS = (
    webhooks.c.name, webhooks.c.url, webhooks.c.events, webhooks.c.made_at, webhooks.c.made_by,
)  # fmt: skip


def _registered(
    name: str, url: str, events: Sequence[str], made_at: datetime, made_by: str
) -> Registered:
    return Registered(name, url, tuple(events), made_at, made_by)
