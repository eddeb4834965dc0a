"""What the check prints: lines an editor can follow, JSON for scripts, SARIF for CI."""

from __future__ import annotations

import json

from ivr.flow.report import as_json, as_sarif, as_text, failing
from tests.ivr.flow.verify.proving import check

FLOW = """
flow: main
languages: [en]
start: hello
prompts: {p: {en: hello}}
steps:
  hello: {type: say, prompt: p, next: gone}
  left: {type: lookup, query: q, save: x, found: bye, not_found: bye, error: bye}
  bye: {type: hangup}
"""


def test_text_has_place_severity_code_path_and_a_summary() -> None:
    checked = check(FLOW)
    lines = as_text(checked, checked.findings).splitlines()
    assert "flow.yaml:7:33: error no-such-step: 'next' leads to 'gone'" in lines[0]
    assert lines[0].endswith("(path: hello)")
    assert lines[-1] == "1 flow, 3 steps: 1 error, 1 warning, 1 note"


def test_nothing_found_is_one_line() -> None:
    checked = check(FLOW.replace("gone", "bye").replace("  left:", "  # left:"))
    assert as_text(checked, checked.findings) == "1 flow, 2 steps: nothing found"
    assert not failing(checked.findings)


def test_json_tells_everything() -> None:
    checked = check(FLOW)
    told = json.loads(json.dumps(as_json(checked, checked.findings)))
    assert told["ok"] is False
    assert {f["code"] for f in told["findings"]} == {
        "no-such-step",
        "unused-variable",
        "not-checked",
    }
    assert told["flows"]["main"]["seconds_to_person"] is None


def test_sarif_names_rules_places_and_the_way_there() -> None:
    checked = check(FLOW)
    told = json.loads(json.dumps(as_sarif(checked.findings)))
    assert told["version"] == "2.1.0"
    (run,) = told["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["locations"][0]["physicalLocation"]["region"]["startLine"] >= 1
    first = run["results"][0]
    assert first["level"] == "error"
    steps = first["codeFlows"][0]["threadFlows"][0]["locations"]
    assert [step["location"]["message"]["text"] for step in steps] == ["hello"]
