"""How soon a call is on the agent's page: `AgentCalled` of a real Asterisk to the last byte of the
pop in the browser's connection, with 200 desks open and a tenth of their connections cut.

    santral bench pop
    santral bench pop --desks 20 --rate 5 --seconds 10

Everything is real: the engine in its own process, its flow and its queue, Asterisk, 200 registered
telephones that ring and answer (`bench/pop_phones.py`), and 200 signed-in desks that read their
events, acknowledge each pop, and come back with `Last-Event-ID` when their connection was cut. The
clock is the machine's: Asterisk stamps its events with it. What was lost or doubled is told by the
telephones: each that rang has to be one pop, once, on its own desk, and on no other.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import uvloop
from argon2 import PasswordHasher
from pydantic import SecretStr

from bench.processor import cpu_seconds, machine
from cti.ami import actions
from cti.ami.bridge import Account, Bridge
from cti.db.engine import open_engine
from cti.db.store.people import PeopleStore
from cti.demo import Demo, demo_running
from cti.settings import CHECKOUT, HOME
from ivr.errors import TelephonyFault

MEDIAN: Final = 8.0  # milliseconds
P99: Final = 40.0
TALK: Final = 2.0  # seconds
PASSWORD: Final = "bench-of-pops-1"  # noqa: S105 (of users that live for a minute)
FLOW: Final = """flow: bench
languages: [en]
start: to
steps:
  to: {type: queue, to: bench}
"""
QUEUES: Final = """queues:
  bench: {strategy: least_recent, ring: 20s, wrap_up: 0s}
"""


@dataclass
class Seen:
    """A pop that arrived: by which desk, which call, how long it took in ms, and whether it came
    after a cut."""

    desk: str
    pop: str
    call: str
    ms: float
    late: bool


@dataclass
class Desk:
    """One agent's browser."""

    login: str
    url: str
    http: aiohttp.ClientSession
    seen: list[Seen]
    csrf: str = ""
    last: str = ""
    cuts: int = 0
    sequences: Counter[str] = field(default_factory=Counter)
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None
    open: asyncio.Event = field(default_factory=asyncio.Event)
    since: float = 0.0
    returns: list[float] = field(default_factory=list)

    async def sign_in(self) -> None:
        given = {"login": self.login, "password": PASSWORD}
        async with self.http.post(f"{self.url}/api/session", json=given) as answer:
            answer.raise_for_status()
            self.csrf = (await answer.json())["csrf"]
        async with self.post("/api/agent/sign-in", {}) as answer:
            answer.raise_for_status()

    def post(self, path: str, given: Any) -> Any:
        headers = {"X-CSRF-Token": self.csrf}
        return self.http.post(f"{self.url}{path}", json=given, headers=headers)

    async def stay(self) -> None:
        """Read events for ever; reconnect as a browser does."""
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._read()
            self.open.clear()
            await asyncio.sleep(random.uniform(0.1, 8.0))  # a network that is away for a while

    def cut(self) -> None:
        """As when a cable is pulled: no goodbye."""
        if self.writer is not None:
            self.cuts += 1
            self.writer.transport.abort()

    async def _read(self) -> None:
        began = time.time()
        (cookie,) = [c for c in self.http.cookie_jar if c.key == "santral_session"]
        host, _, port = self.url.removeprefix("http://").partition(":")
        self.reader, self.writer = await asyncio.open_connection(host, int(port))
        last = f"Last-Event-ID: {self.last}\r\n" if self.last else ""
        self.writer.write(
            f"GET /events HTTP/1.0\r\nHost: {host}:{port}\r\n{last}"
            f"Cookie: santral_session={cookie.value}\r\n\r\n".encode()
        )
        kind, id = "", ""
        while line := await self.reader.readline():
            if line.startswith(b"event: "):
                kind = line[7:-1].decode()
                if kind == "hello":
                    self.since = time.time()
                    self.returns.append((self.since - began) * 1000)
                    self.open.set()
                assert kind != "resync", "a resync, where everything has to be given again"
            elif line.startswith(b"id: "):
                id = line[4:-1].decode()
            elif line == b"\n" and id:
                self.last, id = id, ""
            elif kind == "pop" and line.startswith(b"data: "):
                self._pop(json.loads(line[6:]), time.time())
        self.writer.close()

    def _pop(self, data: dict[str, Any], now: float) -> None:
        self.sequences[f"{data['kind']}-{data['sequence']}"] += 1
        pop = data["value"]
        if pop["revision"] == 1:
            late = pop["at"] < self.since
            ms = (now - pop["at"]) * 1000
            self.seen.append(Seen(self.login, pop["id"], pop["call"], ms, late))
            asyncio.ensure_future(self._acknowledge(data["sequence"]))  # noqa: RUF006

    async def _acknowledge(self, sequence: int) -> None:
        async with self.post("/api/ack", {"sequence": sequence}) as answer:
            assert answer.status == 204


