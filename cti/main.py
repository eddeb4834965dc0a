"""The only file that wires things together: opens and closes everything in one `async with`."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from cti.clock import SystemClock
from cti.db.engine import open_engine
from cti.db.lookup import open_lookup
from cti.db.migrate import upgrade
from cti.db.queries import load_queries
from cti.journal.journal import Options, open_journal
from cti.lines import Lines, load_lines
from cti.phone import e164_or_same
from cti.settings import Settings
from ivr.agi.call import AgiCall
from ivr.agi.listening import SpeechQuestions
from ivr.agi.server import AgiServer
from ivr.engine import converse, take_up
from ivr.errors import FlowRefused
from ivr.events import Entry
from ivr.flow.folder import load_folder
from ivr.flow.loader import Library
from ivr.prompts.builtin import write_dialplan_prompts
from ivr.prompts.flows import needs_of
from ivr.prompts.opening import PromptSettings, open_prompts
from ivr.resume import resumed
from ivr.services import Services
from ivr.speech.engines import SpeechSettings
from ivr.speech.supervisor import SpeechProcess

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Engine:
    """A running engine: takes calls from Asterisk and runs their flows."""

    settings: Settings
    services: Services
    flows: Library
    lines: Lines
    server: AgiServer | None = None

    @property
    def port(self) -> int:
        assert self.server is not None
        return self.server.port

    async def handle(self, call: AgiCall) -> None:
        """One entry of a call: a new one, or one that comes back."""
        number = e164_or_same(call.info.caller, self.settings.country)
        call.info = replace(call.info, caller=number)
        history: Sequence[Entry] = ()
        if call.info.entry > 1 or call.info.outcome:
            history = await self.services.journal.history(call.info.id)
        talk = resumed(call, self.services, history) if history else None
        if talk is not None:
            await take_up(talk)
            return
        line = self.lines.of(call.info.dialled)
        flow = self.flows.get(line.flow)
        await converse(call, self.services, flow, line.language or flow.languages[0])


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Engine]:
    """Everything a call needs, then the listener; on leaving, calls in progress may finish."""
    async with contextlib.AsyncExitStack() as stack:
        flows = load_flows(settings)
        lines = load_lines(settings.scenarios / "lines.yaml", flows)
        settings.state.mkdir(parents=True, exist_ok=True)
        database = open_engine(settings.journal_database)
        stack.push_async_callback(database.dispose)
        await upgrade(database)
        queries = load_queries(settings.scenarios / "queries.yaml")
        lookup = await stack.enter_async_context(open_lookup(settings.lookup_database, queries))
        journal = await stack.enter_async_context(
            open_journal(
                settings.journal_database,
                settings.state / "spool",
                Options(region=settings.country),
            )
        )
        prompts = await stack.enter_async_context(open_prompts(prompt_settings(settings)))
        await prompts.prepare(needs_of(flows))
        await write_dialplan_prompts(prompts, settings.announcements)
        services = Services(flows, lookup, journal, SystemClock(settings.time_zone))
        listener = None
        if settings.speech_port:
            speech = SpeechSettings(port=settings.speech_port, workers=settings.speech_workers)
            listener = SpeechQuestions(await stack.enter_async_context(SpeechProcess(speech)))
        engine = Engine(settings, services, flows, lines)
        engine.server = AgiServer(
            engine.handle,
            prompts,
            host=settings.agi_host,
            port=settings.agi_port,
            key=settings.agi_key.get_secret_value(),
            listener=listener,
        )
        # Last of all: an engine that accepts and cannot serve blocks the caller's channel.
        await engine.server.start()
        try:
            yield engine
        finally:
            cut = await engine.server.drain(settings.drain)
            if cut:
                log.warning("%d calls were cut short; Asterisk comes back with them", cut)


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


def load_flows(settings: Settings) -> Library:
    """The good flows of the folder; what is wrong with the others is logged. Raises `FlowRefused`
    when there is not one good flow."""
    flows, findings = load_folder(settings.scenarios)
    for finding in findings:
        log.error("%s", finding)
    if not list(flows):
        raise FlowRefused(f"there is no flow that can be used in {settings.scenarios}")
    return flows
