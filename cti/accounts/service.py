"""Signs people in and out, and tells who a session or a token is.

A session's cookie is `<secret>.<signature>`; the database has the secret's hash, so neither a copy
of the database nor a guess makes a session. Who is disabled or signed out elsewhere is out within
`LOOK_EVERY` seconds, and at once when it was done through this process.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from cti.accounts.lockout import Lockout
from cti.accounts.passwords import Passwords, check_password, fresh_password
from cti.accounts.trail import Trail
from cti.db.store.people import PeopleStore, Token, User
from ivr.errors import BadInput

log = logging.getLogger(__name__)
SESSION_LASTS: Final = 12 * 3600.0  # a shift and a bit; then the password is asked again
LOOK_EVERY: Final = 3.0  # seconds between two looks at what became of all sessions, in one query
TRUSTED: Final = 12.0  # seconds a session is believed without that: the database is slow or away
USED_EVERY: Final = 60.0  # seconds between two notes of a token's last use
MOST_KNOWN: Final = 5_000
API_PREFIX: Final = "santral_"
LOGIN: Final = re.compile(r"[a-z0-9][a-z0-9_-]{1,31}\Z")


class WrongPassword(BadInput):
    """The name or the password is wrong."""


class Locked(BadInput):
    """Too many wrong passwords; wait before the next try."""

    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody's session or token. `secret` is the cookie's content for a new session, else ""."""

    user: User
    hash: str
    kind: str
    scopes: tuple[str, ...]
    ends: float
    csrf: str
    token: int = 0
    secret: str = ""


@dataclass(slots=True)
class _Known:
    session: Session
    checked: float


