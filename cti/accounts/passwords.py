"""Passwords as argon2 hashes, made and checked in threads: one takes tens of milliseconds."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ivr.errors import BadInput

T = TypeVar("T")
SHORTEST: Final = 10
LONGEST: Final = 200
AT_ONCE: Final = 2  # 64 MB and a core each while it runs
MOST_WAITING: Final = 32
_WORDS: Final = "bcdfghjkmnpqrstvwxyz23456789"


class TooBusy(BadInput):
    """Too many people sign in at this moment; try again in a few seconds."""


def fresh_password() -> str:
    """A new one of 68 random bits, easy to read out: `kx7p-…`, no letters that look alike."""
    letters = "".join(secrets.choice(_WORDS) for _ in range(14))
    return f"{letters[:5]}-{letters[5:10]}-{letters[10:]}"


def check_password(password: str, login: str = "") -> None:
    """Raises `BadInput` for one that cannot be used."""
    if len(password) < SHORTEST or len(password) > LONGEST:
        raise BadInput(f"A password has {SHORTEST} characters or more (and at most {LONGEST}).")
    if login and login.lower() in password.lower():
        raise BadInput("A password does not contain the name one signs in with.")
    if len(set(password)) < 4:
        raise BadInput("This password is too simple.")


class Passwords:
    """Close it when done: it has threads."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._pool = ThreadPoolExecutor(AT_ONCE, "argon2")
        self._waiting = 0
        self._nobody = ""

    async def hash(self, password: str) -> str:
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, hashed: str, password: str) -> bool:
        """Whether it is right. With "" as hash it takes as long, and is wrong: so that nobody
        learns from the time which logins there are."""
        if len(password) > LONGEST:
            return False
        if not hashed:
            if not self._nobody:
                self._nobody = await self.hash(secrets.token_hex(16))
            await self._run(lambda: self._verify(self._nobody, password))
            return False
        return await self._run(lambda: self._verify(hashed, password))

    def outdated(self, hashed: str) -> bool:
        """Whether it was made with weaker parameters than today's."""
        try:
            return self._hasher.check_needs_rehash(hashed)
        except InvalidHashError:
            return True

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _verify(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= MOST_WAITING:
            raise TooBusy
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1