@contextlib.asynccontextmanager
async def stage(desks: int) -> AsyncIterator[tuple[Demo, list[str]]]:
    with tempfile.TemporaryDirectory(prefix="santral-pop-") as folder:
        home, scenarios = Path(folder), Path(folder) / "scenarios"
        scenarios.mkdir()
        (scenarios / "bench.yaml").write_text(FLOW)
        (scenarios / "queues.yaml").write_text(QUEUES)
        (scenarios / "lines.yaml").write_text("lines: {}\ndefault: {flow: bench}\n")
        shutil.copy(HOME / "scenarios/desk.yaml", scenarios)
        state = CHECKOUT / ".santral"
        async with demo_running(
            state, tell, home=home / "demo", history=False, scenarios=scenarios, speech_port=0,
            prompt_cache=state / "demo" / "prompts", drain=1.0, reports_every=0.0,
        ) as demo:  # fmt: skip
            yield demo, await _hire(demo, desks)


async def _hire(demo: Demo, desks: int) -> list[str]:
    hashed = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    engine = open_engine(demo.settings.journal_database)
    people = PeopleStore(engine)
    logins = [f"desk{number:03d}" for number in range(desks)]
    try:
        for login in logins:
            await people.add(login, login, "agent", hashed, "en")
            await people.seat(login, extension=login, phone="desk", seats={"bench": 0})
    finally:
        await engine.dispose()
    return logins


def passwords(demo: Demo, logins: Sequence[str]) -> dict[str, str]:
    """The SIP passwords, as Asterisk was told them."""
    path = demo.asterisk.settings.etc / "santral-phones.conf"
    found, user = {}, ""
    for line in path.read_text().splitlines():
        name, _, value = line.partition(" = ")
        if name == "username":
            user = value
        elif name == "password" and user in logins:
            found[user] = value
    return found


@contextlib.asynccontextmanager
async def phones(demo: Demo, logins: Sequence[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    known: dict[str, str] = {}
    for _ in range(60):  # the engine takes new accounts up within seconds
        known = await asyncio.to_thread(passwords, demo, logins)
        if len(known) == len(logins):
            break
        await asyncio.sleep(0.5)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.pop_phones", limit=1 << 24,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        plan = {"server": demo.sip, "accounts": known}
        process.stdin.write(json.dumps(plan).encode() + b"\n")
        async with asyncio.timeout(60):
            said = await process.stdout.readline()
        if said != b"ready\n":
            raise RuntimeError("the telephones have not registered")
        yield process
    finally:
        if process.returncode is None:
            process.stdin.close()
            await process.wait()


async def run(options: argparse.Namespace) -> dict[str, Any]:
    about = machine()
    seen: list[Seen] = []
    async with stage(options.desks) as (demo, logins), phones(demo, logins) as ringing:
        tell(f"{options.desks} telephones have registered")
        desks = await _open_desks(demo, logins, seen)
        staying = [asyncio.create_task(desk.stay()) for desk in desks]
        await asyncio.gather(*(asyncio.wait_for(desk.open.wait(), 30) for desk in desks))
        tell(
            f"{len(desks)} desks are open; {options.rate:g} calls a second for {options.seconds} s"
        )
        before, began = cpu_seconds(demo.engine.pid), time.monotonic()
        gc.collect()
        gc.freeze()  # what we measure is the engine, not our own collector
        cutting = asyncio.create_task(_cut(desks, options))
        refused = await _call(demo, options)
        await asyncio.sleep(12.0)  # until the last who was cut off is back, and has had its pops
        cutting.cancel()
        spent = (cpu_seconds(demo.engine.pid) - before) / (time.monotonic() - began)
        assert ringing.stdin is not None
        assert ringing.stdout is not None
        ringing.stdin.close()
        rang = json.loads(await ringing.stdout.readline())
        for task in staying:
            task.cancel()
        for desk in desks:
            await desk.http.close()
        about["asterisk"] = demo.asterisk.installation.title
    return {"machine": about, **vars(options), "refused": refused,
            "engine_cpu": round(spent, 3), **verdict(seen, rang, desks)}  # fmt: skip


async def _open_desks(demo: Demo, logins: Sequence[str], seen: list[Seen]) -> list[Desk]:
    room = asyncio.Semaphore(4)
    desks = [
        Desk(login, demo.url.rstrip("/"), aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True)), seen)
        for login in logins
    ]  # fmt: skip

    async def one(desk: Desk) -> None:
        async with room:
            await desk.sign_in()

    await asyncio.gather(*map(one, desks))
    return desks


