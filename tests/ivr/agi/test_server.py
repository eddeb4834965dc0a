"""The AGI server: good and bad clients, many callers, draining."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.agi.call import AgiCall
from ivr.agi.connection import together
from ivr.agi.server import AgiServer
from ivr.call import Question
from ivr.errors import CallerHungUp
from tests.fakes.agi_text import header_bytes
from tests.fakes.asterisk import FakeAsterisk
from tests.ivr.agi.conftest import Bench, Sounds, spoken


async def closed(reader: asyncio.StreamReader) -> bool:
    """Whether the server closes the connection soon."""
    try:
        return await asyncio.wait_for(reader.read(), 5) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize(
    "data", [b"", b"agi_netw", b"agi_network: yes\n", b"agi_network: yes\nagi_channel: a"]
)
async def test_a_client_that_falls_silent_is_closed(
    bench: Bench, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.server.port)
    writer.write(data)
    assert await closed(reader)
    writer.close()
    assert "no complete header" in caplog.text
    assert bench.server.calls == 0


@pytest.mark.parametrize(
    "data",
    [
        b"agi_network: yes\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\n",
        b"agi_arg_1: " + b"x" * 70_000,
        b"agi_network: yes\nagi_uniqueid: ../../etc\n\n",
    ],
)
async def test_a_client_that_is_no_asterisk_is_closed(bench: Bench, data: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.server.port)
    writer.write(data)
    if data == b"agi_network: yes\n":
        writer.write_eof()
    assert await closed(reader)
    writer.close()
    assert bench.server.calls == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("where", ["query", "argument"])
@pytest.mark.parametrize(("given", "served"), [("s3cret", True), ("wrong", False), (None, False)])
async def test_the_shared_key(
    sounds: Sounds, given: str | None, served: bool, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []

    async def handle(call: AgiCall) -> None:
        seen.append(call.info.id)
        assert "key" not in call.info.context

    server = AgiServer(handle, sounds, port=0, key="s3cret")
    await server.start()
    async with FakeAsterisk("127.0.0.1", server.port) as asterisk:
        query = {"key": given} if given and where == "query" else {}
        header = {"agi_arg_1": given} if given and where == "argument" else {}
        fake = await asterisk.dial(query=query, header=header)
        await asyncio.wait_for(fake.ended.wait(), 5)
    await server.close()
    assert bool(seen) is served
    assert ("refused" in caplog.text) is not served
    assert "s3cret" not in caplog.text
    assert "wrong or" not in caplog.text or "wrong " not in caplog.text.split("key")[1]


async def test_a_broken_handler_is_logged_once_and_the_line_closed(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(call: AgiCall) -> None:
        raise ValueError("ours")

    fake = await bench.dial(handler, query={"call": "c-17"})
    await asyncio.wait_for(fake.ended.wait(), 5)
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == 1
    assert "c-17" in errors[0].getMessage()


async def test_a_hangup_is_no_error(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    fake = await bench.dial(lambda call: call.ask(Question(spoken("a"))))
    fake.hang_up(after=0.2)
    with pytest.raises(CallerHungUp):
        await bench.result()
    await asyncio.wait_for(fake.ended.wait(), 5)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_a_thousand_callers_at_once(sounds: Sounds, run: Callable[[Any], None]) -> None:
    run(thousand_callers(sounds))


async def thousand_callers(sounds: Sounds) -> None:
    answers: list[str] = []

    async def handle(call: AgiCall) -> None:
        await call.answer()
        answers.append((await call.ask(Question(spoken("menu")))).text)
        await call.transfer("queue", "destek", {})

    server = AgiServer(handle, sounds, port=0)
    await server.start()

    async def caller(asterisk: FakeAsterisk, number: int) -> str:
        fake = await asterisk.dial(query={"call": f"c-{number}"})
        await fake.played("/s/menu")
        fake.press("7")
        await fake.ended.wait()
        return fake.variables["SANTRAL_TO"]

    async with FakeAsterisk("127.0.0.1", server.port) as asterisk:
        calls = [caller(asterisk, number) for number in range(1000)]
        assert await asyncio.wait_for(asyncio.gather(*calls), 60) == ["destek"] * 1000
    assert answers == ["7"] * 1000
    await server.close()
    assert server.calls == 0


async def test_drain_lets_calls_finish_and_refuses_new_ones(bench: Bench) -> None:
    fake = await bench.dial(lambda call: call.ask(Question(spoken("menu"))))
    await fake.played("/s/menu")
    draining = asyncio.create_task(bench.server.drain(10))
    await asyncio.sleep(0)
    with pytest.raises(OSError, match="Connect call failed"):
        await bench.asterisk.dial()
    fake.press("1")
    assert (await bench.result()).text == "1"
    assert await draining == 0


async def test_drain_cuts_what_does_not_finish(bench: Bench) -> None:
    async def handler(call: AgiCall) -> None:
        await asyncio.sleep(60)

    fake = await bench.dial(handler)
    while not bench.server.calls:
        await asyncio.sleep(0.01)
    assert await bench.server.drain(0.05) == 1
    await asyncio.wait_for(fake.ended.wait(), 5)
    assert bench.server.calls == 0


async def test_drain_does_not_wait_for_a_client_that_said_nothing(bench: Bench) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.server.port)
    writer.write(b"agi_network: yes\n")
    await asyncio.sleep(0.02)
    assert await bench.server.drain(10) == 0
    assert await closed(reader)
    writer.close()


async def test_sigterm_drains() -> None:
    engine = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.ivr.agi.draining_engine", stdout=asyncio.subprocess.PIPE
    )
    assert engine.stdout is not None
    port = int(await asyncio.wait_for(engine.stdout.readline(), 10))
    async with FakeAsterisk("127.0.0.1", port) as asterisk:
        fake = await asterisk.dial()
        await fake.played("menu")
        engine.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(engine.stdout.readline(), 10) == b"draining\n"
        with pytest.raises(OSError, match="Connect call failed"):
            await asterisk.dial()
        fake.press("7")
        await asyncio.wait_for(fake.ended.wait(), 10)
    assert fake.variables["SANTRAL_TO"] == "queue7"
    assert await asyncio.wait_for(engine.stdout.readline(), 10) == b"cut 0\n"
    assert await asyncio.wait_for(engine.wait(), 10) == 0


async def test_clients_that_went_away_keep_nobody_busy(bench: Bench) -> None:
    """panoramisk's server spins for ever when a client closes before the blank line."""
    for data in (b"", b"agi_network: yes\n", b"agi_net"):
        _, writer = await asyncio.open_connection("127.0.0.1", bench.server.port)
        writer.write(data)
        await writer.drain()
        writer.close()
    loop = asyncio.get_running_loop()
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1

    selector = loop._selector  # type: ignore[attr-defined]
    select = selector.select
    selector.select = lambda timeout=None: (turn(), select(timeout))[1]
    await asyncio.sleep(0.2)
    selector.select = select
    assert turns < 20


