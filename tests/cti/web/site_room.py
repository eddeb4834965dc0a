"""The whole desk as `cti/main.py` opens it, served on a real port, before a Manager that speaks
real bytes; and desks that read its events.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from argon2 import PasswordHasher
from pydantic import SecretStr

from cti.accounts import Passwords
from cti.ami import events as ami
from cti.asterisk import free_ports
from cti.bus import LocalBus
from cti.db.engine import open_engine
from cti.db.lookup import open_lookup
from cti.db.queries import load_queries
from cti.db.store.flows import FlowStore
from cti.db.store.outbox import OutboxStore
from cti.db.store.people import PeopleStore
from cti.demo_shop import seed_shop
from cti.journal.journal import open_journal
from cti.lines import load_lines
from cti.queues import load_queues
from cti.roster import queue_rows
from cti.scenarios import OnLine, Scenarios
from cti.services.notifier import open_notifier
from cti.services.outside import Allowed, open_session
from cti.services.versions import Versions
from cti.services.webhooks import Sender
from cti.settings import HOME, Settings
from cti.web import bundling
from cti.web.api.opening import make_api
from cti.web.opening import Desking, Room, opened, prepare
from ivr.flow.folder import load_folder
from tests.fakes.manager import FakeManager

PASSWORD = "mavi-deniz-42"
PEOPLE = (
    ("ayse", "Ayşe <script>alert(1)</script>", "agent", ("support",)),
    ("bora", "Bora", "agent", ("support", "returns")),
    ("sema", "Sema", "supervisor", ()),
    ("emre", "Emre", "editor", None),
    ("root", "Kök", "admin", ()),
)
HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


@dataclass(frozen=True)
class Message:
    """One server-sent event."""

    kind: str
    id: str
    data: Mapping[str, Any]


@dataclass
class Page:
    """Somebody's browser: a cookie, a CSRF token, and what its stream has told."""

    http: aiohttp.ClientSession
    url: str
    me: Mapping[str, Any] = field(default_factory=dict)

    async def sign_in(self, login: str, password: str = PASSWORD) -> aiohttp.ClientResponse:
        answer = await self.http.post(
            f"{self.url}/api/session", json={"login": login, "password": password}
        )
        if answer.status == 200:
            self.me = await answer.json()
        return answer

    async def get(self, path: str, **more: Any) -> aiohttp.ClientResponse:
        return await self.http.get(f"{self.url}{path}", **more)

    async def read(self, path: str) -> Any:
        answer = await self.get(path)
        assert answer.status == 200, await answer.text()
        return await answer.json()

    async def post(
        self, path: str, given: Any = None, *, method: str = "POST", **headers: str
    ) -> aiohttp.ClientResponse:
        headers = {"X-CSRF-Token": str(self.me.get("csrf", ""))} | headers
        given = {} if given is None else given
        return await self.http.request(method, f"{self.url}{path}", json=given, headers=headers)

    @asynccontextmanager
    async def events(self, query: str = "", last: str = "") -> AsyncIterator[Stream]:
        headers = {"Last-Event-ID": last} if last else {}
        async with self.http.get(f"{self.url}/events{query}", headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            yield Stream(answer)


@dataclass
class Stream:
    answer: aiohttp.ClientResponse
    seen: list[Message] = field(default_factory=list)

    async def next(self, seconds: float = 10.0) -> Message:
        """The next message. `EOFError` when the server has closed."""
        kind = id = data = ""
        async with asyncio.timeout(seconds):
            while True:
                line = (await self.answer.content.readline()).decode()
                if not line:
                    raise EOFError
                line = line.rstrip("\n")
                if not line and kind:
                    message = Message(kind, id, json.loads(data))
                    self.seen.append(message)
                    return message
                name, _, value = line.partition(": ")
                if name == "event":
                    kind = value
                elif name == "id":
                    id = value
                elif name == "data":
                    data = value

    async def until(self, kind: str, seconds: float = 10.0, **value: Any) -> Message:
        """The next message of a kind whose value has these fields."""
        async with asyncio.timeout(seconds):
            while True:
                message = await self.next(seconds)
                told = message.data.get("value", message.data)
                if message.kind == kind and all(
                    isinstance(told, dict) and told.get(name) == wanted
                    for name, wanted in value.items()
                ):
                    return message


@dataclass
class SiteRoom:
    settings: Settings
    fake: FakeManager
    room: Room
    desk: Desking
    bus: LocalBus
    http: list[aiohttp.ClientSession] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.web_port}"

    def page(self) -> Page:
        session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self.http.append(session)
        return Page(session, self.url)

    async def signed_in(self, login: str) -> Page:
        page = self.page()
        answer = await page.sign_in(login)
        assert answer.status == 200, await answer.text()
        return page

    def take(self, events: Sequence[ami.Event]) -> None:
        """As if the Manager had told them."""
        tele = self.desk.site.tele
        for event in events:
            for sink in (
                self.room.floor.on_event, tele.agents.on_event, tele.callbacks.on_event,
                self.room.figures.on_event,
            ):  # fmt: skip
                sink(event)

    async def audited(self, action: str, **more: str) -> int:
        return len(await self.room.audit.find(action=action, limit=500, **more))


