"""Part of `bench/speech.py`: real-time calls on the listener alone, until answers fall behind."""

from __future__ import annotations

import asyncio
import json
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
import numpy as np
import psutil

from ivr.speech.aeap import Asked
from ivr.speech.engines import EngineChoice, SpeechSettings
from ivr.speech.supervisor import SpeechProcess
from ivr.speech.vad import EndPointing
from tests.ivr.speech import voices

MENU = ("sipariş durumu", "temsilci", "iptal", "kargo", "fatura", "ödeme", "iade", "ana menü")
HANGOVER = 500
SECONDS = 12.0
AIM = 50.0  # milliseconds beyond the hang-over


@dataclass(frozen=True)
class Said:
    frames: list[bytes]
    end: int  # the frame in which speech ends
    text: str


def sayings() -> list[Said]:
    """Menu phrases with quiet around them: speech is a third of the time, as in a menu."""
    found = []
    for number, text in enumerate(MENU):
        said = voices.spoken(text, ("tr", "tr+f3", "tr+m4")[number % 3])
        loud = np.flatnonzero(np.abs(said) > np.abs(said).max() * 0.03)
        padded = np.concatenate([voices.silence(1.0), said[: loud[-1]], voices.silence(1.6)])
        end = (8000 + loud[-1]) // 160
        found.append(Said(voices.frames(voices.over_the_telephone(padded)), int(end), text))
    return found


async def one_call(url: str, said: list[Said], seconds: float, late: list[float]) -> int:
    """Ask and answer in real time for so long; adds to `late`, returns how many were wrong."""
    loop = asyncio.get_running_loop()
    wrong = 0
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, protocols=("speech_to_text",)) as socket,
    ):
        await send(socket, {"request": "setup", "codecs": [{"name": "slin"}], "params": {}})
        await socket.receive()
        until = loop.time() + seconds
        await asyncio.sleep(random.random() * 2)
        number = random.randrange(len(said))
        while loop.time() < until:
            number += 1
            one = said[number % len(said)]
            asked = Asked(str(number), "tr", MENU, EndPointing(HANGOVER), barge_in=True)
            await send(socket, {"request": "set", "params": {"question": asked.to_json()}})
            text, at, ended = await answer(socket, one)
            late.append((at - ended) * 1000 - HANGOVER)
            wrong += text != one.text
    return wrong


async def answer(socket: aiohttp.ClientWebSocketResponse, said: Said) -> tuple[str, float, float]:
    """Speak and wait for the result: its text, when it came, and when speech ended."""
    loop = asyncio.get_running_loop()
    got: asyncio.Future[tuple[str, float]] = loop.create_future()
    reading = asyncio.create_task(read(socket, got))
    began, ended = loop.time(), 0.0
    for number, frame in enumerate(said.frames):
        await asyncio.sleep(began + number * 0.02 - loop.time())
        await socket.send_bytes(frame)
        if number == said.end:
            ended = loop.time()
        if got.done():
            break
    async with asyncio.timeout(10):
        text, at = await got
    await reading
    return text, at, ended


async def read(
    socket: aiohttp.ClientWebSocketResponse, got: asyncio.Future[tuple[str, float]]
) -> None:
    async for message in socket:
        data = json.loads(message.data)
        if "request" in data:
            result = data["params"]["results"][0]
            await send(socket, {"response": "set", "id": data["id"]}, number=False)
            if not result["grammar"].startswith("BARGEIN"):
                got.set_result((result["text"], asyncio.get_running_loop().time()))
                return


async def send(
    socket: aiohttp.ClientWebSocketResponse, message: dict[str, object], number: bool = True
) -> None:
    await socket.send_str(json.dumps(({"id": "x"} if number else {}) | message))


async def load(loads: Sequence[int], workers: int) -> None:
    """One line a number of calls."""
    said = sayings()
    settings = SpeechSettings(
        {"tr": (EngineChoice(),)}, port=0, workers=workers, calls=max(loads) + 10
    )
    print(f"\nthe listener alone, {workers} worker(s), calls in real time, {SECONDS:g} s each")
    async with SpeechProcess(settings) as speech:
        await speech.wait_ready(60)
        url = f"http://127.0.0.1:{speech.port}/aeap"
        processes = [psutil.Process(speech.pid), *psutil.Process(speech.pid).children()]
        idle = memory(processes)
        print(f"memory with no call: {idle / 1e6:.0f} MB in {len(processes)} processes")
        for calls in loads:
            before = cpu(processes)
            began = asyncio.get_running_loop().time()
            late: list[float] = []
            tasks = [one_call(url, said, SECONDS, late) for _ in range(calls)]
            running = asyncio.gather(*tasks)
            await asyncio.sleep(SECONDS - 1)
            used = memory(processes)
            wrong = sum(await running)
            spent = asyncio.get_running_loop().time() - began
            busy = [(b - a) / spent for a, b in zip(before, cpu(processes), strict=True)]
            p95 = statistics.quantiles(late, n=20)[-1]
            per_core = calls / sum(busy)
            print(
                f"{calls:4} calls: hang-over + {statistics.median(late):4.0f} ms (median), "
                f"{p95:4.0f} ms (95%), {wrong} of {len(late)} wrong; CPU listener {busy[0]:.0%}, "
                f"workers {sum(busy[1:]):.0%} = {per_core:.0f} calls a core; "
                f"memory a call {(used - idle) / calls / 1e3:.0f} kB"
                + ("" if p95 <= AIM else "  <- behind")
            )


def cpu(processes: Sequence[psutil.Process]) -> list[float]:
    return [sum(process.cpu_times()[:2]) for process in processes]


def memory(processes: Sequence[psutil.Process]) -> int:
    """What they do not share."""
    return sum(process.memory_full_info().uss for process in processes)