async def _cut(desks: Sequence[Desk], options: argparse.Namespace) -> None:
    """A tenth of the connections, each once, at a random moment."""
    chance = random.Random(options.seed)
    chosen = chance.sample(list(desks), max(1, len(desks) // 10))
    moments = sorted(chance.uniform(0, options.seconds) for _ in chosen)
    began = time.monotonic()
    for desk, moment in zip(chosen, moments, strict=True):
        await asyncio.sleep(max(0.0, began + moment - time.monotonic()))
        desk.cut()


async def _call(demo: Demo, options: argparse.Namespace) -> int:
    """Place the calls, evenly; how many Asterisk refused."""
    settings = demo.asterisk.settings
    account = Account(settings.ami_user, SecretStr(settings.ami_secret), port=settings.ami_port)
    refused = 0
    async with Bridge(account, lambda event: None, classes="system") as bridge:
        await bridge.ready(10)

        async def one(number: int) -> None:
            nonlocal refused
            caller = f"+90532{number % 100:02d}00000"
            try:
                await bridge.send(
                    actions.Originate(
                        "Local/100@santral-inbound/n", application="Wait", data=str(TALK),
                        caller_id=f'"Bench" <{caller}>', ring_for=60.0, id=f"pop-{number}",
                    )
                )  # fmt: skip
            except TelephonyFault:
                refused += 1

        tasks = []
        began = time.monotonic()
        for number in range(round(options.rate * options.seconds)):
            await asyncio.sleep(max(0.0, began + number / options.rate - time.monotonic()))
            tasks.append(asyncio.create_task(one(number)))
        await asyncio.gather(*tasks)
    return refused


def verdict(seen: Sequence[Seen], rang: Sequence[Sequence[str]], desks: Sequence[Desk]) -> Any:
    """Latencies of what was told at once; what was cut off is counted, and timed by itself."""
    at_once = sorted(one.ms for one in seen if not one.late)
    afterwards = [one.ms for one in seen if one.late]
    there = Counter((one.desk, one.call) for one in seen)
    wanted = Counter((user, call) for user, call in rang)
    lost = sum((wanted - there).values())
    doubled = sum((there - wanted).values())
    again = sum(count - 1 for desk in desks for count in desk.sequences.values())

    def at(part: float) -> float:
        return round(at_once[min(len(at_once) - 1, int(part * len(at_once)))], 2)

    figures = {
        "pops": len(seen), "rang": len(rang), "cut": sum(desk.cuts for desk in desks),
        "told_after_a_cut": len(afterwards),
        "median_ms": round(statistics.median(at_once), 2) if at_once else None,
        "p95_ms": at(0.95) if at_once else None, "p99_ms": at(0.99) if at_once else None,
        "max_ms": at(1.0) if at_once else None,
        "reconnect_max_ms": round(max(ms for desk in desks for ms in desk.returns[1:] or [0.0]), 2),
        "lost": lost, "doubled": doubled, "events_twice": again,
    }  # fmt: skip
    good = bool(at_once) and lost == doubled == again == 0
    good = good and figures["median_ms"] <= MEDIAN and figures["p99_ms"] <= P99  # type: ignore[operator]
    return {**figures, "load": [round(one, 2) for one in os.getloadavg()], "good": good}


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("santral bench pop", description=__doc__, formatter_class=raw)
    parser.add_argument("--desks", type=int, default=200)
    parser.add_argument("--rate", type=float, default=15.0, help="calls a second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    report = uvloop.run(run(parser.parse_args(arguments)))
    print(json.dumps(report, indent=2))
    return 0 if report["good"] else 1
