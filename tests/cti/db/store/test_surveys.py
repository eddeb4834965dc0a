"""Who is asked to take part in a survey, on both databases: never twice, by however many at once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.engine import open_engine
from cti.db.models import survey_invitations, survey_people
from cti.db.store.surveys import SurveyStore
from ivr.errors import ServiceFailed

MONTH = 30 * 86400.0
PERSON = "+905321112233"


async def test_of_twenty_calls_of_one_person_at_once_one_is_asked(
    engine: AsyncEngine, url: str
) -> None:
    """From two engines, as two nodes would, each with connections of its own."""
    other = open_engine(url)
    try:
        stores = [SurveyStore(engine), SurveyStore(other)]
        verdicts = await asyncio.gather(
            *(
                stores[n % 2].invite("talk", f"call{n}", PERSON, f"call{n}:0", 100, MONTH)
                for n in range(20)
            )
        )
    finally:
        await other.dispose()
    assert Counter(verdicts) == {"asked": 1, "lately": 19}
    async with engine.connect() as connection:
        made = select(survey_invitations.c.verdict, func.count()).group_by("verdict")
        kept = {row[0]: row[1] for row in await connection.execute(made)}
        people = (await connection.execute(select(survey_people.c.phone))).scalars().all()
    assert kept == {"asked": 1, "lately": 19}
    assert people == [PERSON]


async def test_a_call_that_is_taken_up_again_gets_the_same_answer(engine: AsyncEngine) -> None:
    draws = iter([0.9, 0.0])
    store = SurveyStore(engine, draw=lambda: next(draws))
    assert await store.invite("talk", "c1", PERSON, "c1:0", 50, MONTH) == "not_chosen"
    assert await store.invite("talk", "c1", PERSON, "c1:0", 50, MONTH) == "not_chosen"
    assert await store.invite("talk", "c2", PERSON, "c2:0", 50, MONTH) == "asked"
    assert await store.invite("talk", "c2", PERSON, "c2:0", 50, MONTH) == "asked"


async def test_who_was_not_chosen_may_be_the_next_time(engine: AsyncEngine) -> None:
    draws = iter([0.5, 0.49])
    store = SurveyStore(engine, draw=lambda: next(draws))
    assert await store.invite("talk", "c1", PERSON, "c1:0", 50, MONTH) == "not_chosen"
    assert await store.invite("talk", "c2", PERSON, "c2:0", 50, MONTH) == "asked"


async def test_a_person_is_one_however_their_number_is_written(engine: AsyncEngine) -> None:
    store = SurveyStore(engine)
    assert await store.invite("talk", "c1", "0532 111 22 33", "c1:0", 100, MONTH) == "asked"
    assert await store.invite("delivery", "c2", PERSON, "c2:0", 100, MONTH) == "lately"
    assert await store.invite("talk", "c3", "+905559998877", "c3:0", 100, MONTH) == "asked"
    for number in ("", "anonymous", "desk1"):
        key = f"{number}:0"
        assert await store.invite("talk", number, number, key, 100, MONTH) == "unknown"


async def test_after_the_period_one_is_asked_again_and_not_a_moment_before(
    engine: AsyncEngine,
) -> None:
    now = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)  # clocks change within the month
    store = SurveyStore(engine, now=lambda: now)
    assert await store.invite("talk", "c1", PERSON, "c1:0", 100, MONTH) == "asked"
    now += timedelta(seconds=MONTH - 1)
    assert await store.invite("talk", "c2", PERSON, "c2:0", 100, MONTH) == "lately"
    now += timedelta(seconds=1)
    assert await store.invite("talk", "c3", PERSON, "c3:0", 100, MONTH) == "asked"
    now += timedelta(seconds=1)
    assert await store.invite("talk", "c4", PERSON, "c4:0", 100, MONTH) == "lately"


async def test_as_many_are_asked_as_the_percentage_says(sqlite_engine: AsyncEngine) -> None:
    dice = random.Random(7)
    store = SurveyStore(sqlite_engine, draw=dice.random)
    found: Counter[str] = Counter()
    for n in range(400):
        number = f"+90532{n:07}"
        found[await store.invite("talk", f"c{n}", number, f"c{n}:0", 30, MONTH)] += 1
    assert found["asked"] + found["not_chosen"] == 400
    assert 92 <= found["asked"] <= 148, "120 expected; three standard deviations are 27.5"


async def test_a_database_that_is_away_is_told(sqlite_engine: AsyncEngine) -> None:
    async with sqlite_engine.begin() as connection:
        await connection.run_sync(survey_people.drop)
    with pytest.raises(ServiceFailed):
        await SurveyStore(sqlite_engine).invite("talk", "c1", PERSON, "c1:0", 100, MONTH)
