"""Calls that are recorded: announced, only with consent where it is asked for, without secrets."""

from __future__ import annotations

import pytest

from ivr import events
from ivr.call import CallInfo
from ivr.engine import converse, take_up
from ivr.errors import FlowRefused
from ivr.flow.loader import Library, load_text
from ivr.lab.script import ListJournal, ScriptCall, VirtualClock
from ivr.resume import resumed
from ivr.services import Services
from tests.ivr.talking import Answers, World, turns

FLOW = """
flow: taped
languages: [en]
start: number
record_calls: {RECORD}
no_input: {tries: 2, next: bye}
no_match: {tries: 2, next: bye}
globals:
  operator: {key: "0", words: {en: [operator]}, next: person}
prompts:
  told: {en: this call is recorded}
  may_we: {en: may we record this call}
  number: {en: your number}
  pin: {en: your secret}
  read: {en: "{{ pin }}, right?"}
steps:
  number: {type: collect, prompt: number, digits: {min: 2, max: 2}, save: number, next: pin}
  pin: {type: collect, prompt: pin, digits: {min: 4, max: 4}, secret: true, confirm: {prompt: read},
        save: pin, next: bye}
  bye: {type: hangup}
  person: {type: transfer, to: support}
"""
TOLD, ASKED = "announce: told", "consent: may_we"


async def call_on(*script: str, record: str) -> tuple[ScriptCall, ListJournal]:
    flow = load_text(FLOW.replace("RECORD", record))
    clock, journal, world = VirtualClock(), ListJournal(), World()
    call = ScriptCall(CallInfo("c-1"), turns(*script), clock)
    services = Services(
        Library([flow]), Answers({}), journal, clock, world, world, world, world, world, {}
    )
    await converse(call, services, flow, "en")
    if "hangup" in script:
        again = ScriptCall(CallInfo("c-1", entry=2), turns("12", "1234", "1"), clock)
        talk = resumed(again, services, await journal.history("c-1"))
        assert talk is not None
        await take_up(talk)
        return again, journal
    return call, journal


def tapes(journal: ListJournal) -> list[str]:
    return [e.event.path for e in journal.entries if isinstance(e.event, events.CallTaped)]


async def test_it_is_announced_and_secrets_are_left_out() -> None:
    call, journal = await call_on("12", "1234", "1", record=TOLD)
    assert call.heard[0] == "this call is recorded"
    # on; off for the secret and its confirmation, each on again after it
    assert call.taped == [True, False, True, False, True]
    assert tapes(journal) == ["/recordings/c-1/call.wav"]


@pytest.mark.parametrize(
    ("answer", "taped"),
    [
        (["1"], True),
        (["says:yes"], True),
        (["2"], False),
        (["says:no"], False),
        (["", ""], False),  # silence is no consent
        (["", "1"], True),
        (["says:yes@0.3", "2"], False),
        (["0"], False),  # nor is a command
    ],
)
async def test_without_consent_nothing_is_recorded(answer: list[str], taped: bool) -> None:
    call, journal = await call_on(*answer, "12", record=ASKED)
    assert call.heard[0] == "may we record this call"
    assert bool(call.taped) is taped
    assert bool(tapes(journal)) is taped


async def test_a_call_that_came_back_is_gone_on_with() -> None:
    call, journal = await call_on("hangup", record=TOLD)
    assert call.taped[0] is True
    assert "this call is recorded" not in call.heard
    assert len(tapes(journal)) == 1


async def test_no_call_is_recorded_in_secret() -> None:
    with pytest.raises(FlowRefused, match="only where `announce` says so or `consent` asks"):
        load_text(FLOW.replace("{RECORD}", "{}"))
    call, _ = await call_on("12", "1234", "1", record=f"{TOLD}, {ASKED}")
    assert call.heard[:2] == ["this call is recorded", "may we record this call"]
