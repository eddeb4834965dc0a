"""The listener's process: ready, killed, hanging, stopped, orphaned. Real processes throughout."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import psutil
import pytest

from ivr.errors import RecogniserFailed
from ivr.speech.engines import EngineChoice, SpeechSettings
from ivr.speech.supervisor import SpeechProcess

FAKE = (sys.executable, str(Path(__file__).parents[2] / "fakes" / "speech_listener.py"))
ONE = SpeechSettings({"tr": (EngineChoice(),)}, port=0, workers=1)


async def gone(pids: list[int]) -> None:
    async with asyncio.timeout(10):
        while any(psutil.pid_exists(pid) for pid in pids):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("strike", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM])
async def test_one_that_dies_or_hangs_is_replaced(strike: signal.Signals) -> None:
    async with SpeechProcess(ONE, FAKE, silence=0.5) as speech:
        assert not speech.ready
        assert speech.languages() == {}
        await speech.wait_ready(10)
        assert speech.alive
        assert (speech.port, speech.languages()) == (9, {"tr": "fake"})
        first = speech.pid
        os.kill(first, strike)
        await speech.wait_ready(10, restarts=1)
        assert speech.pid != first
        await gone([first])
        second = speech.pid
    assert not speech.alive
    assert speech.port == 0
    await gone([second])


async def test_one_that_went_on_while_we_stood_still_is_left_alone() -> None:
    async with SpeechProcess(ONE, FAKE, silence=0.5) as speech:
        await speech.wait_ready(10)
        first = speech.pid
        for _ in range(3):
            time.sleep(0.8)  # as when this process is stopped, or the machine is asleep
            await asyncio.sleep(0.1)
        assert (speech.pid, speech.restarts) == (first, 0)


async def test_one_that_cannot_start_is_tried_again_and_told() -> None:
    nobody = SpeechSettings({"tr": (EngineChoice(model="/nowhere"),)}, port=0, workers=1)
    async with SpeechProcess(nobody, (sys.executable, "-c", "pass")) as speech:
        with pytest.raises(RecogniserFailed, match="not ready within"):
            await speech.wait_ready(0.4)
        assert speech.restarts >= 1


TOLD = b'"grammar":"GONE"'
UPGRADE = (
    b"GET /aeap HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: speech_to_text\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def test_who_was_connected_to_one_that_is_killed_is_told_and_sees_an_end_and_no_reset() -> (
    None
):
    """With audio on the way that nobody will read; a thread of Asterisk's that writes must not
    learn of it before the one that reads (see `holding.py`)."""
    async with SpeechProcess(ONE) as speech:
        await speech.wait_ready(30)
        reader, writer = await asyncio.open_connection("127.0.0.1", speech.port)
        writer.write(UPGRADE)
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        killed = psutil.Process(speech.pid)
        killed.suspend()
        writer.write(bytes(100_000))
        await writer.drain()
        killed.kill()
        async with asyncio.timeout(10):
            fin, length = await reader.readexactly(2)
            assert fin == 0x81, "a text message, whole"
            assert TOLD in await reader.readexactly(length)
            assert await reader.read() == b""  # ConnectionResetError, were it left to the kernel
        await speech.wait_ready(30, restarts=1)


async def test_it_serves_asterisk_and_dies_with_the_process_that_started_it() -> None:
    """The real one, to the end: a parent that is killed tells nobody; the kernel does."""
    code = (
        "import asyncio, sys\n"
        "from tests.ivr.speech.test_supervisor import ONE\n"
        "from ivr.speech.supervisor import SpeechProcess\n"
        "async def main():\n"
        "    async with SpeechProcess(ONE) as speech:\n"
        "        await speech.wait_ready(30)\n"
        "        print(speech.pid, speech.port, *speech.languages().items(), flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    async with asyncio.timeout(40):
        pid, port, *languages = (await parent.stdout.readline()).decode().split(maxsplit=2)
    assert languages == ["('tr', 'vosk')\n"]
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(f"http://127.0.0.1:{port}/aeap")
        pids = [int(pid), *(child.pid for child in psutil.Process(int(pid)).children())]
        assert len(pids) == 2
        parent.kill()
        await parent.wait()
        assert TOLD.decode() in await socket.receive_str(timeout=10)
        assert (await socket.receive(timeout=10)).type is aiohttp.WSMsgType.CLOSE
    await gone(pids)
