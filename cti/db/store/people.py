"""Accounts: users with their desks, and the tokens of their sessions and programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import CursorResult, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cti.db.engine import BEGIN
from cti.db.models import agents, queue_members, queues, tokens, users
from cti.db.store.scrub import batches
from ivr.errors import BadInput


@dataclass(frozen=True, slots=True)
class DeskOf:
    """Somebody's desk: `extension` is the SIP account's name, `phone` `web` (in the page) or `desk`
    (a telephone); `seats` are queues with a penalty.
    """

    agent: int
    extension: str
    phone: str
    skills: Mapping[str, int] = field(default_factory=dict)
    seats: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class User:
    """An account. `password_hash` is argon2's, and never told to anybody."""

    id: int
    login: str
    name: str
    role: str
    language: str
    active: bool
    created_at: datetime
    last_login_at: datetime | None
    password_hash: str = field(repr=False, default="")
    desk: DeskOf | None = None

    def to_dict(self) -> dict[str, Any]:
        """What may be shown."""
        desk = self.desk
        return {
            "login": self.login, "name": self.name, "role": self.role, "language": self.language,
            "active": self.active, "created_at": self.created_at,
            "last_login_at": self.last_login_at,
            "extension": desk.extension if desk else "", "phone": desk.phone if desk else "",
            "queues": sorted(desk.seats) if desk else [],
            "skills": dict(desk.skills) if desk else {},
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Token:
    """A session's or a program's token; `hash` finds it, the token itself is kept nowhere."""

    id: int
    user: int
    kind: str
    hash: str
    label: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id, "label": self.label, "scopes": list(self.scopes),
            "created_at": self.created_at, "expires_at": self.expires_at,
            "last_used_at": self.last_used_at, "revoked_at": self.revoked_at,
        }  # fmt: skip


_USER = (
    users.c.id, users.c.login, users.c.name, users.c.role, users.c.language, users.c.active,
    users.c.created_at, users.c.last_login_at, users.c.password_hash,
)  # fmt: skip
_TOKEN = (
    tokens.c.id, tokens.c.user_id, tokens.c.kind, tokens.c.hash, tokens.c.label, tokens.c.scopes,
    tokens.c.created_at, tokens.c.expires_at, tokens.c.last_used_at, tokens.c.revoked_at,
)  # fmt: skip


