"""The flows that ship: nothing is found in them, their tests pass, and both languages are there."""

from __future__ import annotations

from cti.commands.trying import around_of, read_tests
from cti.settings import HOME
from cti.tables import load_tables
from ivr.flow.folder import check_folder
from ivr.lab.trial import run_all

FOLDER = HOME / "scenarios"


def test_nothing_is_found_in_them() -> None:
    checked = check_folder(FOLDER)
    assert not checked.findings
    assert not load_tables(FOLDER).findings
    names = {flow.name for flow in checked.library}
    assert names >= {"order_line", "confirm_order", "payment_failed", "callback", "survey", "support_line",
                     "after_hours", "emergency"}  # fmt: skip
    assert all(set(flow.languages) >= {"tr", "en"} for flow in checked.library)


def test_their_conversations_go_as_written() -> None:
    checked = check_folder(FOLDER)
    tests = read_tests(FOLDER, None, "")
    talked = run_all(tests, around_of(checked))
    assert [f"{one.file}:{one.line} {one.wrong}" for one in talked if not one.passed] == []
    tested = {one.trial.flow for one in talked}
    assert tested == {flow.name for flow in checked.library}
    for name in tested:
        spoken = {one.trial.language or "tr" for one in talked if one.trial.flow == name}
        assert spoken == {"tr", "en"}, name
