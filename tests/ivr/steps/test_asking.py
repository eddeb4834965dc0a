"""Questions: commands that work everywhere, retries that change, numbers that are checked."""

from __future__ import annotations

import pytest

from ivr import events
from ivr.checks import luhn, tckn, vkn
from ivr.errors import FlowRefused
from ivr.flow.loader import load_text
from tests.ivr.talking import converse_with

FLOW = """
flow: shop
languages: [en]
start: main
no_input: {tries: 3, prompt: [hello_there, are_you_there], next: person}
no_match: {tries: 2, next: person}
globals:
  repeat: {key: "*", words: {en: [repeat]}}
  help: {key: "8", words: {en: [help]}, prompt: help}
  back: {key: "7", words: {en: [back]}}
  main_menu: {key: "9", next: main}
  operator: {key: "0", words: {en: [operator, a person]}, next: person}
prompts:
  main: {en: main menu}
  number: {en: your number}
  help: {en: general help}
  number_help: {en: it is on your letter}
  hello_there: {en: hello there}
  are_you_there: {en: are you there}
steps:
  main: {type: menu, prompt: main, options: [{key: 1, next: number}, {key: 2, words: {en: [end]}, next: bye}]}
  number: {type: collect, prompt: number, help: number_help, digits: {min: 3, max: 4}, save: n, next: bye}
  person: {type: transfer, to: support}
  bye: {type: hangup}
"""


@pytest.mark.parametrize(
    ("script", "path"),
    [
        (["0"], ["main", "person"]),
        (["says:A person!"], ["main", "person"]),
        (["1", "0#"], ["main", "number", "person"]),
        (["1", "7#", "2"], ["main", "number", "main", "bye"]),
        (["7", "2"], ["main", "main", "bye"]),  # nothing before the first question: asked again
        (["1", "9#", "2"], ["main", "number", "main", "bye"]),
        (["*", "*", "2"], ["main", "bye"]),
        (["*"] * 6, ["main", "person"]),  # repeats are bounded too
    ],
)
async def test_commands_work_in_every_question(script: list[str], path: list[str]) -> None:
    call = await converse_with(*script, flow=FLOW)
    assert call.path == path


async def test_help_is_the_questions_own_where_it_has_one() -> None:
    call = await converse_with("8", "1", "8#", "123#", flow=FLOW)
    assert call.heard == [
        "main menu", "general help main menu", "your number", "it is on your letter your number",
    ]  # fmt: skip


async def test_a_number_is_not_mistaken_for_a_command() -> None:
    call = await converse_with("1", "900#", flow=FLOW)
    assert call.path == ["main", "number", "bye"]


async def test_each_try_has_its_own_prompt() -> None:
    call = await converse_with("", "", "", flow=FLOW)
    assert call.heard == ["main menu", "hello there", "are you there"]
    assert call.path == ["main", "person"]


async def test_commands_are_written_down_as_what_they_were_understood_as() -> None:
    call = await converse_with("8", "0", flow=FLOW)
    assert [heard.answer for heard in call.all(events.Heard)] == ["help", "operator"]


def test_two_commands_on_one_key_are_refused() -> None:
    with pytest.raises(FlowRefused, match="two commands have the key"):
        load_text(FLOW.replace('key: "9"', 'key: "7"'))


def collect(extra: str) -> str:
    return f"""
flow: c
languages: [en]
start: ask
no_input: {{next: bye}}
no_match: {{tries: 2, next: bye}}
prompts: {{ask: {{en: number}}, right: {{en: "{{{{ n }}}} is right"}}, ok: {{en: thanks}}}}
steps:
  ask: {{type: collect, prompt: ask, digits: {{min: 2, max: 16}}, save: n, {extra}, next: ok}}
  ok: {{type: say, prompt: ok, next: bye}}
  bye: {{type: hangup}}
"""


@pytest.mark.parametrize(
    ("extra", "right", "wrong"),
    [
        ("lowest: 10, highest: 50", "50#", "51#"),
        ("check: luhn", "4111111111111111", "4111111111111112"),
        ("check: tckn", "10000000146#", "10000000147#"),
        ("rule: \"n | length == 3 and n != '000'\"", "123#", "000#"),
    ],
)
async def test_what_a_number_has_to_be(extra: str, right: str, wrong: str) -> None:
    assert (await converse_with(wrong, right, flow=collect(extra))).path == ["ask", "ok", "bye"]
    assert (await converse_with(wrong, wrong, flow=collect(extra))).path == ["ask", "bye"]


async def test_a_number_is_read_back() -> None:
    flow = collect("confirm: {prompt: right}")
    call = await converse_with("12#", "2", "34#", "1", flow=flow)
    assert call.heard == ["number", "12 is right", "number", "34 is right", "thanks"]
    assert (await converse_with("12#", "2", "34#", "2", flow=flow)).path == ["ask", "bye"]


def test_check_digits() -> None:
    assert luhn("79927398713")
    assert not luhn("79927398710")
    assert not luhn("")
    assert tckn("10000000146")
    assert not tckn("00000000000")
    assert not tckn("1000000014")
    assert vkn("4540536920")
    assert not vkn("4540536921")
    assert not vkn("454053692")


async def test_a_transfer_with_ways_of_its_own_asks_for_the_caller_back() -> None:
    flow = load_text("""
flow: t
languages: [en]
start: desk
steps:
  desk: {type: transfer, to: "101", ring: 20s, busy: queue, no_answer: queue}
  queue: {type: transfer, to: support}
""")
    assert flow.ways["desk"] == {"busy": "queue", "no_answer": "queue"}
    assert flow.ways["queue"] == {}