class PeopleStore:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(**{BEGIN: "IMMEDIATE"})

    # --- users

    async def everybody(self) -> Sequence[User]:
        """All users by login, with their desks."""
        async with self._engine.connect() as connection:
            return await _users(connection)

    async def find(self, login: str) -> User | None:
        async with self._engine.connect() as connection:
            found = await _users(connection, users.c.login == login)
        return found[0] if found else None

    async def count(self) -> int:
        async with self._engine.connect() as connection:
            return await connection.scalar(select(func.count()).select_from(users)) or 0

    async def add(
        self,
        login: str,
        name: str,
        role: str,
        password_hash: str,
        language: str,
        active: bool = True,
    ) -> int:
        """Raises `BadInput` for a login that is taken."""
        row = {
            "login": login, "name": name, "role": role, "password_hash": password_hash,
            "language": language, "active": active, "created_at": datetime.now(UTC),
        }  # fmt: skip
        try:
            async with self._writing.begin() as connection:
                done = await connection.execute(insert(users), row)
        except IntegrityError:
            raise BadInput(f"there is a user {login!r} already") from None
        return _key(done)

    async def remove(self, login: str) -> None:
        """For one that was made a moment ago; who has worked here is disabled instead."""
        async with self._writing.begin() as connection:
            await connection.execute(delete(users).where(users.c.login == login))

    async def change(self, login: str, **values: Any) -> bool:
        """Set columns of a user; False when there is none."""
        async with self._writing.begin() as connection:
            done = await connection.execute(
                update(users).where(users.c.login == login).values(values)
            )
        return done.rowcount > 0

    async def seat(
        self,
        login: str,
        *,
        extension: str,
        phone: str = "web",
        skills: Mapping[str, int] | None = None,
        seats: Mapping[str, int] | None = None,
    ) -> None:
        """Give a user a desk, or change it. Raises `BadInput` for a taken extension, a queue that
        is not known, or no such user."""
        async with self._writing.begin() as connection:
            found = await _users(connection, users.c.login == login)
            if not found:
                raise BadInput(f"there is no user {login!r}")
            try:
                agent = await _put_desk(connection, found[0], extension, phone, skills or {})
            except IntegrityError:
                raise BadInput(f"the extension {extension!r} is somebody else's") from None
            known = set(await connection.scalars(select(queues.c.name)))
            if unknown := sorted(set(seats or {}) - known):
                raise BadInput(f"there is no queue {', '.join(unknown)}")
            await connection.execute(delete(queue_members).where(queue_members.c.agent_id == agent))
            rows = [
                {"queue": queue, "agent_id": agent, "penalty": penalty}
                for queue, penalty in (seats or {}).items()
            ]
            if rows:
                await connection.execute(insert(queue_members), rows)

    async def know_queues(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """The queues of the file; those that are gone stay as inactive, for who is in them."""
        wanted = {row["name"]: dict(row) for row in rows}
        async with self._writing.begin() as connection:
            there = set(await connection.scalars(select(queues.c.name)))
            for name, row in wanted.items():
                if name in there:
                    change = update(queues).where(queues.c.name == name).values(row)
                    await connection.execute(change)
                else:
                    await connection.execute(insert(queues), row)
            for name in there - set(wanted):
                gone = update(queues).where(queues.c.name == name).values(active=False)
                await connection.execute(gone)

    # --- tokens

    async def keep_token(
        self, user: int, kind: str, hash: str, *, label: str = "", scopes: Iterable[str] = (),
        expires_at: datetime | None = None,
    ) -> int:  # fmt: skip
        row = {
            "user_id": user, "kind": kind, "hash": hash, "label": label, "scopes": sorted(scopes),
            "created_at": datetime.now(UTC), "expires_at": expires_at,
        }  # fmt: skip
        async with self._writing.begin() as connection:
            done = await connection.execute(insert(tokens), row)
        return _key(done)

    async def token(self, hash: str) -> tuple[Token, User] | None:
        """A token with whose it is, whatever has become of either."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(*_TOKEN).where(tokens.c.hash == hash))).first()
            if row is None:
                return None
            found = await _users(connection, users.c.id == row.user_id)
        return (_token(row), found[0]) if found else None

    async def good(self, hashes: Sequence[str], now: datetime) -> set[str]:
        """Those of these tokens that are neither over nor revoked, and whose user is active."""
        found: set[str] = set()
        for some in batches(hashes):
            query = (
                select(tokens.c.hash)
                .join(users)
                .where(
                    tokens.c.hash.in_(some), tokens.c.revoked_at.is_(None), users.c.active,
                    or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > now),
                )
            )  # fmt: skip
            async with self._engine.connect() as connection:
                found.update(await connection.scalars(query))
        return found

    async def tokens_of(self, user: int, kind: str = "api") -> Sequence[Token]:
        query = select(*_TOKEN).where(tokens.c.user_id == user, tokens.c.kind == kind)
        async with self._engine.connect() as connection:
            return [_token(row) for row in await connection.execute(query.order_by(tokens.c.id))]

    async def used(self, token: int, at: datetime) -> None:
        async with self._writing.begin() as connection:
            await connection.execute(
                update(tokens).where(tokens.c.id == token).values(last_used_at=at)
            )

    async def revoke(
        self, *, hash: str = "", token: int = 0, user: int = 0, kind: str = "", but: str = ""
    ) -> Sequence[str]:
        """Revoke one token, or all of a user's; the hashes of those that were good until now."""
        which: Any = tokens.c.revoked_at.is_(None)
        for column, wanted in (
            (tokens.c.hash, hash), (tokens.c.id, token), (tokens.c.user_id, user),
            (tokens.c.kind, kind),
        ):  # fmt: skip
            if wanted:
                which &= column == wanted
        if not (hash or token or user):
            return []
        if but:
            which &= tokens.c.hash != but
        async with self._writing.begin() as connection:
            hashes = list(await connection.scalars(select(tokens.c.hash).where(which)))
            change = update(tokens).where(which).values(revoked_at=datetime.now(UTC))
            await connection.execute(change)
        return hashes

    async def clear(self, before: datetime) -> int:
        """Drop the sessions that ended before then."""
        old = (tokens.c.kind == "session") & (tokens.c.expires_at < before)
        async with self._writing.begin() as connection:
            return (await connection.execute(delete(tokens).where(old))).rowcount


async def _users(connection: AsyncConnection, *where: Any) -> list[User]:
    rows = (await connection.execute(select(*_USER).where(*where).order_by(users.c.login))).all()
    desks = await connection.execute(
        select(agents.c.user_id, agents.c.id, agents.c.extension, agents.c.phone, agents.c.skills)
        .where(agents.c.active, agents.c.user_id.in_([row.id for row in rows]))
    )  # fmt: skip
    by_user = {row.user_id: row for row in desks}
    seats: dict[int, dict[str, int]] = {}
    members = select(queue_members.c.agent_id, queue_members.c.queue, queue_members.c.penalty)
    members = members.where(queue_members.c.agent_id.in_([row.id for row in by_user.values()]))
    for agent, queue, penalty in await connection.execute(members):
        seats.setdefault(agent, {})[queue] = penalty
    found = []
    for row in rows:
        desk = by_user.get(row.id)
        here = desk and DeskOf(
            desk.id, desk.extension, desk.phone, desk.skills, seats.get(desk.id, {})
        )
        found.append(User(*row, desk=here))
    return found


async def _put_desk(
    connection: AsyncConnection, user: User, extension: str, phone: str, skills: Mapping[str, int]
) -> int:
    row = {
        "name": user.name, "extension": extension, "phone": phone, "skills": dict(skills),
        "active": True,
    }  # fmt: skip
    known = await connection.scalar(select(agents.c.id).where(agents.c.user_id == user.id))
    if known is not None:
        await connection.execute(update(agents).where(agents.c.id == known).values(row))
        return int(known)
    row |= {"user_id": user.id, "languages": [user.language], "created_at": datetime.now(UTC)}
    done = await connection.execute(insert(agents), row)
    return _key(done)


def _key(done: CursorResult[Any]) -> int:
    assert done.inserted_primary_key is not None
    return int(done.inserted_primary_key[0])


def _token(row: Any) -> Token:
    values = list(row)
    values[5] = tuple(values[5])
    return Token(*values)
