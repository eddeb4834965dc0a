"""A call that comes back: with its journal, without it, and with one that leads nowhere."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from cti import past
from cti.journal import Options, SpooledJournal, open_journal
from ivr import events
from ivr.call import CallInfo
from ivr.engine import converse, take_up
from ivr.errors import JournalUnavailable
from ivr.events import Entry
from ivr.flow.loader import Library, load_text
from ivr.lab.script import ScriptCall, VirtualClock
from ivr.services import Services
from tests.ivr.talking import World, turns

# Nobody listens on port 1: the database is away.
AWAY = "postgresql+asyncpg://nobody@127.0.0.1:1/none"
QUICK = Options(sync_after=0.01, drain_after=0.01, close_deadline=0.05)
FLOW = """
flow: small
start: first
languages: [en]
prompts:
  hello: {en: "Hello"}
  which: {en: "One or two?"}
steps:
  first: {type: say, prompt: hello, next: choose}
  choose:
    type: menu
    prompt: which
    options: [{key: "1", next: do}, {key: "2", next: bye}]
    no_input: {tries: 2, next: bye}
    no_match: {tries: 2, next: bye}
  do: {type: update, query: count_one, done: choose, unchanged: choose, error: bye}
  bye: {type: hangup}
"""


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "PAUSE", 0.0)


def services(journal: SpooledJournal, *flows: str) -> tuple[Services, World]:
    library, world = Library([load_text(text) for text in flows]), World()
    return Services(library, world, journal, VirtualClock(), updates=world), world  # type: ignore[arg-type]


async def come_in(journal: SpooledJournal, entry: int, *keys: str) -> tuple[ScriptCall, World]:
    """What `Engine.handle` does, with a scripted caller."""
    given, world = services(journal, FLOW)
    call = ScriptCall(CallInfo("c", entry=entry), turns(*keys), VirtualClock())
    before = await past.past_of(call.info, journal)
    talk = before.gone_on_with(call, given)
    if talk is not None:
        await take_up(talk)
    else:
        flow = given.flows.get("small")
        await converse(call, given, flow, "en", after=before.last)
    return call, world


async def spooled(folder: Path, *entries: Entry) -> None:
    """What an engine has left that died while the database was away."""
    async with open_journal(AWAY, folder, QUICK) as journal:
        for entry in entries:
            journal.write(entry)


def story(journal: Sequence[Entry]) -> list[tuple[int, str]]:
    return [(entry.sequence, entry.kind) for entry in journal]


async def test_a_new_call_asks_nobody(tmp_path: Path) -> None:
    async with open_journal(AWAY, tmp_path, QUICK) as journal:
        assert await past.past_of(CallInfo("c"), journal) == past.Past()


async def test_without_its_journal_a_call_begins_anew_where_nothing_can_be(tmp_path: Path) -> None:
    late = Entry("c", 7, 1.0, events.LanguageChosen("en"))  # the rest is in the database
    await spooled(tmp_path, late)
    async with open_journal(AWAY, tmp_path, QUICK) as journal:
        with pytest.raises(JournalUnavailable):
            await journal.history("c")
        call, _ = await come_in(journal, 3, "2")
        assert call.heard[0] == "Hello"
        whole = await journal.history("c")
        assert story(whole)[:2] == [(7, "LanguageChosen"), (3_000_001, "CallStarted")]


async def test_what_began_anew_is_gone_on_with_though_the_database_is_still_away(
    tmp_path: Path,
) -> None:
    flow = load_text(FLOW)
    await spooled(
        tmp_path,
        Entry("c", 7, 1.0, events.StepEntered("small", "choose", "menu", "1", 4)),
        Entry("c", 3_000_001, 2.0, events.CallStarted("small", flow.version, "en")),
        Entry("c", 3_000_002, 2.0, events.StepEntered("small", "first", "say", "start")),
        Entry("c", 3_000_003, 3.0, events.StepEntered("small", "choose", "menu", "next")),
    )
    async with open_journal(AWAY, tmp_path, QUICK) as journal:
        call, world = await come_in(journal, 4, "1", "2")
        assert "Hello" not in call.heard
        added = [one for one in await journal.history("c") if one.sequence > 3_000_003]
        assert story(added)[0] == (3_000_004, "CallResumed")
        # The effect is not taken for one that was done before the call began anew.
        assert [key for _, _, key in world.done] == ["c/3000001:0:small.do:1"]


async def test_a_hole_after_the_last_beginning_is_no_history(tmp_path: Path) -> None:
    await spooled(
        tmp_path,
        Entry("c", 1, 1.0, events.CallStarted("small", "v", "en")),
        Entry("c", 3, 1.0, events.LanguageChosen("en")),
    )
    async with open_journal(AWAY, tmp_path, QUICK) as journal:
        with pytest.raises(JournalUnavailable):
            await journal.history("c")


async def test_a_version_that_is_lost_lets_the_call_begin_anew(tmp_path: Path) -> None:
    await spooled(
        tmp_path,
        Entry("c", 1, 1.0, events.CallStarted("small", "gone", "en")),
        Entry("c", 2, 1.0, events.StepEntered("small", "choose", "menu", "next")),
    )
    async with open_journal(AWAY, tmp_path, QUICK) as journal:
        call, _ = await come_in(journal, 2, "2")
        assert call.heard[0] == "Hello"
        assert story(await journal.history("c"))[2] == (3, "CallStarted")
        await asyncio.sleep(0)
