"""Who else is there in a soak: people at desks who take calls, and customers who are called.

The agents are telephones that ring and pick up (pop_phones.py) and browsers that read their events;
the customers are behind a SIP trunk (callees.py), told of over the API as a shop does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml
from argon2 import PasswordHasher
from sqlalchemy import func, select

from bench.pop import PASSWORD, Desk, passwords
from cti.asterisk import Trunk
from cti.db.engine import open_engine
from cti.db.models import outbound_attempts, outbound_jobs
from cti.db.store.people import PeopleStore
from cti.demo import Demo, demo_running
from cti.demo_order import TRUNK, Receiver, demo_rules, shop_token
from cti.settings import CHECKOUT, Settings

DESKS: Final = 12
WRAP_UP: Final = "3s"
TALKS: Final = 12.0  # seconds after which an agent hangs up
ORDERS: Final = 0.3  # a second that the shop tells of: each is a call that goes out
TRIES: Final = 30  # of telling, a second apart: the engine may be away
LINE: Final = 1 << 24  # the longest line a process of ours may say
REGISTERED_WITHIN: Final = 60.0


class SoakDesk(Desk):
    """A browser that goes through an engine's death: it asks for everything again, and goes on."""

    async def stay(self) -> None:
        while True:
            with contextlib.suppress(
                OSError,
                asyncio.IncompleteReadError,
                aiohttp.ClientError,
                AssertionError,
                ValueError,
            ):
                await self._read()
            self.open.clear()
            await asyncio.sleep(2)


@dataclass(slots=True)
class Told:
    """What came of desks and shop. `rang` are agents' telephones, `pops` what their pages showed;
    of the orders: told and taken, jobs in the books, INVITEs that came, and numbers that were rung
    more often than an attempt was made."""

    desks: int = 0
    rang: int = 0
    pops: int = 0
    orders_taken: int = 0
    orders_refused: int = 0
    jobs: int = 0
    invites: int = 0
    attempts: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    rung_too_often: int = 0
    webhooks: int = 0
    forged: int = 0


@dataclass(slots=True)
class World:
    """A demo with all of them."""

    demo: Demo
    told: Told
    receiver: Receiver
    callees: asyncio.subprocess.Process
    phones: asyncio.subprocess.Process
    desks: Sequence[SoakDesk]
    seen: list[Any]
    token: str

    async def tell_orders(self, seconds: float) -> None:
        """The shop's own system, as long as it goes."""
        loop = asyncio.get_running_loop()
        began, number, telling = loop.time(), 0, set()
        while loop.time() - began < seconds:
            await asyncio.sleep(max(0.0, began + number / ORDERS - loop.time()))
            number += 1
            one = asyncio.create_task(self._tell(number))
            telling.add(one)
            one.add_done_callback(telling.discard)
        if telling:
            await asyncio.wait(telling)

    async def _tell(self, number: int) -> None:
        """The same event again until it is taken: it is known by its id."""
        total, order = "1459.90", f"{5_000_000 + number}"
        body = {
            "id": f"soak-{number}", "event": "order.created",
            "customer": {"phone": f"+90532{number:07d}", "name": "Ayşe Yılmaz", "language": "tr",
                         "tier": "gold", "consent": True},
            "order": {"number": order, "total": total, "currency": "TRY", "categories": ["kitchen"],
                      "items": [{"sku": "CZV-1", "name": "Bakır cezve", "unit_price": total}]},
        }  # fmt: skip
        url = f"http://127.0.0.1:{self.demo.settings.web_port}/api/v1/orders"
        headers = {"Authorization": f"Bearer {self.token}"}
        timeout = aiohttp.ClientTimeout(10)
        for _ in range(TRIES):
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with (
                    aiohttp.ClientSession(timeout=timeout) as session,
                    session.post(url, json=body, headers=headers) as answer,
                ):
                    if answer.status == 202:
                        self.told.orders_taken += 1
                        return
            await asyncio.sleep(1)
        self.told.orders_refused += 1

    async def account(self) -> None:
        """The shop's books against what its customers saw, and the desks against telephones."""
        told = self.told
        came: Counter[str] = Counter(n for n, _ in json.loads(await _ask(self.callees)))
        engine = open_engine(self.demo.settings.journal_database)
        try:
            async with engine.connect() as connection:
                count = select(func.count()).select_from(outbound_jobs)
                told.jobs = (await connection.execute(count)).scalar_one()
                columns = (outbound_attempts.c.phone, outbound_attempts.c.outcome)
                query = select(*columns).where(outbound_attempts.c.started_at.is_not(None))
                rows = (await connection.execute(query)).all()
        finally:
            await engine.dispose()
        tried = Counter(row.phone for row in rows)
        told.invites, told.attempts = came.total(), len(rows)
        told.outcomes = dict(Counter(row.outcome or "open" for row in rows))
        told.rung_too_often = (came - tried).total()
        told.webhooks, told.forged = len(self.receiver.got), self.receiver.forged
        assert self.phones.stdin is not None
        assert self.phones.stdout is not None
        self.phones.stdin.close()
        told.rang = len(json.loads(await self.phones.stdout.readline()))
        told.pops = len(self.seen)


