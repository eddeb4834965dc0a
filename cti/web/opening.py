"""Opens everything of the desk: accounts, the floor, Asterisk's Manager, the web server.

The order is what makes it right: the floor hears an event before the agents do, the agents before
the call-backs, so that whoever acts on an event finds the state that it made. Whatever of this is
broken - the Manager away, the port taken, a listener that fails - calls are taken all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import ClientSession, web
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.accounts import Accounts, Passwords, Trail
from cti.agents import Agents
from cti.ami import events as ami
from cti.ami.bridge import Account, Bridge
from cti.asterisk.phones import PhoneFile
from cti.background import in_background
from cti.bus import LocalBus
from cti.callbacks import Callbacks, KeepInFile
from cti.crm import Crm
from cti.db.lookup import DatabaseLookup
from cti.db.store.audit import AuditStore
from cti.db.store.desk import DeskStore
from cti.db.store.flows import FlowStore
from cti.db.store.people import PeopleStore
from cti.desk import Desk, Router
from cti.figures import Figures
from cti.floor import Floor
from cti.health.counts import Counts
from cti.health.vitals import Vitals
from cti.journal.tap import Tapped
from cti.keys import Keys
from cti.ledger import Ledger
from cti.queues import Files
from cti.records import ShopRecords
from cti.roster import Roster
from cti.scenarios import Scenarios
from cti.services.webhooks import kept_secret
from cti.settings import Settings
from cti.web.api.services import Api
from cti.web.app import build_app
from cti.web.bundle import find_pages
from cti.web.phones import PhoneTabs
from cti.web.site import Site, Telephony
from cti.web.streams import RESTART, Streams
from cti.web.watching import FlowWatch
from ivr.errors import BadInput, CannotInstall
from ivr.events import Entry, Journal
from ivr.services import Notifier

log = logging.getLogger(__name__)
TRY_AGAIN: Final = 0.2
ASK_AGAIN: Final = 3.0  # seconds: a database that is away
SHUTDOWN: Final = 3.0  # seconds streams may take to end


@dataclass(slots=True)
class Room:
    """The desk's parts that calls need, made before the flows are loaded."""

    settings: Settings
    database: AsyncEngine
    bus: LocalBus
    roster: Roster
    floor: Floor
    figures: Figures
    crm: Crm
    records: ShopRecords
    desk_store: DeskStore
    people: PeopleStore
    audit: Trail
    history: Journal
    router: Router
    entries: list[Callable[[Entry], None]]
    api: Api | None = None
    keys: Keys = field(default_factory=Keys)

    def journal(self, journal: Journal) -> Journal:
        """The journal with the floor listening."""
        return Tapped(journal, self.entries)

    def route(self, call: str, queue: str, given: Mapping[str, str]) -> Mapping[str, str]:
        """What the dialplan is told of a caller for a queue; what the flow said, if that fails."""
        try:
            return self.router.options(call, queue, given)
        except Exception:
            log.exception("routing failed; the call goes on without")
            return given


async def prepare(
    settings: Settings,
    database: AsyncEngine,
    bus: LocalBus,
    lookup: DatabaseLookup,
    journal: Journal,
    notifier: Notifier,
    counts: Counts | None = None,
) -> Room:
    """Make the parts that calls need."""
    people, desk_store = PeopleStore(database), DeskStore(database)
    etc = settings.asterisk_etc
    roster = Roster(
        people,
        desk_store,
        settings.scenarios,
        await asyncio.to_thread(kept_secret, settings.state / "phones-secret"),
        PhoneFile(etc, settings.asterisk_control) if etc else None,
        Files(etc) if etc else None,
    )
    counts = counts or Counts()
    records = ShopRecords(lookup, desk_store, settings.country)
    crm = Crm(lambda: roster.queues, notifier)
    figures_of: list[Figures] = []
    floor = Floor(
        bus,
        records,
        journal.history,
        (crm.on_pop, lambda pop: figures_of[0].on_pop(pop), counts.on_pop),
    )
    figures = Figures(
        floor, desk_store, bus, lambda: roster.queues, roster.login_of,
        ZoneInfo(settings.time_zone),
    )  # fmt: skip
    figures_of.append(figures)
    return Room(
        settings, database, bus, roster, floor, figures, crm, records, desk_store, people,
        Trail(AuditStore(database)), journal, Router(lambda: roster.queues, floor),
        [floor.on_entry, counts.on_entry],
    )  # fmt: skip


@dataclass(slots=True)
class Desking:
    """The desk, open. `port` is where it is served; 0: it is not. `first_password` becomes that of
    the user `admin`, or "" where there are users, as soon as the database tells."""

    site: Site
    bridge: Bridge | None
    port: int = 0
    first_password: asyncio.Future[str] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


