"""Claims: each attempt once, one pace for all, one call at a time to a number; leases; ends."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.engine import open_engine
from cti.db.store.dialling import Claim, DiallingStore, Lane, Limit, Next
from cti.db.store.outbound import DIALLING, DUE, NewEvent, NewJob, OutboundStore

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
FAST = Limit(1000, 1000.0)
LANE = Lane("c", FAST, "main", FAST, ("c",))
AHEAD = timedelta(seconds=1)


async def jobs(engine: AsyncEngine, count: int, *, same: bool = False) -> OutboundStore:
    store = OutboundStore(engine)
    for number in range(count):
        phone = "+905320000000" if same else f"+90532{number:07d}"
        event = NewEvent(f"e{number}", "order.created", NOW, phone, f"o{number}", {}, {})
        job = NewJob("c", "f", 0, NOW + timedelta(days=1), "call", NOW, [])
        assert await store.keep(event, [job], NOW)
    return store


def ids(claims: object) -> set[str]:
    assert isinstance(claims, (list, tuple))
    return {claim.attempt.id for claim in claims}


async def test_two_diallers_never_claim_the_same(url: str) -> None:
    engines = [open_engine(url) for _ in range(3)]
    try:
        await jobs(engines[0], 60)
        stores = [DiallingStore(engine, f"d{n}") for n, engine in enumerate(engines)]

        async def work(store: DiallingStore) -> list[Claim]:
            mine: list[Claim] = []
            for _ in range(15):
                mine += await store.claim(LANE, NOW, 5, AHEAD)
            return mine

        claimed = await asyncio.gather(*map(work, stores))
        together = [claim.attempt.id for mine in claimed for claim in mine]
        assert len(together) == len(set(together)) == 60
        turns = sorted(claim.at for mine in claimed for claim in mine)
        gaps = {b - a for a, b in itertools.pairwise(turns)}
        assert min(gaps) >= timedelta(milliseconds=1)
    finally:
        for engine in engines:
            await engine.dispose()


async def test_the_pace_is_that_of_the_slower_of_campaign_and_trunk(engine: AsyncEngine) -> None:
    await jobs(engine, 20)
    store = DiallingStore(engine, "d")
    lane = Lane("c", Limit(100, 4.0), "main", Limit(100, 2.0), ("c",))
    claims = await store.claim(lane, NOW, 50, AHEAD)
    assert [claim.at - NOW for claim in claims] == [timedelta(seconds=n / 2) for n in range(3)]
    assert await store.claim(lane, NOW, 50, AHEAD) == ()
    later = NOW + timedelta(minutes=1)  # nothing is made up for
    assert [c.at for c in await store.claim(lane, later, 50, timedelta())] == [later]


async def test_calls_at_once_are_counted_over_the_trunks_campaigns(engine: AsyncEngine) -> None:
    await jobs(engine, 10)
    store = DiallingStore(engine, "d")
    lane = Lane("c", Limit(4, 1000.0), "main", Limit(3, 1000.0), ("c", "other"))
    first = await store.claim(lane, NOW, 50, AHEAD)
    assert len(first) == 3
    assert await store.claim(lane, NOW + AHEAD, 50, AHEAD) == ()
    assert await store.give_back(first[0].attempt.id, NOW)
    assert len(await store.claim(lane, NOW + AHEAD, 50, AHEAD)) == 1


async def test_a_number_is_called_by_one_at_a_time(engine: AsyncEngine) -> None:
    await jobs(engine, 3, same=True)
    store = DiallingStore(engine, "d")
    (first,) = await store.claim(LANE, NOW, 50, AHEAD)
    assert await store.claim(LANE, NOW + AHEAD, 50, AHEAD) == ()
    assert await store.begin(first.attempt.id, NOW, "boot")
    then = Next("never", [], None, result="confirmed")
    assert await store.finish(first.attempt, "answered", 16, NOW, then, NOW)
    (second,) = await store.claim(LANE, NOW + AHEAD, 50, AHEAD)
    assert second.job.id != first.job.id


async def test_a_paused_campaign_is_not_claimed(engine: AsyncEngine) -> None:
    outbound = await jobs(engine, 1)
    store = DiallingStore(engine, "d")
    await outbound.pause("c", True, NOW)
    assert await outbound.paused() == {"c"}
    assert await store.claim(LANE, NOW, 5, AHEAD) == ()
    await outbound.pause("c", False, NOW)
    assert len(await store.claim(LANE, NOW, 5, AHEAD)) == 1


async def test_what_a_dead_dialler_had_claimed_is_due_again_and_what_it_dialled_is_taken_over(
    engine: AsyncEngine,
) -> None:
    outbound = await jobs(engine, 2)
    dead, living = DiallingStore(engine, "dead", 15), DiallingStore(engine, "living", 15)
    claims = await dead.claim(LANE, NOW, 2, AHEAD)
    begun, waiting = claims[0].attempt.id, claims[1].attempt.id
    assert await dead.begin(begun, NOW, "boot")
    assert await living.take_over(NOW + timedelta(seconds=14)) == ()
    ((attempt, _),) = await living.take_over(NOW + timedelta(seconds=16))
    assert (attempt.id, attempt.state, attempt.boot) == (begun, DIALLING, "boot")
    again = await outbound.attempt(waiting)
    assert again is not None
    assert (again.state, again.started_at) == (DUE, None)
    # the dead one wakes up: nothing is its own any more
    assert not await dead.begin(waiting, NOW + timedelta(seconds=17), "boot")
    assert not await dead.give_back(begun, NOW)
    assert ids(await living.claim(LANE, NOW + timedelta(seconds=20), 5, AHEAD)) == {waiting}


async def test_a_lease_that_is_over_lets_nobody_dial(engine: AsyncEngine) -> None:
    await jobs(engine, 1)
    store = DiallingStore(engine, "d", 15)
    (claim,) = await store.claim(LANE, NOW, 1, AHEAD)
    assert not await store.begin(claim.attempt.id, NOW + timedelta(seconds=15), "boot")
    await store.renew([claim.attempt.id], NOW + timedelta(seconds=10))
    assert await store.begin(claim.attempt.id, NOW + timedelta(seconds=15), "boot")


async def test_an_end_is_written_once_with_what_follows(engine: AsyncEngine) -> None:
    outbound = await jobs(engine, 1)
    store = DiallingStore(engine, "d")
    (claim,) = await store.claim(LANE, NOW, 1, AHEAD)
    await store.begin(claim.attempt.id, NOW, "boot")
    later = NOW + timedelta(minutes=10)
    then = Next("wait", [{"name": "not before", "holds": False, "value": "x"}], later)
    ends = [store.finish(claim.attempt, "busy", 17, NOW, then, NOW) for _ in range(5)]
    assert sorted(await asyncio.gather(*ends)) == [False] * 4 + [True]
    first, second = await outbound.attempts(claim.job.id)
    assert (first.outcome, first.cause, second.number, second.due_at) == ("busy", 17, 2, later)
    job = await outbound.job(claim.job.id)
    assert job is not None
    assert (job.state, job.next_at, job.verdict) == ("open", later, "wait")


@pytest.mark.parametrize("told", [True, False])
async def test_whoever_is_over_is_told_once(engine: AsyncEngine, told: bool) -> None:
    await jobs(engine, 1)
    store = DiallingStore(engine, "d")
    (claim,) = await store.claim(LANE, NOW, 1, AHEAD)
    then = Next("never", [], None, result="unreachable", details={"attempts": 1})
    await store.finish(claim.attempt, "no_answer", 19, NOW, then, NOW)
    (job,) = await store.untold(NOW)
    assert (job.result, job.details) == ("unreachable", {"attempts": 1})
    if told:
        await store.told(job.id, NOW)
    assert len(await store.untold(NOW)) == (0 if told else 1)
