"""Part of `bench/speech.py`: real-time calls on the listener alone, until answers fall behind.

The callers are processes of their own, 20 calls each; how late they themselves are with their audio
is told too, because a machine that is too busy to speak in time cannot tell who answered late.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

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
SHARE = 20  # calls in one process


@dataclass
class Outcome:
    """What some calls saw, in milliseconds; `slips` is how late their own frames left."""

    late: list[float] = field(default_factory=list)
    slips: list[float] = field(default_factory=list)
    wrong: int = 0


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


async def one_call(url: str, said: list[Said], seconds: float, outcome: Outcome) -> None:
    """Ask and answer in real time for so long."""
    loop = asyncio.get_running_loop()
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
            text, at, ended = await answer(socket, one, outcome)
            outcome.late.append((at - ended) * 1000 - HANGOVER)
            outcome.wrong += text != one.text


def caller(url: str, calls: int, seconds: float) -> Outcome:
    """One process's calls."""
    outcome = Outcome()
    said = sayings()

    async def talk() -> None:
        await asyncio.gather(*(one_call(url, said, seconds, outcome) for _ in range(calls)))

    asyncio.run(talk())
    return outcome


async def answer(
    socket: aiohttp.ClientWebSocketResponse, said: Said, outcome: Outcome
) -> tuple[str, float, float]:
    """Speak and wait for the result: its text, when it came, and when speech ended."""
    loop = asyncio.get_running_loop()
    got: asyncio.Future[tuple[str, float]] = loop.create_future()
    reading = asyncio.create_task(read(socket, got))
    began, ended = loop.time(), 0.0
    for number, frame in enumerate(said.frames):
        await asyncio.sleep(began + number * 0.02 - loop.time())
        outcome.slips.append((loop.time() - began - number * 0.02) * 1000)
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
    loop = asyncio.get_running_loop()
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
            shares = [min(SHARE, calls - start) for start in range(0, calls, SHARE)]
            with ProcessPoolExecutor(len(shares), mp_context=get_context("spawn")) as callers:
                outcomes = [
                    loop.run_in_executor(callers, caller, url, share, SECONDS) for share in shares
                ]
                await asyncio.sleep(SECONDS / 2)  # they start, and speak
                before, began = cpu(processes), loop.time()
                await asyncio.sleep(SECONDS / 2)
                used, after, spent = memory(processes), cpu(processes), loop.time() - began
                found = await asyncio.gather(*outcomes)
            busy = [(b - a) / spent for a, b in zip(before, after, strict=True)]
            told = line(calls, found, busy, (used - idle) / calls)
            print(told)
            if "<-" in told:
                return  # more calls would only bury it


def line(calls: int, found: Sequence[Outcome], busy: Sequence[float], each: float) -> str:
    late = [ms for one in found for ms in one.late]
    slips = [ms for one in found for ms in one.slips]
    wrong = sum(one.wrong for one in found)
    p95 = statistics.quantiles(late, n=20)[-1]
    own = statistics.quantiles(slips, n=20)[-1]
    verdict = ""
    if p95 > AIM:
        verdict = "  <- behind" if own < AIM / 2 else "  <- the callers themselves are late"
    return (
        f"{calls:4} calls: hang-over + {statistics.median(late):4.0f} ms (median), "
        f"{p95:4.0f} ms (95%), {wrong} of {len(late)} wrong; CPU listener {busy[0]:.0%}, "
        f"workers {sum(busy[1:]):.0%} = {calls / max(0.01, sum(busy)):.0f} calls a core; "
        f"memory a call {each / 1e3:.0f} kB; callers' audio {own:.0f} ms late (95%){verdict}"
    )


def cpu(processes: Sequence[psutil.Process]) -> list[float]:
    return [sum(process.cpu_times()[:2]) for process in processes]


def memory(processes: Sequence[psutil.Process]) -> int:
    """What they do not share."""
    return sum(process.memory_full_info().uss for process in processes)
