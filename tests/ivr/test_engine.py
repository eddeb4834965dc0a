"""The loop: questions that always end, sub-flows that return, faults that reach a person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ivr import events
from tests.ivr.talking import converse_with

ORDER_LINE = (Path(__file__).parents[2] / "scenarios" / "order_line.yaml").read_text("utf-8")
FOUND = {"order_by_number": {"number": "1234", "status_en": "shipped", "total": "459.90"}}
TO_STATUS = ["welcome", "main", "ask_number", "find", "say_status", "goodbye", "bye"]


async def test_the_right_number_leads_to_the_status() -> None:
    call = await converse_with("1", "1234#", flow=ORDER_LINE, given=FOUND)
    assert call.path == TO_STATUS
    assert any("shipped" in text for text in call.heard)
    assert call.went == ("hangup", "")
    assert call.ended == "hangup"
    assert call.answers.asked == [("order_by_number", {"number": "1234", "phone": "+905321112233"})]


async def test_keys_typed_ahead_skip_the_prompts_they_answer() -> None:
    call = await converse_with("11234#", flow=ORDER_LINE, given=FOUND)
    assert call.path == TO_STATUS
    assert not any("key your order number" in text for text in call.heard)


@pytest.mark.parametrize(
    ("script", "path_end"),
    [
        (["", ""], "to_agent"),  # silence twice
        (["9", "8"], "to_agent"),  # a wrong key twice
        (["9", "", "1", "1234#"], "bye"),  # one of each: neither has run out
        (["9", "", "9"], "to_agent"),
        (["1", "12#", "1234#"], "bye"),  # too short once
        (["1", "", ""], "to_agent"),
    ],
)
async def test_silence_and_wrong_keys_are_counted_apart(script: list[str], path_end: str) -> None:
    call = await converse_with(*script, flow=ORDER_LINE, given=FOUND)
    assert call.path[-1] == path_end


async def test_a_wrong_number_goes_to_a_person_and_is_told() -> None:
    call = await converse_with("1", "9999#", flow=ORDER_LINE, given={})
    assert call.path[-2:] == ["sorry", "to_agent"]
    assert call.went == ("queue", "support")
    assert call.ended == "transfer"


async def test_a_failed_lookup_has_its_own_way() -> None:
    call = await converse_with("1", "1234#", flow=ORDER_LINE, given={"order_by_number": "error"})
    assert call.path[-2:] == ["find", "to_agent"]
    assert call.all(events.LookupDone)[0].outcome == "error"


async def test_a_hang_up_ends_the_call_and_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    call = await converse_with("1", "hangup", flow=ORDER_LINE)
    assert call.ended == "caller_hung_up"
    assert not call.all(events.Failed)
    assert not caplog.records


async def test_the_journal_tells_the_whole_story_in_order() -> None:
    call = await converse_with("1", "1234#", flow=ORDER_LINE, given=FOUND)
    assert [e.sequence for e in call.journal.entries] == list(
        range(1, len(call.journal.entries) + 1)
    )
    assert isinstance(call.journal.entries[0].event, events.CallStarted)
    vias = [e.via for e in call.all(events.StepEntered)]
    assert vias == ["start", "next", "1", "next", "found", "next", "next"]
    assert [h.answer for h in call.all(events.Heard)] == ["1", "1234"]


LOOP = """
flow: loop
languages: [en]
no_input: {next: bye}
no_match: {next: bye}
start: a
prompts: {again: {en: again}}
steps:
  a: {type: menu, prompt: again, options: [{key: 1, next: b}, {key: 2, next: bye}]}
  b: {type: goto, next: a}
  bye: {type: hangup}
"""


async def test_a_caller_who_goes_round_without_end_is_brought_to_a_person() -> None:
    call = await converse_with(*["1"] * 600, flow=LOOP)
    assert call.ended == "failed"
    assert call.all(events.Failed)[0].error == "StepBudgetExceeded"
    assert call.went == ("queue", "santral-fallback")
    assert call.heard[-1].startswith("We are sorry")


SUB = """
flow: identify
languages: [en]
takes: [greeting]
returns: [code]
start: ask
prompts: {ask: {en: "{{ greeting }} code please"}}
steps:
  ask:
    type: collect
    prompt: ask
    digits: {min: 4, max: 4}
    save: code
    no_input: {next: return}
    no_match: {next: return}
    next: return
"""
MAIN = """
flow: main
languages: [en]
start: who
prompts: {hello: {en: "hello {{ who.code }}"}}
steps:
  who: {type: call, flow: identify, with: {greeting: "Your"}, save: who, next: hello}
  hello: {type: say, prompt: hello, next: bye}
  bye: {type: hangup}
"""


async def test_a_sub_flow_has_its_own_variables_and_returns_what_it_says() -> None:
    call = await converse_with("4321", flow=MAIN, others=(SUB,))
    assert call.heard == ["Your code please", "hello 4321"]
    assert call.path == ["who", "ask", "hello", "bye"]
    assert [e.depth for e in call.all(events.StepEntered)] == [0, 1, 0, 0]


async def test_a_sub_flow_of_itself_is_bounded() -> None:
    again = (
        "flow: main\nlanguages: [en]\nstart: a\n"
        "steps:\n  a: {type: call, flow: main, next: bye}\n  bye: {type: hangup}\n"
    )
    call = await converse_with(flow=again)
    assert call.ended == "failed"
    assert "deep" in call.all(events.Failed)[0].message


SECRET = """
flow: card
languages: [en]
start: ask
prompts: {ask: {en: card please}, wrong: {en: "code {{ copy }}"}}
steps:
  ask:
    type: collect
    prompt: ask
    digits: {min: 4, max: 16}
    secret: true
    save: card
    no_input: {next: bye}
    no_match: {next: bye}
    next: keep
  keep: {type: set, values: {copy: "{{ card }}"}, next: look}
  look:
    type: lookup
    query: q
    with: {card: "{{ card }}"}
    save: r
    found: bye
    not_found: tell
    error: bye
  tell: {type: say, prompt: wrong, next: bye}
  bye: {type: hangup}
"""


async def test_a_secret_answer_and_what_is_made_from_it_reach_no_event() -> None:
    call = await converse_with("4111111111111111#", flow=SECRET)
    assert call.answers.asked == [("q", {"card": "4111111111111111"})]
    assert "4111111111111111" not in repr([entry.to_dict() for entry in call.journal.entries])
    assert call.all(events.Heard)[0].secret


async def test_a_slow_lookup_is_bridged_by_a_phrase_and_bounded_by_its_deadline() -> None:
    slow = ORDER_LINE.replace("save: order\n", "save: order\n    deadline: 1500ms\n")
    call = await converse_with("1", "1234#", flow=slow, given={"order_by_number": "never"})
    assert "One moment" in call.heard[-1]
    assert call.all(events.LookupDone)[0].outcome == "error"


async def test_an_expression_that_fails_on_its_values_is_apologised_for() -> None:
    broken: dict[str, Any] = {"order_by_number": {"number": "1234"}}
    call = await converse_with("1", "1234#", flow=ORDER_LINE, given=broken)
    assert call.all(events.Failed)[0].error == "ExpressionFault"
    assert call.went == ("queue", "support"), "the flow's own fallback"
    assert call.ended == "failed"
