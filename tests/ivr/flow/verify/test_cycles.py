"""Circles: the rule that nobody goes round for ever without choosing to, and what counts."""

from __future__ import annotations

import pytest

from tests.ivr.flow.verify.proving import codes, findings

HEAD = """
flow: round
languages: [en]
start: a
no_input: {tries: 2, next: bye}
no_match: {tries: 2, next: bye}
prompts: {p: {en: number please}}
steps:
  bye: {type: hangup}
"""
ASK = "  a: {type: collect, prompt: p, save: n, next: find}\n"
FIND = "  find: {type: lookup, query: q, with: {n: '{{ n }}'}, save: r, found: bye, not_found: %s, error: bye}\n"
QUERIES = "queries: {q: {deadline: 1s, parameters: {n: text}}}"
USE = "  use: {type: branch, cases: [{when: 'r.x == 1', next: bye}], otherwise: bye}\n"


def of(steps: str) -> list[str]:
    found = codes(HEAD + steps, queries=QUERIES)
    return [code for code in found if code not in {"unused-variable", "unused-prompt"}]


def test_steps_that_only_go_on_are_a_silent_cycle() -> None:
    steps = "  a: {type: goto, next: b}\n  b: {type: branch, cases: [{when: 'call.caller', next: bye}], otherwise: a}\n"
    assert of(steps) == ["silent-cycle"]
    (found,) = (f for f in findings(HEAD + steps) if f.code == "silent-cycle")
    assert found.path == ("a", "b (otherwise)", "a")


def test_silence_that_leads_back_is_an_unbounded_cycle() -> None:
    menu = "  a: {type: menu, prompt: p, options: [{key: 1, next: bye}], no_input: {next: again}}\n"
    assert of(menu + "  again: {type: say, prompt: p, next: a}\n") == ["unbounded-cycle"]


def test_a_wrong_answer_here_and_silence_there_are_one_circle() -> None:
    steps = (
        "  a: {type: menu, prompt: p, options: [{key: 1, next: bye}], no_input: {next: b}}\n"
        "  b: {type: menu, prompt: p, options: [{key: 1, next: bye}], no_match: {next: a}}\n"
    )
    assert of(steps) == ["unbounded-cycle"]


def test_an_option_that_leads_back_is_the_callers_own_choice() -> None:
    assert (
        of("  a: {type: menu, prompt: p, options: [{key: 1, next: bye}, {key: 9, next: a}]}\n")
        == []
    )


def test_a_number_that_is_asked_for_again_has_to_be_counted() -> None:
    assert of(ASK + FIND % "a") == ["uncounted-retry"]


@pytest.mark.parametrize(
    "step",
    [
        "  t: {type: branch, cases: [{when: 'visits.a >= 3', next: bye}], otherwise: a}\n",
        "  t: {type: branch, cases: [{when: \"3 <= visits['a']\", next: bye}], otherwise: a}\n",
        "  t: {type: branch, cases: [{when: 'visits.a < 3', next: a}], otherwise: bye}\n",
        "  t: {type: branch, cases: [{when: 'not visits.a > 3', next: a}], otherwise: bye}\n",
        "  t: {type: branch, cases: [{when: 'r is defined or visits.a > 3', next: bye}], otherwise: a}\n",
        "  t: {type: branch, cases: [{when: 'call.caller and visits.a < 3', next: a}], otherwise: bye}\n",
        "  t: {type: set, values: {k: '{{ k | default(0) + 1 }}'}, next: u}\n"
        "  u: {type: branch, cases: [{when: 'k > 2', next: bye}], otherwise: a}\n",
        "  t: {type: branch, cases: [{when: 'k is defined', next: bye}], otherwise: u}\n"
        "  u: {type: set, values: {k: 'yes'}, next: a}\n",
        "  t: {type: branch, cases: [{when: \"k | default('') == 'yes'\", next: bye}], otherwise: u}\n"
        "  u: {type: set, values: {k: 'yes'}, next: a}\n",
        "  t: {type: branch, cases: [{when: 'visits.a > 2', next: bye}, {when: 'call.caller', next: a}],"
        " otherwise: a}\n",
    ],
)  # fmt: skip
def test_what_counts(step: str) -> None:
    assert of(ASK + FIND % "t" + step) == []


@pytest.mark.parametrize(
    "step",
    [
        # the wrong way round
        "  t: {type: branch, cases: [{when: 'visits.a <= 3', next: bye}], otherwise: a}\n",
        # it need not be passed
        "  t: {type: branch, cases: [{when: 'visits.bye >= 3', next: bye}], otherwise: a}\n",
        # both may fail
        "  t: {type: branch, cases: [{when: 'call.caller and visits.a >= 3', next: bye}], otherwise: a}\n",
        # another case leads back before it
        "  t: {type: branch, cases: [{when: 'call.caller', next: a}, {when: 'visits.a > 2', next: bye}],"
        " otherwise: a}\n",
        # set back in the circle
        "  t: {type: set, values: {k: '{{ k | default(0) + 1 }}'}, next: u}\n"
        "  u: {type: branch, cases: [{when: 'k > 2', next: bye}], otherwise: v}\n"
        "  v: {type: set, values: {k: '0'}, next: a}\n",
        # it shrinks
        "  t: {type: set, values: {k: '{{ k | default(0) + -1 }}'}, next: u}\n"
        "  u: {type: branch, cases: [{when: 'k > 2', next: bye}], otherwise: a}\n",
    ],
)  # fmt: skip
def test_what_does_not_count(step: str) -> None:
    assert "uncounted-retry" in of(ASK + FIND % "t" + step)


def test_two_circles_need_a_count_each() -> None:
    steps = (
        ASK + FIND % "t"
        + "  t: {type: branch, cases: [{when: 'visits.a >= 3', next: b}], otherwise: a}\n"
        "  b: {type: collect, prompt: p, save: m, next: c}\n"
        "  c: {type: lookup, query: q, with: {n: '{{ m }}'}, save: s, found: bye, not_found: b, error: bye}\n"
    )  # fmt: skip
    found = [f for f in findings(HEAD + steps, queries=QUERIES) if f.code == "uncounted-retry"]
    assert [f.path[-1] for f in found] == ["b"]


SUB = """
flow: sub
languages: [en]
returns: [x]
start: %s
no_input: {next: return}
no_match: {next: return}
prompts: {p: {en: yes or no}}
steps:
  ask: {type: menu, prompt: p, options: [{key: 1, next: mark}, {key: 2, next: bye}]}
  mark: {type: set, values: {x: '1'}, next: return}
  bye: {type: hangup}
"""
CALLS = "  a: {type: call, flow: sub, save: r, next: b}\n  b: {type: branch, cases: [{when: 'r.x', next: bye}], otherwise: a}\n"


@pytest.mark.parametrize(("start", "code"), [("mark", "silent-cycle"), ("ask", "unbounded-cycle")])
def test_a_sub_flow_counts_as_its_easiest_way_through(start: str, code: str) -> None:
    found = codes(HEAD + CALLS, sub=SUB % start)
    assert code in found


def test_a_sub_flow_that_is_only_left_by_choice_bounds_a_circle() -> None:
    sub = (SUB % "ask").replace("{next: return}", "{next: bye}")
    assert not {"silent-cycle", "unbounded-cycle", "uncounted-retry"} & set(
        codes(HEAD + CALLS, sub=sub)
    )


def test_a_flow_that_enters_itself_is_told() -> None:
    again = SUB % "again" + "  again: {type: call, flow: sub, next: ask}\n"
    assert "endless-calls" in codes(again)
