"""The only file that wires things together: opens and closes everything in one `async with`."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from cti.asterisk.waking import Waker
from cti.background import in_background
from cti.bus import LocalBus
from cti.clock import SystemClock
from cti.db.attach import migrating
from cti.db.engine import open_engine
from cti.db.lookup import DatabaseLookup, open_lookup
from cti.db.store.flows import FlowStore
from cti.db.store.outbox import OutboxStore
from cti.db.store.surveys import SurveyStore
from cti.dialler.dialler import Dialler
from cti.dialler.opening import open_dialler
from cti.gone import Departures
from cti.health.vitals import Vitals
from cti.journal.journal import Options, SpooledJournal, open_journal
from cti.past import past_of
from cti.phone import e164_or_same
from cti.reports.worker import Mailing, reports_kept
from cti.scenarios import Scenarios
from cti.services.http import JsonHttp
from cti.services.nightly import Nightly, retention_of
from cti.services.notifier import OutboxNotifier, follow_registered, open_notifier
from cti.services.outside import Allowed, open_session, words
from cti.services.recordings import RecordingFolder
from cti.services.sealer import Sealer
from cti.services.sealing import Keys
from cti.services.switches import SwitchFile
from cti.services.transcripts import Transcripts
from cti.services.updates import DatabaseUpdates, open_updates
from cti.services.versions import Versions
from cti.services.webhooks import Sender, kept_secret
from cti.settings import Settings
from cti.speech import live_choices, transcription_choices
from cti.status import StatusFile
from cti.tables import Tables
from cti.tracing import tracing_to
from cti.web.api.opening import make_api
from cti.web.opening import Desking, Room, opened, prepare
from ivr.agi.call import AgiCall
from ivr.agi.listening import SpeechQuestions
from ivr.agi.server import AgiServer
from ivr.call import CallInfo, Direction
from ivr.engine import converse, take_up
from ivr.flow.loader import Library
from ivr.flow.model import Flow
from ivr.prompts.builtin import write_played_prompts
from ivr.prompts.opening import PromptSettings, open_prompts
from ivr.services import MISSING, Services
from ivr.speech.engines import SpeechSettings
from ivr.speech.supervisor import SpeechProcess

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Engine:
    """A running engine: takes calls from Asterisk and runs their flows."""

    settings: Settings
    services: Services
    scenarios: Scenarios
    journal: SpooledJournal
    bus: LocalBus
    server: AgiServer | None = None
    calls: dict[str, Flow] = field(default_factory=dict)
    started: float = field(default_factory=time.time)
    vitals: Vitals | None = None
    patience: float = 0.0  # seconds that calls may go on once the engine is told to end
    room: Room | None = None
    desk: Desking | None = None
    dialler: Dialler | None = None

    @property
    def port(self) -> int:
        assert self.server is not None
        return self.server.port

    async def handle(self, call: AgiCall) -> None:
        """One entry of a call: a new one, or one that comes back."""
        with self.vitals.serving(call) if self.vitals else contextlib.nullcontext():
            await self._serve(call)

    async def _serve(self, call: AgiCall) -> None:
        number = e164_or_same(call.info.caller, self.settings.country)
        if number != call.info.caller:
            call.info = replace(call.info, caller=number)
        if self.room is not None:
            call.route = partial(self.room.route, call.info.id)
        past = await past_of(call.info, self.services.journal)
        if past.entries:
            await self.scenarios.versions.need(past.entries)
        # What is saved from here on is for the next call.
        services = replace(self.services, flows=self.scenarios.library.snapshot())
        talk = past.gone_on_with(call, services)
        if talk is not None:
            with self._counted(call.info.id, talk.frames[0].flow):
                await take_up(talk)
            return
        flow, language = self._begins(call.info, services)
        with self._counted(call.info.id, flow):
            await converse(call, services, flow, language, after=past.last)

    def _begins(self, info: CallInfo, services: Services) -> tuple[Flow, str]:
        """The flow of a new call and its language: a call of ours says what it is for."""
        if info.direction is Direction.OUTBOUND:
            with contextlib.suppress(KeyError):
                flow = services.flows.get(info.context["flow"])
                known = info.language in flow.languages
                return flow, info.language if known else flow.languages[0]
        line = self.scenarios.lines.of(info.dialled)
        flow = services.flows.get(line.flow)
        return flow, line.language or flow.languages[0]

    @contextlib.contextmanager
    def _counted(self, call: str, flow: Flow) -> Iterator[None]:
        self.calls[call] = flow
        try:
            yield
        finally:
            self.calls.pop(call, None)

    def status(self) -> Mapping[str, Any]:
        """What `santral status` shows."""
        calls = Counter((flow.name, flow.version) for flow in self.calls.values())
        return {
            "started": self.started,
            "ports": {"agi": self.port, "web": self.desk.port if self.desk else 0},
            "manager": bool(self.desk and self.desk.bridge and self.desk.bridge.connected),
            "calls": len(self.calls),
            "dialling": self.dialler.trying if self.dialler else 0,
            "flows": {
                name: {"version": on.version, "since": on.since.isoformat(), "file": on.file}
                for name, on in sorted(self.scenarios.on_line.items())
            },
            "calls_by_version": [
                {"flow": name, "version": version, "calls": count}
                for (name, version), count in sorted(calls.items())
            ],
            "lines": {number: line.flow for number, line in self.scenarios.lines.lines.items()},
            "findings": [one.to_dict() for one in self.scenarios.findings],
            "loads": self.scenarios.loads,
            "journal": asdict(self.journal.status()),
        }


@contextlib.asynccontextmanager
async def running(settings: Settings, sock: socket.socket | None = None) -> AsyncIterator[Engine]:
    """Everything a call needs, then the listener (on `sock` if given); on leaving, calls in
    progress may finish."""
    async with contextlib.AsyncExitStack() as stack:
        settings.state.mkdir(parents=True, exist_ok=True)
        vitals = Vitals(settings)
        await stack.enter_async_context(vitals.open())
        database = open_engine(settings.journal_database)
        stack.push_async_callback(database.dispose)
        await stack.enter_async_context(migrating(database))
        lookup = await stack.enter_async_context(open_lookup(settings.lookup_database, {}))
        updates: DatabaseUpdates | None = None
        if settings.update_database:
            ours = settings.update_database == settings.journal_database
            updates = await stack.enter_async_context(
                open_updates(settings.update_database, {}, ours=ours)
            )
        journal = await stack.enter_async_context(
            open_journal(
                settings.journal_database,
                settings.state / "spool",
                Options(region=settings.country),
            )
        )
        bus = LocalBus()
        allowed = Allowed(words(settings.http_hosts), words(settings.http_private))
        session = await stack.enter_async_context(open_session(allowed))
        secret = settings.webhook_secret.get_secret_value() or kept_secret(
            settings.state / "webhook-secret"
        )
        sender = Sender(session, allowed, secret)
        notifier = await stack.enter_async_context(
            open_notifier(OutboxStore(database), bus, sender, {})
        )
        room = await prepare(settings, database, bus, lookup, journal, notifier, vitals.counts)
        if settings.trace_endpoint:
            tracing = stack.enter_context(tracing_to(settings.trace_endpoint))
            room.entries.append(tracing.on_entry)
        room.api = make_api(settings, database, notifier, allowed, journal.history)
        prompts = await stack.enter_async_context(open_prompts(prompt_settings(settings)))
        library = Library()
        services = Services(
            library,
            lookup,
            room.journal(journal),
            SystemClock(settings.time_zone),
            updates or MISSING,
            JsonHttp(session, allowed),
            notifier,
            RecordingFolder(settings.recordings),
            SwitchFile(settings.state / "switches.json"),
            surveys=SurveyStore(database),
        )
        scenarios = Scenarios(
            settings.scenarios,
            settings.sounds,
            library,
            Versions(FlowStore(database), library),
            prompts,
            lambda tables: take_tables(tables, services, lookup, updates, notifier),
        )
        await scenarios.open()
        await write_played_prompts(prompts, settings.announcements)
        listener = None
        if settings.speech_port:
            speech = SpeechSettings(
                languages=live_choices(settings),
                host=settings.speech_host,
                port=settings.speech_port,
                workers=settings.speech_workers,
            )
            process = await stack.enter_async_context(SpeechProcess(speech))
            waker = Waker(settings.asterisk_control)
            await stack.enter_async_context(in_background(waker.run()))
            listener = SpeechQuestions(process, stuck=waker.stuck)
            vitals.speech = lambda: process.ready
        desking = await stack.enter_async_context(contextlib.AsyncExitStack())
        desk = await desking.enter_async_context(opened(room, scenarios, vitals))
        engine = Engine(
            settings, services, scenarios, journal, bus, patience=settings.drain, room=room,
            desk=desk,
        )  # fmt: skip
        engine.server = AgiServer(
            engine.handle,
            prompts,
            host=settings.agi_host,
            port=settings.agi_port,
            key=settings.agi_key.get_secret_value(),
            listener=listener,
            witness=room.keys,
            sock=sock,
        )
        engine.vitals = vitals
        vitals.status, vitals.journal_status = engine.status, journal.status
        dialler = open_dialler(settings, database, notifier, journal, vitals.counts.on_dialler)
        engine.dialler = dialler
        # Last of all: an engine that accepts and cannot serve blocks the caller's channel.
        await engine.server.start()
        try:
            async with (
                reports_kept(
                    settings.journal_database, settings.reports_every, Mailing.of(settings)
                ),
                in_background(scenarios.watch()),
                in_background(follow_registered(room.api.webhooks, notifier)),
                in_background(StatusFile(settings.state, engine.status).run()),
                in_background(nightly_job(settings, database).run()),
                in_background(transcripts(settings, database).run()),
                in_background(sealer(settings, database)),
                in_background(dialler.run() if dialler else nothing()),
                in_background(departures(engine, database).run() if desk.bridge else nothing()),
            ):
                yield engine
        finally:
            vitals.draining = True
            await desking.aclose()  # at once: the engine that takes over opens its own
            cut = await engine.server.drain(engine.patience)
            if cut:
                log.warning("%d calls were cut short; Asterisk comes back with them", cut)


def take_tables(
    tables: Tables,
    services: Services,
    lookup: DatabaseLookup,
    updates: DatabaseUpdates | None,
    notifier: OutboxNotifier,
) -> None:
    """Use what the tables of the folder say from now on. What calls in progress may still need
    stays."""
    lookup.use(tables.queries)
    if updates is not None:
        updates.use(tables.updates)
    assert isinstance(services.hours, dict)
    services.hours.update(tables.hours)
    notifier.use(tables.webhooks)


def departures(engine: Engine, database: AsyncEngine) -> Departures:
    """Ends the calls that nobody was there to end."""
    assert engine.desk is not None
    assert engine.desk.bridge is not None
    assert engine.room is not None
    made = Departures(
        engine.desk.bridge,
        database,
        engine.services.journal,
        engine.calls.__contains__,
    )
    engine.room.entries.append(made.on_entry)
    return made


def nightly_job(settings: Settings, database: AsyncEngine) -> Nightly:
    """What is older than the settings let it be goes every night."""
    clock = SystemClock(settings.time_zone)
    keep = retention_of(settings)
    folders = settings.recordings, settings.state
    return Nightly(database, *folders, keep, settings.retire_at, clock)


async def nothing() -> None:
    """What this engine does not do."""


def transcripts(settings: Settings, database: AsyncEngine) -> Transcripts:
    """What callers leave on tape becomes text after the call."""
    return Transcripts(
        database,
        settings.recordings,
        lambda: transcription_choices(settings),
        settings.language,
    )


async def sealer(settings: Settings, database: AsyncEngine) -> None:
    """What was recorded is sealed where there is a key."""
    keys = Keys.read(settings.recording_keys.get_secret_value())
    if keys is not None:
        await Sealer(database, settings.recordings, keys).run()


def prompt_settings(settings: Settings) -> PromptSettings:
    """The synthesiser and its cache as the settings say."""
    return PromptSettings(
        cache=settings.prompts,
        recorded=settings.sounds,
        engine=settings.tts,
        command=settings.tts_command,
        espeak=settings.espeak,
        cache_bytes=settings.prompt_cache_mb * 1_000_000,
    )
