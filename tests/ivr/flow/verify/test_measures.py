"""How long to a person, how deep, in a flow and through its sub-flows; and words that sound alike."""

from __future__ import annotations

import pytest

from ivr.call import MS_PER_CHARACTER
from ivr.flow.verify.limits import KEY_SECONDS, Measure, measure
from ivr.sounding import alike
from tests.ivr.flow.verify.proving import check, codes, findings

FLOW = """
flow: main
languages: [en]
start: hello
no_input: {tries: 2, next: agent}
no_match: {tries: 2, next: agent}
prompts:
  long: {en: "LONG"}
  short: {en: "SHORT"}
steps:
  hello: {type: say, prompt: short, next: menu}
  menu:
    type: menu
    prompt: long
    options: [{key: 1, next: look}, {key: 2, next: bye}]
  look: {type: lookup, query: q, save: r, deadline: 7s, found: bye, not_found: agent, error: agent}
  agent: {type: transfer, to: "101"}
  bye: {type: branch, cases: [{when: "r is defined", next: end}], otherwise: end}
  end: {type: hangup}
""".replace("LONG", "l" * 100).replace("SHORT", "s" * 20)
QUERIES = "queries: {q: {deadline: 1s}}"
LONG, SHORT = 100 * MS_PER_CHARACTER / 1000, 20 * MS_PER_CHARACTER / 1000


def of(flow: str, name: str = "main", **others: str) -> Measure:
    return measure(check(flow, queries=QUERIES, **others).views[name])


def test_the_caller_takes_the_fastest_way_and_the_world_the_slowest() -> None:
    found = of(FLOW)
    assert found.person == pytest.approx(SHORT + LONG + KEY_SECONDS + 7.0)
    assert found.person_path == ("hello", "menu (1)", "look (not_found)", "agent")


def test_silence_is_a_way_too_with_all_its_tries() -> None:
    found = of(FLOW.replace("next: look}", "next: bye}").replace("deadline: 7s", "deadline: 9s"))
    assert found.person == pytest.approx(SHORT + 2 * (LONG + 5.0))
    assert found.person_path == ("hello", "menu (no_input)", "agent")


def test_nobody_to_reach() -> None:
    found = of(FLOW.replace('type: transfer, to: "101"', "type: hangup"))
    assert found.person is None


def test_menus_are_counted_on_the_shortest_way_to_the_deepest() -> None:
    deeper = FLOW.replace("next: look}", "next: second}") + (
        "  second: {type: menu, prompt: short, options: [{key: 1, next: look}, {key: 2, next: menu}]}\n"
    )
    assert (of(FLOW).menus, of(deeper).menus) == (1, 2)
    assert of(deeper).menus_path == ("hello", "menu (1)", "second")


SUB = """
flow: sub
languages: [en]
start: ask
no_input: {tries: 1, next: return}
no_match: {tries: 1, next: return}
prompts: {p: {en: "pppppppppp"}}
steps:
  ask: {type: menu, prompt: p, options: [{key: 1, next: return}, {key: 2, next: person}]}
  person: {type: transfer, to: "102"}
"""


def test_a_sub_flow_counts_with_its_time_and_its_menus() -> None:
    flow = FLOW.replace("next: menu}", "next: sub}").replace(
        "  menu:", "  sub: {type: call, flow: sub, next: menu}\n  menu:"
    )
    found = of(flow, sub=SUB)
    inside = 10 * MS_PER_CHARACTER / 1000 + KEY_SECONDS
    assert found.person == pytest.approx(SHORT + inside), "the person inside the sub-flow"
    assert found.menus == 2
    without = of(flow, sub=SUB.replace("{key: 2, next: person}", "{key: 2, next: return}")
                 + "  other: {type: hangup}\n")  # fmt: skip
    assert without.person == pytest.approx(SHORT + inside + LONG + KEY_SECONDS + 7.0)


def test_limits_are_held_against_the_measures() -> None:
    tight = FLOW.replace("start: hello", "limits: {person: 5s, menus: 1}\nstart: hello")
    (found,) = findings(tight, queries=QUERIES)
    assert found.code == "slow-to-person"
    assert found.path == ("hello", "menu (1)", "look (not_found)", "agent")
    assert codes(tight.replace("5s", "60s"), queries=QUERIES) == []


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("en", "fifteen", "fifty"), ("en", "order", "other"), ("en", "billing", "building"),
        ("en", "write", "right"), ("en", "two", "too"), ("en", "order", "orders"),
        ("en", "cancel", "council"), ("en", "phone", "foam"),
        ("tr", "kargo", "kargom"), ("tr", "sipariş", "siparişim"), ("tr", "iade", "ifade"),
        ("tr", "şikayet", "şikâyet"), ("tr", "on", "un"), ("tr", "beş", "boş"),
        ("tr", "fatura", "vatura"), ("tr", "destek", "istek"),
    ],
)  # fmt: skip
def test_these_sound_alike(language: str, one: str, other: str) -> None:
    assert alike(one, other, language)
    assert alike(other, one, language)


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("en", "yes", "no"), ("en", "order", "agent"), ("en", "cancel", "confirm"),
        ("en", "one", "four"), ("en", "sales", "support"), ("en", "returns", "payment"),
        ("en", "yes", "repeat"), ("en", "english", "turkish"), ("en", "five", "nine"),
        ("tr", "evet", "hayır"), ("tr", "iptal", "iade"), ("tr", "sipariş", "temsilci"),
        ("tr", "bir", "iki"), ("tr", "üç", "beş"), ("tr", "altı", "yedi"), ("tr", "ödeme", "kargo"),
        ("tr", "türkçe", "ingilizce"), ("tr", "evet", "tekrar"), ("tr", "yirmi", "yedi"),
    ],
)  # fmt: skip
def test_these_do_not(language: str, one: str, other: str) -> None:
    assert not alike(one, other, language)


def test_what_stands_once_in_a_file_is_told_once() -> None:
    wrong = FLOW.replace("no_input: {tries: 2, next: agent}", "no_input: {tries: 2, next: agnt}")
    wrong += "  again: {type: menu, prompt: short, options: [{key: 1, next: end}, {key: 2, next: bye}]}\n"
    found = [f for f in findings(wrong, queries=QUERIES) if f.code == "no-such-step"]
    assert [(f.line, f.column) for f in found] == [(5, 22)]
