"""The same request twice is carried out once: at once, one after the other, over two processes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.store.idempotency import IdempotencyStore
from cti.web.api.idempotency import Answered, Once, fingerprint
from ivr.errors import RequestRefused


class Work:
    """Something that must be done once; slow enough that the others come meanwhile."""

    def __init__(self) -> None:
        self.done = 0

    async def __call__(self) -> Answered:
        self.done += 1
        await asyncio.sleep(0.01)
        return Answered(202, f'{{"number": {self.done}}}')


async def test_a_thousand_at_once_are_one(engine: AsyncEngine) -> None:
    # Three processes would have three of these.
    processes = [Once(IdempotencyStore(engine)) for _ in range(3)]
    work = Work()
    answers = await asyncio.gather(
        *(processes[n % 3].run("shop", "k", "f", work) for n in range(1000))
    )
    assert work.done == 1
    assert {answer.body for answer in answers} == {'{"number": 1}'}
    assert sum(not answer.again for answer in answers) == 1


async def test_the_same_key_for_another_request_is_refused(engine: AsyncEngine) -> None:
    once, work = Once(IdempotencyStore(engine)), Work()
    await once.run("shop", "k", fingerprint("POST", "/orders", b"1"), work)
    with pytest.raises(RequestRefused) as refused:
        await once.run("shop", "k", fingerprint("POST", "/orders", b"2"), work)
    assert refused.value.kind == "key-reused"
    await once.run("another shop", "k", fingerprint("POST", "/orders", b"2"), work)
    assert work.done == 2


async def test_another_request_with_the_key_is_refused_while_the_first_runs(
    engine: AsyncEngine,
) -> None:
    once, work = Once(IdempotencyStore(engine)), Work()
    first = asyncio.create_task(once.run("shop", "k", "1", work))
    while not work.done:
        await asyncio.sleep(0)
    with pytest.raises(RequestRefused, match="cannot"):
        await once.run("shop", "k", "2", work)
    assert (await first).status == 202


async def test_what_broke_may_be_sent_again(engine: AsyncEngine) -> None:
    once, work = Once(IdempotencyStore(engine)), Work()

    async def breaks() -> Answered:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await once.run("shop", "k", "f", breaks)
    assert (await once.run("shop", "k", "f", work)).again is False
    assert work.done == 1


async def test_who_died_on_the_way_is_taken_over(engine: AsyncEngine) -> None:
    died = IdempotencyStore(engine, lease=0.0)
    assert (await died.claim("shop", "k", "f")).mine
    work = Work()
    assert (await Once(IdempotencyStore(engine)).run("shop", "k", "f", work)).again is False
    assert work.done == 1


async def test_who_is_still_at_it_is_waited_for(engine: AsyncEngine) -> None:
    store, work = IdempotencyStore(engine), Work()
    assert (await store.claim("shop", "k", "f")).mine  # another process carries it out

    async def later() -> None:
        await asyncio.sleep(0.05)
        await store.settle("shop", "k", 202, "theirs")

    answer, _ = await asyncio.gather(Once(store).run("shop", "k", "f", work), later())
    assert (answer.body, answer.again, work.done) == ("theirs", True, 0)


async def test_keys_are_forgotten_by_age(engine: AsyncEngine) -> None:
    store = IdempotencyStore(engine)
    await Once(store).run("shop", "k", "f", Work())
    assert await store.retire(datetime.now(UTC) - timedelta(hours=1)) == 0
    assert await store.retire(datetime.now(UTC) + timedelta(hours=1)) == 1
