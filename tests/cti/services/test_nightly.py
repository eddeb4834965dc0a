"""What is old goes every night, at the shop's own time, and a missed night is made up for."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.models import audit_log, calls
from cti.db.store.retention import Retention
from cti.services import nightly
from cti.services.nightly import Nightly, is_due, retention_of
from cti.settings import Settings

ISTANBUL = ZoneInfo("Europe/Istanbul")
AT = time(3, 30)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=ISTANBUL)


@pytest.mark.parametrize(
    ("now", "last", "due"),
    [
        ("22T03:29", "21T03:30", False),
        ("22T03:30", "21T03:30", True),
        ("22T03:31", "22T03:30", False),
        ("22T12:00", "22T03:30", False),
        ("22T12:00", "21T03:30", True),  # no engine ran in the night
        ("22T02:00", "19T03:30", True),
        ("22T12:00", None, False),  # a new installation waits for its first night
        ("22T03:31", None, True),
    ],
)
def test_when_it_is_due(now: str, last: str | None, due: bool) -> None:
    assert is_due(moment(now), AT, moment(last) if last else None) is due
    if last:  # whatever zone it was written down in
        assert is_due(moment(now), AT, moment(last).astimezone(UTC)) is due


class SetClock:
    def __init__(self, now: datetime) -> None:
        self.at = now

    def now(self) -> datetime:
        return self.at

    def time(self) -> float:
        return self.at.timestamp()

    def monotonic(self) -> float:
        return self.at.timestamp()


async def kept(engine: AsyncEngine) -> tuple[list[str], list[str]]:
    async with engine.connect() as connection:
        numbers = await connection.scalars(select(calls.c.caller).order_by(calls.c.id))
        actors = await connection.scalars(select(audit_log.c.actor).order_by(audit_log.c.actor))
        return list(numbers), list(actors)


async def test_it_runs_by_itself_each_kind_by_its_days(
    engine: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nightly, "LOOK_EVERY", 0.01)
    clock = SetClock(moment("22T03:00"))
    async with engine.begin() as connection:
        for number, days in (("old", 11), ("young", 9)):
            at = clock.at - timedelta(days=days)
            row = {"id": number, "caller": "+905321112233", "started_at": at, "changed_at": at}
            await connection.execute(insert(calls).values(row))
    keep = Retention(recordings=None, personal=10, events=None, audit=None)
    job = Nightly(engine, tmp_path, tmp_path, keep, AT, clock)  # type: ignore[arg-type]
    task = asyncio.create_task(job.run())
    try:
        await asyncio.sleep(0.1)
        assert (await kept(engine))[0] == ["+905321112233", "+905321112233"]
        clock.at = moment("22T03:30")
        async with asyncio.timeout(10):
            while not (tmp_path / "retention.json").exists():
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert (await kept(engine))[0] == ["", "+905321112233"]
    assert json.loads((tmp_path / "retention.json").read_text())["gone"] == {
        "personal": 1,
        "requests": 0,
    }


async def test_a_database_that_is_away_is_tried_again(tmp_path: Path) -> None:
    from cti.db.engine import open_engine

    engine = open_engine("postgresql+asyncpg://nobody@127.0.0.1:1/none")
    clock = SetClock(moment("22T03:30"))
    job = Nightly(engine, tmp_path, tmp_path, Retention(), AT, clock)  # type: ignore[arg-type]
    assert await job.retire() is None
    assert not (tmp_path / "retention.json").exists()
    await engine.dispose()


def test_the_settings_say_when_and_how_long() -> None:
    given = Settings.from_environment(
        {"SANTRAL_RETIRE_AT": "04:15", "SANTRAL_KEEP_RECORDINGS": "30", "SANTRAL_KEEP_EVENTS": "0"}
    )
    assert given.retire_at == time(4, 15)
    assert retention_of(given) == Retention(recordings=30, personal=180, events=None, audit=730)
