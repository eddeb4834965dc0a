"""The fake Asterisk is itself checked: against bytes of the real one, and by pyst2's client."""

from __future__ import annotations

import asyncio
import io
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from asterisk.agi import (
    AGI,
    AGIAppError,
    AGIInvalidCommand,
    AGIUnknownError,
    AGIUsageError,
)

from tests.fakes.asterisk import FakeAsterisk, FakeCall
from tests.fakes.captures_format import SOUNDS, Capture, Turn, captures, escaped

SPEED = 20.0


class Replay:
    """An AGI server that repeats a capture's commands, and has the caller act as they did."""

    def __init__(self, capture: Capture) -> None:
        self.capture = capture
        self.header: list[str] = []
        self.turns: list[Turn] = []
        self.fake: FakeCall
        self.dialled = asyncio.Event()
        self.done = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (line := await reader.readline()) != b"\n":
            self.header.append(escaped(line.removesuffix(b"\n")))
        await self.dialled.wait()
        for turn in self.capture.turns:
            mine = Turn(turn.line, turn.press, turn.hang_up, turn.after)
            if turn.line:
                writer.write(turn.line.encode() + b"\n")
                await self.fake.asked(turn.line)
                await asyncio.sleep(0)
            if turn.press:
                self.fake.press(turn.press, after=turn.after, gap=0.14)
            if turn.hang_up:
                self.fake.hang_up(after=turn.after)
            for _ in turn.replies:
                line = await asyncio.wait_for(reader.readline(), 5)
                mine.replies.append(escaped(line.removesuffix(b"\n")) if line else "(closed)")
            self.turns.append(mine)
        writer.close()
        self.done.set()


