"""`Idempotency-Key`: the same request twice is carried out once and answered alike.

Source: draft-ietf-httpapi-idempotency-key-header. Keys are of their token: what one shop uses, no
other meets. Requests with the same key that come at once wait for the first one's answer.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from cti.db.store.idempotency import IdempotencyStore
from ivr.errors import RequestRefused

PATIENCE: Final = 10.0  # seconds to wait for a request that somebody else carries out
LOOK: Final = 0.05  # seconds between two looks at what another process carries out


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer as it was sent. `again`: it was kept from before, then without its headers."""

    status: int
    body: str
    again: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Running:
    """A request that is being carried out here; `answer` becomes None when it has none."""

    fingerprint: str
    answer: asyncio.Future[Answered | None]


class Once:
    """Carries requests out once. One for a process; several processes share the store."""

    def __init__(self, store: IdempotencyStore) -> None:
        self._store = store
        self._running: dict[tuple[str, str], _Running] = {}

    async def run(
        self, owner: str, key: str, fingerprint: str, work: Callable[[], Awaitable[Answered]]
    ) -> Answered:
        """The answer of `work`, or that of the request that had this key before.

        `RequestRefused`: `key-reused` when that one was another request; `in-progress` when it has
        no answer in time. What `work` raises is not kept: the same request may be sent again.
        """
        while (earlier := self._running.get((owner, key))) is not None:
            if earlier.fingerprint != fingerprint:
                raise RequestRefused("key-reused")
            try:
                async with asyncio.timeout(PATIENCE):
                    answer = await asyncio.shield(earlier.answer)
            except TimeoutError:
                raise _in_progress() from None
            if answer is not None:
                return replace(answer, again=True)
        running = _Running(fingerprint, asyncio.get_running_loop().create_future())
        self._running[owner, key] = running
        found: Answered | None = None
        try:
            found = await self._in_turn(owner, key, fingerprint, work)
            return found
        finally:
            del self._running[owner, key]
            running.answer.set_result(found)

    async def _in_turn(
        self, owner: str, key: str, fingerprint: str, work: Callable[[], Awaitable[Answered]]
    ) -> Answered:
        kept = await self._claimed(owner, key, fingerprint)
        if isinstance(kept, Answered):
            return kept
        try:
            answer = await work()
        except BaseException:
            await asyncio.shield(self._store.release(owner, key))
            raise
        await asyncio.shield(self._store.settle(owner, key, answer.status, answer.body))
        return answer

    async def _claimed(self, owner: str, key: str, fingerprint: str) -> Answered | None:
        """The answer that is kept, or None when it is for us to find one."""
        until = asyncio.get_running_loop().time() + PATIENCE
        while True:
            kept = await self._store.claim(owner, key, fingerprint)
            if kept.mine:
                return None
            if kept.fingerprint != fingerprint:
                raise RequestRefused("key-reused")
            if kept.status is not None:
                return Answered(kept.status, kept.body, again=True)
            if asyncio.get_running_loop().time() > until:
                raise _in_progress()
            await asyncio.sleep(LOOK)


def fingerprint(method: str, path: str, body: bytes) -> str:
    """What tells one request from another."""
    return hashlib.sha256(b"\0".join((method.encode(), path.encode(), body))).hexdigest()


def _in_progress() -> RequestRefused:
    return RequestRefused("in-progress", headers={"Retry-After": "1"})
