"""Findings as text, as JSON, and as SARIF 2.1.0 for editors and CI. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from ivr.flow.finding import Finding, Severity
from ivr.flow.folder import Checked
from ivr.flow.verify.limits import measure
from ivr.flow.verify.rules import RULES

SARIF_SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
LEVELS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


def failing(findings: Iterable[Finding]) -> bool:
    """Whether a check has failed: by an error or a warning, not by a note."""
    return any(found.severity is not Severity.NOTE for found in findings)


def summary(checked: Checked, findings: Sequence[Finding]) -> str:
    """One line: how much was looked at, what was found."""
    flows = len(checked.views)
    steps = sum(len(view.flow.steps) for view in checked.views.values())
    counts = Counter(found.severity for found in findings)
    parts = [_many(counts[severity], severity.value) for severity in Severity if counts[severity]]
    return f"{_many(flows, 'flow')}, {_many(steps, 'step')}: {', '.join(parts) or 'nothing found'}"


def _many(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def as_text(checked: Checked, findings: Sequence[Finding]) -> str:
    return "\n".join([*map(str, findings), summary(checked, findings)])


def as_json(checked: Checked, findings: Sequence[Finding]) -> dict[str, Any]:
    """Everything, with what was measured of each flow: times in seconds, see `verify/limits.py`."""
    flows = {}
    for name, view in checked.views.items():
        found = measure(view)
        flows[name] = {
            "file": view.document.file,
            "version": view.flow.version,
            "steps": len(view.flow.steps),
            "languages": list(view.flow.languages),
            "seconds_to_person": None if found.person is None else round(found.person, 1),
            "path_to_person": list(found.person_path),
            "menus_deep": found.menus,
            "path_to_deepest_menu": list(found.menus_path),
        }
    return {
        "ok": not failing(findings),
        "summary": summary(checked, findings),
        "findings": [found.to_dict() for found in findings],
        "flows": flows,
    }


def as_sarif(findings: Sequence[Finding], version: str = "") -> dict[str, Any]:
    """One run of SARIF 2.1.0; columns count UTF-16 units there, as ours do for all but emoji."""
    codes = list(dict.fromkeys(found.code for found in findings))
    driver: dict[str, Any] = {"name": "santral check", "rules": [_rule(code) for code in codes]}
    if version:
        driver["version"] = version
    results = [_result(found, codes.index(found.code)) for found in findings]
    return {
        "$schema": SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results, "columnKind": "utf16CodeUnits"}],
    }


def _rule(code: str) -> dict[str, Any]:
    rule = RULES[code]
    return {
        "id": code,
        "shortDescription": {"text": rule.means},
        "help": {"text": rule.do},
        "defaultConfiguration": {"level": LEVELS[rule.severity]},
    }


def _result(found: Finding, rule: int) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": found.code,
        "ruleIndex": rule,
        "level": LEVELS[found.severity],
        "message": {"text": found.message},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": found.file.replace("\\", "/")},
                    "region": {"startLine": found.line, "startColumn": found.column},
                }
            }
        ],
    }
    if found.path:
        steps = [
            {"location": {"message": {"text": step}, "logicalLocations": [{"name": step}]}}
            for step in found.path
        ]
        result["codeFlows"] = [{"threadFlows": [{"locations": steps}]}]
    return result
