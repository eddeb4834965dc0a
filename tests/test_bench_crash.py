"""The kill campaign kills where it says that it does."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import text

from bench.crash import Plans, places
from bench.mortal import make_up_migration, with_made_up_migrations
from cti.db import migrate
from cti.db.engine import open_engine


def test_every_place_has_its_turn_before_any_has_its_second() -> None:
    plans, died = Plans(random.Random(1), ()), Counter[str]()
    every = places()
    for turn in (1, 2):
        for _ in every:
            plan, seldom = plans.next(died)
            died[plan.rpartition(":")[0]] += 1
            assert not seldom
        assert died == dict.fromkeys(every, turn)


def test_places_can_be_chosen() -> None:
    assert [*places(["find", "main:during"])] == ["find:before", "find:after", "main:during"]


def test_a_place_that_nobody_came_by_is_tried_again_and_longer() -> None:
    plans = Plans(random.Random(1), ["sync"])
    assert {plans.next({})[0].rpartition(":")[0] for _ in range(2)} == {"sync:before", "sync:after"}
    plan, seldom = plans.next({"sync:before": 5})
    assert (plan, seldom) == ("sync:after:1", True)


async def test_a_start_finds_the_migrations_that_are_made_up_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("newest", "configuration"):
        monkeypatch.setattr(migrate, name, getattr(migrate, name))
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'santral.db'}")
    await migrate.upgrade(engine)
    with_made_up_migrations(tmp_path / "more")
    make_up_migration(tmp_path / "more")
    assert not await migrate.is_newest(engine)
    await migrate.upgrade(engine)
    assert await migrate.is_newest(engine)
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT name FROM bench_1_2"))).scalar() == "one"
    await engine.dispose()
