"""The commands for flows as they are typed: exit codes, output for people and for scripts."""

from __future__ import annotations

import argparse
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cti.commands.flows import add_commands
from ivr.errors import SantralError

HOME = Path(__file__).parents[3]
SHOP = HOME / "tests" / "ivr" / "flow" / "defects" / "good"


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def santral(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command as the command line does, in this process."""
    monkeypatch.chdir(HOME)

    def run(*arguments: str | Path, keys: str = "", state: Path | None = None) -> Done:
        monkeypatch.setenv("SANTRAL_STATE", str(state or "/nowhere"))
        monkeypatch.setattr("sys.stdin", io.StringIO(keys))
        parser = argparse.ArgumentParser(prog="santral")
        add_commands(parser.add_subparsers(required=True))
        capsys.readouterr()
        error = ""
        try:
            parsed = parser.parse_args([*map(str, arguments)])
            code = parsed.run(parsed)
        except SantralError as told:
            code, error = 2, str(told)
        except SystemExit as left:
            code = left.code
        shown = capsys.readouterr()
        return Done(code, shown.out, shown.err + error)

    return run


def test_check_of_good_flows_is_one_line(santral: Any) -> None:
    done = santral("check", SHOP)
    assert (done.returncode, done.stdout) == (0, "2 flows, 41 steps: nothing found\n")


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    for path in SHOP.glob("*.yaml"):
        text = path.read_text("utf-8").replace("otherwise: not_there", "otherwise: no_there")
        (tmp_path / path.name).write_text(text, "utf-8")
    return tmp_path


def test_check_tells_place_code_meaning_and_path(santral: Any, broken: Path) -> None:
    done = santral("check", broken / "shop.yaml")
    assert done.returncode == 1
    first = done.stdout.splitlines()[0]
    assert first.startswith(f"{broken}/shop.yaml:73:86:")
    assert "error no-such-step: 'otherwise' leads to 'no_there'" in first
    assert "did you mean 'not_there'?" in first
    assert first.endswith("main (1) > ask_number > find (not_found) > tries)")
    assert santral("check", broken / "identify.yaml").returncode == 0, "only what was asked for"


def test_check_for_scripts_and_editors(santral: Any, broken: Path) -> None:
    told = json.loads(santral("check", broken, "--json").stdout)
    assert told["flows"]["shop"]["menus_deep"] == 2
    assert not told["ok"]
    sarif = json.loads(santral("check", broken, "--sarif").stdout)
    assert sarif["runs"][0]["results"][0]["ruleId"] == "no-such-step"


def test_check_of_nothing_is_told(santral: Any) -> None:
    done = santral("check", "/nowhere/at/all")
    assert done.returncode == 2
    assert "there is no /nowhere/at/all" in done.stderr


def test_try_runs_the_shipped_tests(santral: Any) -> None:
    done = santral("try")
    assert done.returncode == 0, done.stdout
    assert "order_line: 18 of 18 steps" in done.stdout
    assert " 0 failed" in done.stdout


def test_try_shows_a_failing_test_up_to_there(santral: Any, tmp_path: Path) -> None:
    for path in SHOP.glob("*.yaml"):
        (tmp_path / path.name).write_text(path.read_text("utf-8"), "utf-8")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "t.yaml").write_text(
        "- name: wrong\n  flow: shop\n  language: en\n  given: {query.customer_by_phone: error}\n"
        "  talk: [{presses: 2}, {hears: broken}, {presses: 1}, {hears: goodbye}]\n"
    )
    done = santral("try", tmp_path)
    assert done.returncode == 1
    assert f"FAILED {tmp_path}/tests/t.yaml:1: wrong" in done.stdout
    assert "presses   2" in done.stdout
    assert "expected to hear: goodbye; the call ended with: queue support" in done.stdout
    told = json.loads(santral("try", tmp_path, "--json").stdout)
    assert told["tests"][0]["passed"] is False


def test_try_proposes_tests_that_pass(santral: Any, tmp_path: Path) -> None:
    for path in SHOP.glob("*.yaml"):
        (tmp_path / path.name).write_text(path.read_text("utf-8"), "utf-8")
    done = santral("try", tmp_path, "--generate")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "proposed.yaml").write_text(done.stdout, "utf-8")
    assert santral("try", tmp_path).returncode == 0


def test_call_talks_to_a_flow_with_the_demo_shop_behind_it(santral: Any, tmp_path: Path) -> None:
    done = santral(
        "call", "order_line", "--language", "en", keys="1\n1234#\n:path\n", state=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "Hello, and welcome to our shop." in done.stdout
    assert "-> " in done.stdout.splitlines()[-1]


def test_call_of_a_flow_that_is_not_there_says_what_was_meant(santral: Any, tmp_path: Path) -> None:
    done = santral("call", "order_lin", state=tmp_path)
    assert done.returncode == 2
    assert "did you mean 'order_line'?" in done.stderr


@pytest.mark.parametrize("command", ["check", "try", "call", "graph", "schema", "replay"])
def test_every_command_has_an_example_in_its_help(santral: Any, command: str) -> None:
    assert f"  santral {command}" in santral(command, "--help").stdout


@pytest.mark.parametrize(
    ("arguments", "begins"),
    [((), "flowchart TD"), (("--form", "dot"), "digraph"), (("--form", "svg"), "<svg"),
     (("--json",), "{")],
)  # fmt: skip
def test_graph_draws_a_flow(santral: Any, arguments: tuple[str, ...], begins: str) -> None:
    assert santral("graph", "order_line", *arguments).stdout.startswith(begins)


def test_graph_writes_the_form_that_the_file_says(santral: Any, tmp_path: Path) -> None:
    assert santral("graph", "order_line", "-o", tmp_path / "a.svg").returncode == 0
    assert (tmp_path / "a.svg").read_text("utf-8").startswith("<svg")
    done = santral("graph", "order_line", "-o", tmp_path / "a.png")
    assert (done.returncode, done.stderr) == (
        2,
        "'png' is not known; there are mermaid, dot and svg",
    )
    assert "did you mean 'order_line'" in santral("graph", "orderline").stderr


def test_schema_is_printed(santral: Any) -> None:
    assert json.loads(santral("schema").stdout)["properties"]["flow"]
    assert json.loads(santral("schema", "--tests").stdout)["type"] == "array"


def test_replay_of_a_file_of_entries(santral: Any, tmp_path: Path) -> None:
    rows = [
        {"call": "c", "sequence": 1, "at": 1795000000.0, "kind": "CallStarted",
         "data": {"flow": "order_line", "version": "x", "language": "en"}},
        {"call": "c", "sequence": 2, "at": 1795000000.0, "kind": "StepEntered",
         "data": {"flow": "order_line", "step": "main", "type": "menu", "via": "start"}},
        {"call": "c", "sequence": 3, "at": 1795000003.0, "kind": "Heard",
         "data": {"kind": "keys", "text": "0", "answer": "0"}},
    ]  # fmt: skip
    path = tmp_path / "entries.json"
    path.write_text(json.dumps(rows))
    done = santral("replay", path)
    assert done.returncode == 1
    assert "here it goes another way" in done.stdout
    assert (
        "now:  order_line.welcome (start) > order_line.main (next) > order_line.to_agent (0)"
        in done.stdout
    )
    test = santral("replay", path, "--as-test").stdout
    assert "- presses: '0'" in test
    path.write_text("[1]")
    assert santral("replay", path).returncode == 2


def test_replay_of_a_call_that_is_not_there(santral: Any, tmp_path: Path) -> None:
    done = santral("replay", "abcdef", state=tmp_path)
    assert (done.returncode, done.stderr) == (2, "no call with an id that begins with 'abcdef'")