class Accounts:
    def __init__(
        self,
        people: PeopleStore,
        audit: Trail,
        key: str,
        passwords: Passwords,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.people = people
        self.audit, self._passwords, self._clock = audit, passwords, clock
        self._key = key.encode()
        self._lockout = Lockout(time.monotonic)
        self._known: dict[str, _Known] = {}
        self._noted: dict[int, float] = {}
        self._ended: list[Callable[[str, str], None]] = []

    def now(self) -> float:
        return self._clock()

    def has_session(self, login: str) -> bool:
        """Whether anybody is known to be signed in by that name here."""
        return any(
            one.session.kind == "session" and one.session.user.login == login
            for one in self._known.values()
        )

    def forget(self, hashed: str) -> None:
        """Ask the database about this session at its next request."""
        if hashed in self._known:
            self._known[hashed].checked = 0.0

    async def watch(self) -> None:
        """Notice soon what was done to sessions elsewhere: revoked, over, its user disabled.
        Never returns."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self.look()
            except (SQLAlchemyError, OSError) as error:
                log.warning("sessions cannot be checked: %s", type(error).__name__)

    async def look(self) -> None:
        """Check all sessions that are known here, in one question."""
        known = list(self._known)
        if not known:
            return
        now = self._clock()
        good = await self.people.good(known, datetime.fromtimestamp(now, UTC))
        for hashed in known:
            if hashed not in good:
                self._drop(hashed, "ended")
            elif hashed in self._known:
                self._known[hashed].checked = now  # no request has to ask again

    def on_end(self, listener: Callable[[str, str], None]) -> None:
        """`listener(hash, why)` hears of each session that ends."""
        self._ended.append(listener)

    # --- signing in and out

    async def sign_in(self, login: str, password: str, address: str) -> Session:
        """Raises `WrongPassword` and `Locked`; both are in the audit log."""
        login = login.strip().lower()[:64]
        if (wait := self._lockout.wait(login, address)) > 0:
            log.warning("sign-in of %r from %s is locked for %.0f s", login, address, wait)
            await self.audit.note(login, "sign-in locked", address=address)
            error = Locked()
            error.seconds = wait
            raise error
        # Counted before it is checked, so that many at the same moment are not all free.
        self._lockout.wrong(login, address)
        user = await self.people.find(login) if LOGIN.match(login) else None
        usable = user if user is not None and user.active else None
        right = await self._passwords.verify(usable.password_hash if usable else "", password)
        if not right or usable is None:
            log.warning("a wrong password for %r from %s", login, address)
            await self.audit.note(login, "sign-in refused", address=address)
            raise WrongPassword
        self._lockout.right(login, address)
        now = datetime.fromtimestamp(self._clock(), UTC)
        changes: dict[str, object] = {"last_login_at": now}
        if self._passwords.outdated(usable.password_hash):
            changes["password_hash"] = await self._passwords.hash(password)
        await self.people.change(login, **changes)
        session = await self._open(usable, now + timedelta(seconds=SESSION_LASTS))
        await self.audit.note(login, "sign-in", address=address)
        return session

    async def _open(self, user: User, ends: datetime) -> Session:
        secret = secrets.token_urlsafe(32)
        hashed = _hash(secret)
        token = await self.people.keep_token(user.id, "session", hashed, expires_at=ends)
        session = Session(
            user, hashed, "session", (), ends.timestamp(), self._csrf(secret), token,
            f"{secret}.{self._sign(secret)}",
        )  # fmt: skip
        self._remember(session)
        return session

    async def sign_out(self, session: Session | str) -> None:
        hashed = session if isinstance(session, str) else session.hash
        await self.people.revoke(hash=hashed)
        self._drop(hashed, "signed out")

    async def end_sessions(self, user: int, why: str, but: str = "") -> int:
        """End all of a user's sessions, save one; how many there were."""
        ended = await self.people.revoke(user=user, kind="session", but=but)
        for hashed in ended:
            self._drop(hashed, why)
        return len(ended)

    # --- who is it

    async def session(self, cookie: str) -> Session | None:
        """The session of a cookie; None when there is none, or not any more."""
        secret, dot, signature = cookie.partition(".")
        if not dot or not hmac.compare_digest(signature, self._sign(secret)):
            return None
        return await self._look(_hash(secret), "session", secret)

    async def bearer(self, token: str) -> Session | None:
        """Whose API token this is."""
        if not token.startswith(API_PREFIX):
            return None
        found = await self._look(_hash(token), "api", "")
        if found is not None and self._clock() - self._noted.get(found.token, 0.0) > USED_EVERY:
            self._noted[found.token] = self._clock()
            await self.people.used(found.token, datetime.fromtimestamp(self._clock(), UTC))
        return found

    async def _look(self, hashed: str, kind: str, secret: str) -> Session | None:
        known = self._known.get(hashed)
        now = self._clock()
        if known is not None and now - known.checked < TRUSTED:
            return self._if_not_over(known.session)
        found = await self.people.token(hashed)
        if found is None or found[0].kind != kind or not _good(*found, now):
            self._drop(hashed, "ended")
            return None
        token, user = found
        csrf = self._csrf(secret) if secret else (known.session.csrf if known else "")
        ends = token.expires_at.timestamp() if token.expires_at else 0.0
        session = Session(user, hashed, kind, token.scopes, ends, csrf, token.id)
        self._remember(session)
        return session

    def _if_not_over(self, session: Session) -> Session | None:
        if session.ends and session.ends <= self._clock():
            self._drop(session.hash, "over")
            return None
        return session

    def _remember(self, session: Session) -> None:
        while len(self._known) >= MOST_KNOWN:
            self._known.pop(next(iter(self._known)))
        self._known[session.hash] = _Known(session, self._clock())

    def _drop(self, hashed: str, why: str) -> None:
        if self._known.pop(hashed, None) is not None:
            for listener in self._ended:
                listener(hashed, why)

    # --- passwords and tokens

    async def hashed(self, password: str, login: str) -> str:
        """A new password's hash; `BadInput` for one that cannot be used."""
        check_password(password, login)
        return await self._passwords.hash(password)

    async def set_password(self, login: str, password: str) -> None:
        if not await self.people.change(login, password_hash=await self.hashed(password, login)):
            raise BadInput(f"there is no user {login!r}")

    async def change_password(self, session: Session, old: str, new: str, address: str) -> None:
        """Their own; raises `WrongPassword`, `Locked` and `BadInput`. Other sessions end."""
        login = session.user.login
        if self._lockout.wait(login, address) > 0:
            raise Locked
        self._lockout.wrong(login, address)
        user = await self.people.find(login)
        if user is None or not await self._passwords.verify(user.password_hash, old):
            await self.audit.note(login, "password change refused", address=address)
            raise WrongPassword
        self._lockout.right(login, address)
        await self.set_password(login, new)
        await self.end_sessions(user.id, "password changed", but=session.hash)
        await self.audit.note(login, "password changed", login, address)

    async def make_token(
        self, user: int, label: str, scopes: Iterable[str], lasts: timedelta | None = None
    ) -> tuple[int, str]:
        """A new API token: its number, and itself, which is told this once."""
        token = API_PREFIX + secrets.token_urlsafe(32)
        ends = datetime.fromtimestamp(self._clock(), UTC) + lasts if lasts else None
        number = await self.people.keep_token(
            user, "api", _hash(token), label=label, scopes=scopes, expires_at=ends
        )
        return number, token

    async def first_admin(self) -> str:
        """On an installation without any user: make `admin`, and give back the password; else "".

        Two engines that start at once make one admin only.
        """
        if await self.people.count():
            return ""
        password = fresh_password()
        hashed = await self._passwords.hash(password)
        try:
            await self.people.add("admin", "Admin", "admin", hashed, "tr")
        except BadInput:
            return ""
        await self.people.seat("admin", extension="admin")
        await self.audit.note("", "first admin made", "admin")
        return password

    # --- signatures

    def _sign(self, secret: str) -> str:
        return hmac.new(self._key, b"session:" + secret.encode(), hashlib.sha256).hexdigest()

    def _csrf(self, secret: str) -> str:
        return hmac.new(self._key, b"csrf:" + secret.encode(), hashlib.sha256).hexdigest()


def _good(token: Token, user: User, now: float) -> bool:
    if token.revoked_at is not None or not user.active:
        return False
    return token.expires_at is None or token.expires_at.timestamp() > now


def _hash(secret: str) -> str:
    """What is kept of a secret of 256 random bits; nothing slow is needed for those."""
    return hashlib.sha256(secret.encode()).hexdigest()


def check_login(login: str) -> None:
    if not LOGIN.match(login):
        raise BadInput(
            f"{login!r} cannot be a login: 2 to 32 small letters without accents, digits, - and _."
        )
