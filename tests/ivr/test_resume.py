"""A conversation that was cut anywhere goes on as if it had not been."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ivr import events
from ivr.call import CallInfo, Played, Utterance
from ivr.engine import take_up
from ivr.events import Entry
from ivr.flow.loader import Library, load_text
from ivr.lab.script import ListJournal, ScriptCall, VirtualClock
from ivr.resume import resumed
from ivr.services import Services
from tests.ivr.talking import Answers, converse_with, turns
from tests.ivr.test_engine import MAIN, SECRET, SUB

ORDER_LINE = (Path(__file__).parents[2] / "scenarios" / "order_line.yaml").read_text("utf-8")
FOUND = {"order_by_number": {"number": "1234", "status_en": "shipped", "total": "459.90"}}


async def go_on(entries: list[Entry], *script: str, flows: tuple[str, ...], **info: Any) -> Any:
    """Take a call up from the given entries, as they come back from a database."""
    stored = [Entry.from_dict(json.loads(json.dumps(entry.to_dict()))) for entry in entries]
    journal, clock = ListJournal(stored), VirtualClock()
    library = Library([load_text(text) for text in flows])
    call = ScriptCall(CallInfo("c-1", entry=2, **info), turns(*script), clock)
    services = Services(library, Answers(FOUND), journal, clock)
    talk = resumed(call, services, stored)
    assert talk is not None
    await take_up(talk)
    return call, journal


async def test_cut_after_any_event_the_caller_gets_their_answer() -> None:
    whole = await converse_with("1", "1234#", flow=ORDER_LINE, given=FOUND)
    entries = whole.journal.entries
    for cut in range(2, len(entries)):
        last_step = [e.event for e in entries[:cut] if isinstance(e.event, events.StepEntered)][-1]
        keys = {"welcome": ["1", "1234#"], "main": ["1", "1234#"], "ask_number": ["1234#"]}
        call, journal = await go_on(
            entries[:cut], *keys.get(last_step.step, []), flows=(ORDER_LINE,)
        )
        assert call.went == ("hangup", ""), f"cut after {entries[cut - 1]}"
        assert [e.sequence for e in journal.entries] == list(range(1, len(journal.entries) + 1))
        if last_step.step not in {"goodbye", "bye"}:
            assert any("shipped" in text for text in call.heard)


async def test_keys_meant_for_the_engine_that_died_answer_no_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The phrase is said to its end: keys meanwhile are the rest of an answer that was cut."""
    said: list[tuple[str, bool]] = []
    plain = ScriptCall.say

    async def say(call: ScriptCall, utterance: Utterance, *, barge_in: bool = True) -> Played:
        said.append((utterance.prompt, barge_in))
        return await plain(call, utterance, barge_in=barge_in)

    monkeypatch.setattr(ScriptCall, "say", say)
    whole = await converse_with("1", "1234#", flow=ORDER_LINE, given=FOUND)
    entries = whole.journal.entries
    cut = next(i for i, e in enumerate(entries) if isinstance(e.event, events.Heard))
    said.clear()
    await go_on(entries[:cut], "1", "1234#", flows=(ORDER_LINE,))
    assert said[0] == ("santral_resumed", False)


async def test_a_cut_in_a_sub_flow_comes_back_into_it_and_returns() -> None:
    whole = await converse_with("4321", flow=MAIN, others=(SUB,))
    entries = whole.journal.entries
    cut = next(i for i, e in enumerate(entries) if isinstance(e.event, events.PromptPlayed))
    call, _ = await go_on(entries[:cut], "77", "4321", flows=(SUB, MAIN))
    assert call.heard[1] == "Your code please"
    assert call.heard[-1] == "hello 4321"


async def test_a_lost_secret_is_asked_for_again() -> None:
    whole = await converse_with("4111111111111111#", flow=SECRET)
    entries = whole.journal.entries
    cut = next(i for i, e in enumerate(entries) if isinstance(e.event, events.LookupDone))
    call, _ = await go_on(entries[:cut], "4111111111111111#", flows=(SECRET,))
    assert call.heard[1] == "card please"


async def test_back_from_a_transfer_the_call_takes_the_way_of_its_outcome() -> None:
    whole = await converse_with("0", flow=ORDER_LINE)
    with pytest.raises(AssertionError):  # nothing to go on with: the flow has no way back
        await go_on([], flows=(ORDER_LINE,))
    call, journal = await go_on(whole.journal.entries, flows=(ORDER_LINE,), outcome="busy")
    assert call.went == ("queue", "support")
    assert isinstance(journal.entries[-1].event, events.CallEnded)