class _Notifier:
    async def notify(self, event: str, data: Any, key: str) -> None:
        del event, data, key


async def seed(database: Any) -> None:
    people = PeopleStore(database)
    await people.know_queues(queue_rows(load_queues(HOME / "scenarios/queues.yaml")))
    hashed = HASHER.hash(PASSWORD)
    for login, name, role, seats in PEOPLE:
        await people.add(login, name, role, hashed, "tr")
        if seats is not None:
            await people.seat(login, extension=login, seats=dict.fromkeys(seats, 0))


@asynccontextmanager
async def site_room(
    tmp_path: Path,
    template: Path,
    *,
    manager: bool = True,
    shop_api: bool = False,
    **changes: Any,
) -> AsyncIterator[SiteRoom]:
    fake = FakeManager(queues={"support": {}, "returns": {}, "backup": {}}, takes_all=True)
    fake.extensions |= {"bora", "ayse", "102"}
    fake.contacts += ["ayse", "bora", "sema"]
    if manager:
        await fake.start()
    (port,) = free_ports(1)
    pages = tmp_path / "pages-cache"
    made = pages / "pages" / bundling.version()
    made.mkdir(parents=True)
    (made / "index.html").write_text("<!doctype html><title>Santral</title>")
    database = shutil.copy(template, tmp_path / "santral.db")
    values = {
        "state": tmp_path, "database_url": f"sqlite+aiosqlite:///{database}", "web_port": port,
        "web_pages": pages,
        "asterisk_websocket": "ws://127.0.0.1:1/ws", "asterisk_etc": tmp_path / "etc", "scenarios": HOME / "scenarios",
        "ami_user": fake.user if manager else "", "ami_secret": SecretStr(fake.secret),
        "ami_port": fake.port or 5038,
    }  # fmt: skip
    settings = Settings.model_validate(values | changes)
    engine = open_engine(settings.journal_database)
    await seed(engine)
    await seed_shop(engine)
    bus = LocalBus()
    queries = load_queries(HOME / "scenarios/desk.yaml")
    try:
        async with (
            AsyncExitStack() as stack,
            open_lookup(settings.journal_database, queries) as lookup,
            open_journal(settings.journal_database, tmp_path / "spool") as journal,
        ):
            room = await prepare(settings, engine, bus, lookup, journal, _Notifier())  # type: ignore[arg-type]
            if shop_api:
                outside = Allowed(private=["127.0.0.1"])
                session = await stack.enter_async_context(open_session(outside))
                notifier = await stack.enter_async_context(
                    open_notifier(
                        OutboxStore(engine), bus, Sender(session, outside, PASSWORD * 2), {}
                    )
                )
                room.api = make_api(settings, engine, notifier, outside, journal.history)
            scenarios = _scenarios(settings, engine)
            async with opened(room, scenarios) as desk:
                desk.site.accounts._passwords = Passwords(HASHER)
                made_room = SiteRoom(settings, fake, room, desk, bus)
                if desk.bridge is not None:
                    await desk.bridge.ready(10)
                async with asyncio.timeout(10):  # a thread looks for them, beside everything else
                    while not desk.site.pages and not desk.site.no_pages:
                        await asyncio.sleep(0.005)
                yield made_room
                for session in made_room.http:
                    await session.close()
    finally:
        await engine.dispose()
        if manager:
            await fake.stop()


def _scenarios(settings: Settings, engine: Any) -> Scenarios:
    """The shipped flows on the line, without their sound."""
    library, _ = load_folder(settings.scenarios)
    none: Any = None
    scenarios = Scenarios(
        settings.scenarios, settings.sounds, library, Versions(FlowStore(engine), library), none,
        lambda tables: None,
    )  # fmt: skip
    for flow in library:
        file = str(settings.scenarios / f"{flow.name}.yaml")
        scenarios.on_line[flow.name] = OnLine(flow.version, file, datetime.now(UTC))
    scenarios.lines = load_lines(settings.scenarios / "lines.yaml", library)
    return scenarios