REPLIES = b"200 result=0\nHANGUP\n"


@settings(max_examples=25)
@given(st.lists(st.integers(1, 40), max_size=30))
def test_packets_may_be_cut_anywhere(sizes: list[int]) -> None:
    """Header, reply and hang-up in packets of these sizes make the same call."""

    async def scenario() -> None:
        seen: list[str] = []

        async def handle(call: AgiCall) -> None:
            seen.append(call.info.id)
            await call.answer()
            seen.append("answered")
            with pytest.raises(CallerHungUp):
                await call.say(spoken("a"))
            seen.append("hung up")

        server = AgiServer(handle, Sounds(), port=0)
        await server.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        header = header_bytes("agi://127.0.0.1:1", "inbound?call=c-1", {"agi_callerid": "Şükrü"})
        await send_cut(writer, header, sizes)
        assert await reader.readline() == b"ANSWER\n"
        await send_cut(writer, REPLIES, sizes)
        await reader.read()
        writer.close()
        await server.close()
        assert seen == ["c-1", "answered", "hung up"]

    asyncio.run(scenario())


async def send_cut(writer: asyncio.StreamWriter, data: bytes, sizes: list[int]) -> None:
    start = 0
    for size in [*sizes, len(data)]:
        writer.write(data[start : start + size])
        await writer.drain()
        await asyncio.sleep(0)
        start += size


def test_far_deadlines_share_their_looks_and_near_ones_are_exact() -> None:
    assert together(100.3, 100.0) == 100.3
    assert {together(when, 100.0) for when in (110.01, 110.1, 110.25)} == {110.25}
    assert together(110.0, 100.0) == 110.0, "never before its time"
