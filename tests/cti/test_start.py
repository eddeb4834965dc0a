"""The engine's start while its database is away: callers never wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from cti.asterisk.ports import free_ports
from cti.db import migrate
from cti.db.engine import open_engine
from cti.db.models import call_events
from cti.main import running
from cti.settings import Settings
from ivr.audio import write_wav
from tests.fakes.asterisk import FakeAsterisk
from tests.postgres_server import PostgresServer, running_postgres

FLOW = """
flow: shop
languages: [en]
start: hello
prompts:
  hello: {en: "Hello"}
steps:
  hello: {type: say, prompt: hello, next: bye}
  bye: {type: hangup}
"""


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that a test may stop without harming others."""
    try:
        context = running_postgres()
        server = context.__enter__()
    except (RuntimeError, OSError) as error:
        pytest.skip(f"no PostgreSQL server: {error}")
    yield server
    context.__exit__(None, None, None)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    scenarios = tmp_path / "scenarios"
    scenarios.mkdir()
    (scenarios / "shop.yaml").write_text(FLOW, "utf-8")
    (scenarios / "lines.yaml").write_text("lines: {}\ndefault: {flow: shop}\n", "utf-8")
    write_wav(tmp_path / "tone.wav", (np.sin(np.arange(1600) / 3) * 9000).astype(np.int16), 8000)
    return Settings(  # type: ignore[call-arg]
        scenarios=scenarios,
        sounds=tmp_path / "sounds",
        state=tmp_path / "state",
        agi_port=0,
        tts="command",
        tts_command=f"cp {tmp_path / 'tone.wav'} {{output}}",
        drain=1.0,
    )


@pytest.mark.postgres
@pytest.mark.parametrize("how", ["stopped", "frozen"])
async def test_calls_are_served_before_the_database_is_there_and_are_in_it_afterwards(
    settings: Settings, own_server: PostgresServer, how: str
) -> None:
    url = own_server.new_database()
    settings = settings.model_copy(update={"database_url": url, "web_port": free_ports(1)[0]})
    away, back = (
        (own_server.stop, own_server.start)
        if how == "stopped"
        else (own_server.freeze, own_server.thaw)
    )
    await asyncio.to_thread(away)
    gone = True
    try:
        async with (
            asyncio.timeout(120),
            running(settings) as engine,
            FakeAsterisk("127.0.0.1", engine.port, speed=20) as asterisk,
        ):
            assert engine.journal.status().stored == 0
            assert engine.desk is not None
            assert engine.desk.port == settings.web_port
            call = await asterisk.dial(query={"call": "one", "dialled": "100"})
            await asyncio.wait_for(call.ended.wait(), 10)
            assert call.variables["SANTRAL_DONE"] == "hangup"
            assert call.sounds, "the caller heard something"
            await asyncio.to_thread(back)
            gone = False
            await engine.journal.drained()
            assert await engine.desk.first_password
            kept = await stored(url)
            assert [sequence for sequence, _ in kept] == list(range(1, len(kept) + 1))
            assert kept[-1][1] == "CallEnded"
            while engine.scenarios.unkept:
                await asyncio.sleep(0.1)
    finally:
        if gone:
            await asyncio.to_thread(back)


async def stored(url: str) -> list[tuple[int, str]]:
    engine = open_engine(url)
    try:
        assert await migrate.current(engine) == migrate.revisions()[-1]
        assert await migrate.differences(engine) == []
        async with engine.connect() as connection:
            columns = (call_events.c.sequence, call_events.c.kind)
            rows = await connection.execute(select(*columns).order_by(call_events.c.sequence))
            return [(row.sequence, row.kind) for row in rows]
    finally:
        await engine.dispose()