@contextlib.asynccontextmanager
async def opened(
    room: Room, scenarios: Scenarios, vitals: Vitals | None = None
) -> AsyncIterator[Desking]:
    """Everything running, for as long as the block. Asterisk's files are written first: it may be
    started right behind us."""
    settings = room.settings
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(room.floor.close)
        stack.push_async_callback(room.crm.close)
        await room.roster.open()
        await room.figures.open()
        telephony, bridge = await _telephony(room, stack, vitals)
        passwords = Passwords()
        stack.callback(passwords.close)
        key = await asyncio.to_thread(kept_secret, settings.state / "web-secret")
        accounts = Accounts(room.people, room.audit, key, passwords)
        session = await stack.enter_async_context(ClientSession())
        streams = Streams()
        accounts.on_end(streams.end)
        watch = FlowWatch(room.bus, room.floor, scenarios, room.roster)
        room.entries.append(watch.on_entry)
        site = Site(
            settings=settings, database=room.database, bus=room.bus, audit=room.audit,
            accounts=accounts, roster=room.roster, floor=room.floor, figures=room.figures,
            records=room.records, notes=room.desk_store, scenarios=scenarios,
            versions=FlowStore(room.database), journal=room.history, crm=room.crm,
            phones=PhoneTabs(room.bus, settings.asterisk_websocket, session), streams=streams,
            telephony=telephony, vitals=vitals, api=room.api,
        )  # fmt: skip
        for work in (
            accounts.watch(), room.roster.watch(bridge), room.figures.run(), watch.run(),
        ):  # fmt: skip
            await stack.enter_async_context(in_background(work))
        stack.push_async_callback(room.figures.keep)
        desk = Desking(site, bridge)
        if settings.web_port:
            await stack.enter_async_context(in_background(_first_admin(desk, accounts)))
            await stack.enter_async_context(in_background(_make_pages(site)))
            await _serve(desk, stack)
        yield desk


async def _telephony(
    room: Room, stack: contextlib.AsyncExitStack, vitals: Vitals | None
) -> tuple[Telephony | None, Bridge | None]:
    settings = room.settings
    if not settings.ami_user:
        return None, None
    sinks: list[Callable[[ami.Event], None]] = []
    account = Account(settings.ami_user, settings.ami_secret, settings.ami_host, settings.ami_port)
    keys = room.keys
    bridge = Bridge(
        account, lambda event: None if keys.takes(event) else _each(sinks, event), unread=()
    )
    keys.bridge = bridge
    roster = room.roster
    ledger = Ledger(room.database, roster.login_of, time.time, room.floor.queue_meant)
    room.entries.append(ledger.on_entry)
    agents = Agents(
        bridge, room.floor, room.bus, roster.people(), roster.wrap_up,
        (room.figures.watch, ledger.on_presence),
    )  # fmt: skip
    callbacks = Callbacks(
        bridge, room.floor, room.bus, lambda: roster.queues, _outside,
        KeepInFile(settings.state / "callbacks.json"),
    )  # fmt: skip
    room.figures.agents = agents
    room.floor.is_desk = agents.at
    room.figures.callbacks = lambda queue: len(callbacks.waiting(queue))
    roster.listeners.append(lambda: agents.know(roster.people()))
    sinks += [room.floor.on_event, agents.on_event, callbacks.on_event, room.figures.on_event]
    sinks.append(ledger.on_event)
    await stack.enter_async_context(in_background(ledger.run()))
    stack.push_async_callback(ledger.flush)
    if vitals is not None:
        sinks.append(vitals.counts.on_event)
        vitals.manager = lambda: bridge.connected
    await stack.enter_async_context(bridge)
    stack.push_async_callback(callbacks.close)
    stack.push_async_callback(agents.close)
    return Telephony(agents, Desk(bridge, room.floor), callbacks), bridge


def _each(sinks: list[Callable[[ami.Event], None]], event: ami.Event) -> None:
    """One that fails does not keep the event from the others, nor the connection from working."""
    for sink in sinks:
        try:
            sink(event)
        except Exception:
            log.exception("an event of Asterisk's was not taken: %s", type(event).__name__)


def _outside(number: str) -> str:
    """The channel by which a caller is called back: one of the numbers allowed outside."""
    digits = number.removeprefix("+")
    if not (3 <= len(digits) <= 20 and digits.isascii() and digits.isdigit()):
        raise BadInput("This number cannot be called back.")
    return f"Local/{number}@santral-outside"


async def _first_admin(desk: Desking, accounts: Accounts) -> None:
    """Somebody has to be able to sign in. The desk is there without, while the database is away."""
    while True:
        try:
            desk.first_password.set_result(await accounts.first_admin())
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("whether there are users is not known: %s", type(error).__name__)
            await asyncio.sleep(ASK_AGAIN)
        else:
            return


async def _make_pages(site: Site) -> None:
    """Find the pages' bundle, or make it; the API is there without."""
    cache = site.settings.web_pages or site.settings.state
    try:
        site.pages = await find_pages(cache, log.info)
    except CannotInstall as reason:
        site.no_pages = str(reason)
        log.error("there are no pages: %s", reason)


async def _serve(desk: Desking, stack: contextlib.AsyncExitStack) -> None:
    """Serve the app. A port that is taken - by the engine that we take over from, for a moment - is
    tried again and again; calls go on without a desk meanwhile."""
    runner = web.AppRunner(
        build_app(desk.site), access_log=None, shutdown_timeout=SHUTDOWN, handler_cancellation=True
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    stack.callback(desk.site.streams.end_all, RESTART)
    if not await _listen(desk, runner, told=False):
        await stack.enter_async_context(in_background(_listen_later(desk, runner)))


async def _listen_later(desk: Desking, runner: web.AppRunner) -> None:
    while True:
        await asyncio.sleep(TRY_AGAIN)
        if await _listen(desk, runner, told=True):
            return


async def _listen(desk: Desking, runner: web.AppRunner, *, told: bool) -> bool:
    host, port = desk.site.settings.web_host, desk.site.settings.web_port
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        if not told:
            log.error("the desk is not served at %s:%d yet: %s", host, port, error.strerror)
        return False
    desk.port = port
    log.info("the desk is served at %s:%d", host, port)
    return True