@pytest.mark.parametrize("path", captures(), ids=lambda path: path.stem)
async def test_it_says_what_the_real_one_said(path: Path) -> None:
    capture = Capture.read(path)
    replay = Replay(capture)
    server = await asyncio.start_server(replay.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, FakeAsterisk("127.0.0.1", port, speed=SPEED) as asterisk:
        said = dict(line.split(": ", 1) for line in capture.header[:-1])
        script, _, rest = said["agi_network_script"].partition("?")
        query = dict(pair.split("=", 1) for pair in rest.split("&"))
        extra = {name: value for name, value in said.items() if name.startswith("agi_arg_")}
        fake = await asterisk.dial(path=script, query=query, header=extra)
        fake.channel.up = said["agi_extension"] != "101"
        fake.channel.missing |= {"{sounds}/nix", "{records}/no/such/a"}
        fake.channel.durations.update({f"{{sounds}}/{name}": s for name, s in SOUNDS.items()})
        fake.exit_on_hangup = path.stem == "hangup-exit"
        fake.variables["EXTEN"] = said["agi_extension"]
        replay.fake = fake
        replay.dialled.set()
        await asyncio.wait_for(replay.done.wait(), 30)
    assert [turn.said for turn in replay.turns] == [turn.said for turn in capture.turns]
    names = [line.split(":")[0] for line in capture.header[:-1]]
    assert [line.split(":")[0] for line in replay.header] == names
    assert "agi_accountcode: " in replay.header


def test_there_are_captures() -> None:
    assert len(list(captures())) >= 14


@pytest.fixture
def pyst2() -> Iterator[Callable[[Callable[[FakeCall], None]], AGI]]:
    """Let the fake dial pyst2's blocking client, here in the main thread as it wants it."""
    handler = signal.getsignal(signal.SIGHUP)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    sockets: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def connect(prepare: Callable[[FakeCall], None]) -> AGI:
        async def asterisk() -> None:
            over = asyncio.Event()
            loops.append((asyncio.get_running_loop(), over))
            port = listener.getsockname()[1]
            async with FakeAsterisk("127.0.0.1", port, speed=SPEED) as fakes:
                prepare(await fakes.dial(missing={"nix"}, durations={"half": 0.5}))
                await over.wait()

        thread = threading.Thread(target=lambda: asyncio.run(asterisk()))
        thread.start()
        threads.append(thread)
        connection, _ = listener.accept()
        connection.settimeout(10)
        sockets.append(connection)
        stream = connection.makefile("rw", encoding="utf-8", newline="\n")
        return AGI(stream, stream, io.StringIO())

    yield connect
    for connection in sockets:
        connection.close()
    for loop, over in loops:
        loop.call_soon_threadsafe(over.set)
    for thread in threads:
        thread.join(10)
    listener.close()
    signal.signal(signal.SIGHUP, handler)


Pyst2 = Callable[[Callable[[FakeCall], None]], AGI]


def test_pyst2_reads_the_header(pyst2: Pyst2) -> None:
    agi = pyst2(lambda fake: None)
    assert agi.env["agi_network_script"] == "inbound?call=call-1&entry=1&dialled=100"
    assert (agi.env["agi_enhanced"], agi.env["agi_accountcode"]) == ("0.0", "")
    assert agi.env["agi_threadid"].isdecimal()
    assert agi.env["agi_callerid"] == "05321234567"


def test_pyst2_talks_to_it(pyst2: Pyst2) -> None:
    agi = pyst2(lambda fake: None)
    assert agi.channel_status() == 4
    agi.answer()
    assert agi.channel_status() == 6
    agi.set_variable("NAME", "Şükrü & Co")
    assert agi.get_variable("NAME") == "Şükrü & Co"
    assert agi.get_full_variable("<${NAME}>") == "<Şükrü & Co>"
    assert agi.get_variable("NOPE") == ""
    assert agi.stream_file("half", "12") == ""
    assert agi.wait_for_digit(50) == ""
    assert agi.get_data("half", 100, 3) == ""
    assert agi.appexec("Background", "half") == "0"
    agi.verbose("hello", 3)
    agi.noop()


def test_pyst2_hears_keys(pyst2: Pyst2) -> None:
    fakes: list[FakeCall] = []

    def when_asked(fake: FakeCall) -> None:
        fakes.append(fake)

        async def caller() -> None:
            await fake.asked("STREAM FILE")
            fake.press("2", after=0.1)
            await fake.asked("WAIT FOR DIGIT")
            fake.press("#", after=0.1)
            await fake.asked("GET DATA")
            fake.press("12#", after=0.1, gap=0.1)
            await fake.asked("EXEC")
            fake.press("5", after=0.1)

        fake._start(caller())

    agi = pyst2(when_asked)
    assert agi.stream_file("half", "12") == "2"
    assert agi.wait_for_digit(5000) == "#"
    assert agi.get_data("half", 5000, 4) == "12"
    assert agi.appexec("Background", "half") == str(ord("5"))
    assert fakes[0].lost == []


def test_pyst2_is_told_what_is_wrong(pyst2: Pyst2) -> None:
    agi = pyst2(lambda fake: None)
    with pytest.raises(AGIInvalidCommand):
        agi.execute("NIX")
    with pytest.raises(AGIUsageError, match="Proper usage follows"):
        agi.execute("WAIT FOR DIGIT")
    with pytest.raises(AGIAppError, match="Unable to find application"):
        agi.appexec("Nix")
    with pytest.raises(AGIAppError):
        agi.stream_file("nix")
    agi.noop()


def test_pyst2_is_told_of_a_hangup(pyst2: Pyst2) -> None:
    def hangs_up(fake: FakeCall) -> None:
        async def caller() -> None:
            await fake.asked("WAIT FOR DIGIT")
            fake.hang_up(after=0.1)

        fake._start(caller())

    agi = pyst2(hangs_up)
    with pytest.raises(AGIAppError):
        agi.wait_for_digit(5000)
    assert re.fullmatch(r"HANGUP\n", agi.stdin.readline())  # pyst2 has no notion of this line
    with pytest.raises(AGIUnknownError):
        agi.answer()
    agi.set_variable("STILL", "works")
