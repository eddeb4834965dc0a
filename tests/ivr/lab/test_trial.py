"""Conversations as tests: they pass when it goes as written, and say where it did not."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cti.commands.trying import around_of, read_tests
from ivr.errors import FlowRefused
from ivr.flow.folder import check_folder
from ivr.lab.coverage import Coverage
from ivr.lab.proposals import proposals, written
from ivr.lab.trial import Around, Talked, Trial, read_trials, run_all, run_trial

HOME = Path(__file__).parents[3]
SHOP = HOME / "tests" / "ivr" / "flow" / "defects" / "good"


@pytest.fixture(scope="module")
def shop() -> Around:
    return around_of(check_folder(SHOP))


async def talk(around: Around, text: str) -> Talked:
    return await run_trial(Trial.model_validate(yaml.safe_load(text)), around)


ORDER = """
name: an order
flow: shop
language: en
given:
  query.customer_by_phone: {name: Ayşe, city: İzmir}
  query.order_by_number: {number: "1234", status: shipped, total: 10}
talk:
  - hears: welcome
  - hears: Hello Ayşe
  - presses: 1
  - hears: order number
  - presses: "1234#"
  - hears: one two three four is shipped
  - hears: ten lira
  - presses: 5
  - hears no: sorry
ends: hangup
"""


async def test_a_conversation_that_goes_as_written_passes(shop: Around) -> None:
    talked = await talk(shop, ORDER)
    assert talked.passed, talked.wrong


@pytest.mark.parametrize(
    ("change", "wrong", "shown"),
    [
        (("is shipped", "is lost"), "expected to hear: one two three four is lost", "1234#"),
        (("hears no: sorry", "hears no: goodbye"), "expected not to hear: goodbye", "goodbye"),
        (("ends: hangup", "ends: queue support"), "it ended with: hangup", "goodbye"),
        (("- presses: 5", "- presses: 5\n  - presses: 9"), "the caller could not go on", "goodbye"),
        (("hears: Hello Ayşe\n  - ", ""), None, ""),
        (("- hears: welcome\n  - hears: Hello", "- hears: Hello Ayşe\n  - hears: welcome #"),
         "expected to hear: welcome", "Hello"),
    ],
)  # fmt: skip
async def test_a_difference_is_told_with_the_conversation_up_to_there(
    shop: Around, change: tuple[str, str], wrong: str | None, shown: str
) -> None:
    talked = await talk(shop, ORDER.replace(*change))
    assert talked.passed == (wrong is None), talked.wrong
    if wrong and "it ended" not in wrong:
        assert wrong in talked.wrong
    assert shown in "\n".join(talked.transcript())


async def test_what_the_caller_hears_only_after_their_next_turn_does_not_count(
    shop: Around,
) -> None:
    early = ORDER.replace("  - presses: 1\n", "  - hears: order number please\n  - presses: 1\n")
    assert "expected to hear: order number please" in (await talk(shop, early)).wrong


@pytest.mark.parametrize(
    ("given", "heard", "ends"),
    [
        ("query.order_by_number: not_found", "There is no such order", "queue support"),
        ("query.order_by_number: error", "", "queue support"),
        ("query.order_by_number: never", "One moment", "queue support"),
        ("query.order_by_number: {takes: 3s, gives: {number: '1', status: late, total: 1}}",
         "One moment", "queue support"),
        ("query.order_by_number: [not_found, {number: '1', status: late, total: 1}]",
         "There is no such order", "queue support"),
        ("transfer.support: timeout", "All lines are busy", "hangup"),
        ("transfer.support: [timeout, '']", "All lines are busy", "hangup"),
        ("transfer.support: join_empty", "", "extension 101"),
    ],
)  # fmt: skip
async def test_what_is_given(shop: Around, given: str, heard: str, ends: str) -> None:
    trial = f"""
name: given
flow: shop
language: en
given:
  query.customer_by_phone: error
  {given}
talk:
  - presses: 1
  - presses: "1234#"
  - silent: 2
