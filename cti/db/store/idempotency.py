"""Requests that are carried out once, however often they come: their keys, and their answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.engine import BEGIN
from cti.db.models import idempotency_keys as keys


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of a key. `status` is None while its request is being carried out.

    `mine`: the caller of `claim` has to carry it out, and to `settle` or `release` it.
    """

    mine: bool
    fingerprint: str
    status: int | None = None
    body: str = ""


class IdempotencyStore:
    """`lease`: seconds after which a request that was never settled may be carried out anew, for
    who did so has died."""

    def __init__(self, engine: AsyncEngine, lease: float = 60.0) -> None:
        self._engine = engine.execution_options(**{BEGIN: "IMMEDIATE"})
        self._insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert
        self._lease = timedelta(seconds=lease)

    async def claim(self, owner: str, key: str, fingerprint: str) -> Kept:
        """Take a key for a request, or see what became of the one that took it."""
        now = datetime.now(UTC)
        row = {
            "owner": owner, "key": key, "fingerprint": fingerprint, "made_at": now,
            "locked_until": now + self._lease,
        }  # fmt: skip
        insert = self._insert(keys).values(row).on_conflict_do_nothing().returning(keys.c.key)
        this = (keys.c.owner == owner, keys.c.key == key)
        again = update(keys).where(
            *this,
            keys.c.status.is_(None),
            keys.c.locked_until < now,
            keys.c.fingerprint == fingerprint,
        )
        async with self._engine.begin() as connection:
            if await connection.scalar(insert) is not None:
                return Kept(True, fingerprint)
            taken = await connection.execute(again.values(locked_until=now + self._lease))
            if taken.rowcount:
                return Kept(True, fingerprint)
            columns = (keys.c.fingerprint, keys.c.status, keys.c.body)
            found = (await connection.execute(select(*columns).where(*this))).one_or_none()
        # Gone meanwhile: it was released. The caller asks again.
        return Kept(False, fingerprint) if found is None else Kept(False, *found)

    async def settle(self, owner: str, key: str, status: int, body: str) -> None:
        """Keep the answer of a request that was carried out."""
        this = update(keys).where(keys.c.owner == owner, keys.c.key == key)
        async with self._engine.begin() as connection:
            await connection.execute(this.values(status=status, body=body))

    async def release(self, owner: str, key: str) -> None:
        """Forget a request that was refused or broke: nothing was done."""
        gone = delete(keys).where(keys.c.owner == owner, keys.c.key == key, keys.c.status.is_(None))
        async with self._engine.begin() as connection:
            await connection.execute(gone)

    async def retire(self, before: datetime) -> int:
        """Forget keys from before a moment; how many."""
        async with self._engine.begin() as connection:
            return (await connection.execute(delete(keys).where(keys.c.made_at < before))).rowcount
