"""`santral restart` and a crash under real calls: who is on the line goes on."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from cti.db.engine import open_engine
from cti.db.models import call_events
from cti.demo import Demo, demo_running
from cti.demo_call import expected_sounds
from cti.keeper import read_news
from cti.settings import CHECKOUT, HOME
from cti.softphone import OutgoingCall, Phone, Prompt, every_time, in_order, until
from ivr import events
from ivr.errors import CannotInstall
from ivr.events import Entry

pytestmark = pytest.mark.asterisk
Sounds = dict[str, Sequence[Prompt]]
CALLS = 10
ANSWERS = {"main": "1", "ask_number": "1234#"}


@asynccontextmanager
async def demo(home: Path, **changes: Any) -> AsyncIterator[tuple[Demo, Sounds, Phone]]:
    state = HOME / ".santral"
    cache = state / "demo" / "prompts"
    try:
        async with demo_running(
            state, print, home=home, prompt_cache=cache, drain=1.0, **{"speech_port": 0, **changes}
        ) as running:
            sounds = dict(await expected_sounds(running))
            account = running.account
            async with Phone(account.name, server=running.sip, password=account.password) as phone:
                yield running, sounds, phone
    except CannotInstall as reason:
        pytest.skip(str(reason))


async def converse(call: OutgoingCall, sounds: Sounds, told: int = 0) -> OutgoingCall:
    """Do what is asked, whenever it is asked (again), until the shop says good-bye.

    The order's number is only keyed once the caller was told of `told` interruptions.
    """
    after = 0.0
    while not call.over:
        asked = {name: until.prompt(sounds[name][0], least=0.4, after=after) for name in ANSWERS}
        name = await call.wait_for(
            lambda call, asked=asked: (
                call.over  # type: ignore[misc]
                or next((name for name, look in asked.items() if look(call)), None)
            ),
            90,
            "a question",
        )
        if call.over:
            break
        if name == "ask_number":
            await interrupted(call, sounds, told)
        await call.press(ANSWERS[str(name)])
        after = call.clock()
    return call


def answered(call: OutgoingCall, sounds: Sounds) -> bool:
    return all(in_order(call.heard, sounds["status"], least=0.97))


def noticed(call: OutgoingCall, sounds: Sounds) -> int:
    """How often the caller was told that there was an interruption."""
    return len(every_time(call.heard, sounds["santral_resumed"][0], least=0.5))


async def interrupted(call: OutgoingCall, sounds: Sounds, times: int) -> None:
    """Wait until the caller was told of so many interruptions."""
    async with asyncio.timeout(60):
        while noticed(call, sounds) < times:
            await asyncio.sleep(0.25)


async def restart(demo: Demo) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cti.cli", "restart"),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "SANTRAL_STATE": str(demo.settings.state)},
    )
    output, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0
    return output.decode()


async def whole_stories(demo: Demo, count: int) -> None:
    """Every call is in the journal from its beginning to its end, each event once and in order."""
    engine = open_engine(demo.settings.journal_database)
    calls: dict[str, list[Entry]] = {}

    def complete() -> bool:
        ended = [one for one in calls.values() if isinstance(one[-1].event, events.CallEnded)]
        return len(ended) == count

    try:
        async with asyncio.timeout(30):
            while not complete():
                await asyncio.sleep(0.2)
                calls.clear()
                async with engine.connect() as connection:
                    query = select(call_events).order_by(call_events.c.call, call_events.c.sequence)
                    for row in (await connection.execute(query)).mappings():
                        calls.setdefault(row["call"], []).append(Entry.from_dict(dict(row)))
    finally:
        await engine.dispose()
    for entries in calls.values():
        assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))
        steps = [e.event for e in entries if isinstance(e.event, events.StepEntered)]
        assert len({(one.step, one.visit) for one in steps}) == len(steps)


async def test_a_restart_under_ten_calls_is_noticed_by_nobody(tmp_path: Path) -> None:
    async with demo(tmp_path, restart_drain=120.0) as (running, sounds, phone):
        dialled = [await phone.dial("100") for _ in range(CALLS)]
        talks = [asyncio.create_task(converse(call, sounds)) for call in dialled]
        await asyncio.sleep(3)
        old = running.engine.pid
        told = await restart(running)
        assert f"calls in progress go on in process {old}" in told
        late = await phone.dial("100")
        calls = [*await asyncio.gather(*talks), await converse(late, sounds)]
        assert [answered(call, sounds) for call in calls] == [True] * (CALLS + 1)
        assert [noticed(call, sounds) for call in calls] == [0] * (CALLS + 1)
        assert running.engine.pid != old
        await whole_stories(running, CALLS + 1)
        async with asyncio.timeout(20):
            while (news := read_news(running.settings.state)) and news.draining:
                await asyncio.sleep(0.1)


async def test_a_restart_in_a_hurry_and_a_crash_cost_ten_callers_a_phrase_each(
    tmp_path: Path,
) -> None:
    async with demo(tmp_path, restart_drain=0.0) as (running, sounds, phone):
        dialled = [await phone.dial("100") for _ in range(CALLS)]
        talks = [asyncio.create_task(converse(call, sounds, told=2)) for call in dialled]
        await asyncio.sleep(3)
        await restart(running)
        await asyncio.gather(*(interrupted(call, sounds, 1) for call in dialled))
        times = len(running.engine.returns)
        running.engine.kill_worker()
        await running.engine.returned(times + 1, 30)
        calls = await asyncio.gather(*talks)
        assert [answered(call, sounds) for call in calls] == [True] * CALLS
        assert [noticed(call, sounds) for call in calls] == [2] * CALLS
        await whole_stories(running, CALLS)