ends: {ends}
"""
    talked = await talk(shop, trial)
    told = " ".join(moment.text for moment in talked.moments)
    assert heard in told
    if given.startswith("transfer"):
        talked = await talk(shop, trial.replace('presses: 1\n  - presses: "1234#"', "presses: 0"))
        assert talked.end == ends


async def test_the_clock_is_virtual_and_set_by_the_test(shop: Around) -> None:
    talked = await talk(shop, """
name: at night
flow: shop
language: en
now: "2026-11-23T03:00:00+03:00"
talk:
  - hears: We are closed now
  - says: please call me back tomorrow
  - hears: Thank you
ends: hangup
""")  # fmt: skip
    assert talked.passed, talked.wrong
    assert talked.entries[-1].at - talked.entries[0].at > 3


async def test_variables_and_direction_are_given(tmp_path: Path) -> None:
    (tmp_path / "out.yaml").write_text("""
flow: out
languages: [en]
takes: [order]
start: which
prompts: {hello: {en: "Order {{ order.number }} for {{ call.context.name }}."}}
steps:
  which: {type: branch, cases: [{when: "call.direction == 'outbound'", next: hello}], otherwise: bye}
  hello: {type: say, prompt: hello, next: bye}
  bye: {type: hangup}
""")  # fmt: skip
    around = around_of(check_folder(tmp_path))
    talked = await talk(around, """
name: out
flow: out
given: {call.direction: outbound, call.context.name: Ayşe}
variables: {order: {number: 7}}
talk: [{hears: "Order 7 for Ayşe."}]
""")  # fmt: skip
    assert talked.passed, talked.wrong


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("presses: 1", "preses: 1"), "preses"),
        (("given:", "given:\n  qurey.x: 1"), "is not given like this"),
        (("flow: shop", "flow: shop\nfrom: x"), "from"),
    ],
)
def test_mistakes_in_a_test_are_told_with_their_line(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    path = tmp_path / "t.yaml"
    lines = ORDER.replace(*change).strip().splitlines()
    path.write_text("- " + "\n  ".join(lines))
    with pytest.raises(FlowRefused, match=message):
        read_trials(path)


def test_the_shipped_tests_pass_and_take_every_way_of_their_flows() -> None:
    checked = check_folder(HOME / "scenarios")
    around = around_of(checked)
    talked = run_all(read_tests(HOME / "scenarios", None, ""), around)
    assert talked
    assert not [(one.trial.name, one.wrong) for one in talked if not one.passed]
    coverage = Coverage()
    for one in talked:
        coverage.add(one.entries)
    assert {f.name: coverage.missing(f) for f in around.library if f.name == "order_line"} == {
        "order_line": ([], [])
    }


def test_proposed_tests_pass_and_walk_through_what_no_test_did(
    shop: Around, tmp_path: Path
) -> None:
    made = proposals(shop.library.get("shop"), shop, Coverage())
    path = tmp_path / "proposed.yaml"
    path.write_text(written(made))
    again = [(trial, str(path), line) for trial, line in read_trials(path)]
    talked = run_all(again, shop)
    assert not [(one.trial.name, one.wrong) for one in talked if not one.passed]
    coverage = Coverage()
    for one in talked:
        coverage.add(one.entries)
    for name in ("shop", "identify"):
        steps, ways = coverage.missing(shop.library.get(name))
        assert not steps
        assert len(ways) <= 4, ways


def test_nothing_is_proposed_where_tests_take_every_way() -> None:
    around = around_of(check_folder(HOME / "scenarios"))
    coverage = Coverage()
    tests = [t for t in read_tests(HOME / "scenarios", None, "") if t[0].flow == "order_line"]
    for one in run_all(tests, around):
        coverage.add(one.entries)
    assert proposals(around.library.get("order_line"), around, coverage) == []


def test_a_flow_that_is_not_there_fails_its_test(shop: Around) -> None:
    trial = Trial(name="x", flow="nowhere")
    (talked,) = run_all([(trial, "f.yaml", 1)], shop)
    assert "no good flow 'nowhere'" in talked.wrong