async def _ask(process: asyncio.subprocess.Process) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\n")
    return (await asyncio.wait_for(process.stdout.readline(), 30)).decode()


async def _start(module: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, stdin=pipe, stdout=pipe, limit=LINE, cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )  # fmt: skip


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def world(folder: Path, changes: Mapping[str, Any]) -> AsyncIterator[World]:
    """Everything up, and everybody at their place."""
    state, receiver = Settings.from_environment().state, Receiver()
    seen: list[Any] = []
    callees, phones = await _start("bench.callees"), await _start("bench.pop_phones")
    try:
        assert callees.stdout is not None
        port = int(await callees.stdout.readline())
        async with receiver.open():
            shipped = Settings.from_environment().scenarios
            rules = await asyncio.to_thread(
                demo_rules, shipped, folder / "scenarios", receiver.port
            )
            await asyncio.to_thread(_short_wrap_up, rules / "queues.yaml")
            trunk = Trunk(TRUNK, f"sip:127.0.0.1:{port}")
            given = {"scenarios": rules, "http_private": "127.0.0.1", **changes}
            async with demo_running(
                state, lambda text: None, home=folder / "demo", trunks=(trunk,), **given
            ) as demo:
                secret = folder / "demo/webhook-secret"
                receiver.secret = (
                    demo.settings.webhook_secret.get_secret_value()
                    or (await asyncio.to_thread(secret.read_text, "utf-8")).strip()
                )
                token = await _hire(demo)
                desks = await _sit_down(demo, phones, seen)
                staying = [asyncio.create_task(desk.stay()) for desk in desks]
                told = Told(desks=len(desks))
                try:
                    await asyncio.gather(*(asyncio.wait_for(d.open.wait(), 30) for d in desks))
                    yield World(demo, told, receiver, callees, phones, desks, seen, token)
                finally:
                    for one in staying:
                        one.cancel()
                    await asyncio.gather(*staying, return_exceptions=True)
                    for desk in desks:
                        await desk.http.close()
    finally:
        await asyncio.gather(_stop(callees), _stop(phones))


def _short_wrap_up(path: Path) -> None:
    queues = yaml.safe_load(path.read_text("utf-8"))
    for queue in queues["queues"].values():
        queue["wrap_up"] = WRAP_UP
    path.write_text(yaml.safe_dump(queues, allow_unicode=True), "utf-8")


def _logins() -> list[str]:
    return [f"soak{number:02d}" for number in range(DESKS)]


async def _hire(demo: Demo) -> str:
    """The agents; gives the shop's token back."""
    hashed = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    engine = open_engine(demo.settings.journal_database)
    people = PeopleStore(engine)
    try:
        for login in _logins():
            await people.add(login, login, "agent", hashed, "en")
            await people.seat(login, extension=login, phone="desk", seats={"support": 0})
        return await shop_token(engine)
    finally:
        await engine.dispose()


async def _sit_down(
    demo: Demo, phones: asyncio.subprocess.Process, seen: list[Any]
) -> list[SoakDesk]:
    known: dict[str, str] = {}
    for _ in range(120):  # the engine takes new accounts up within seconds
        known = await asyncio.to_thread(passwords, demo, _logins())
        if len(known) == DESKS:
            break
        await asyncio.sleep(0.5)
    assert phones.stdin is not None
    assert phones.stdout is not None
    plan = {"server": demo.sip, "accounts": known, "talks": TALKS}
    phones.stdin.write(json.dumps(plan).encode() + b"\n")
    said = await asyncio.wait_for(phones.stdout.readline(), REGISTERED_WITHIN)
    if said != b"ready\n":
        raise RuntimeError("the agents' telephones have not registered")
    desks = []
    for login in _logins():
        http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        desk = SoakDesk(login, demo.url.rstrip("/"), http, seen)
        await desk.sign_in()
        desks.append(desk)
    return desks
