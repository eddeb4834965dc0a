"""`santral bench all`: what it finds in what benches print, and a real run of a small part."""

from __future__ import annotations

import json
from pathlib import Path

from bench.all import PARTS, Part, _figures, as_markdown, main, ratios, report
from cti.commands.bench import BENCHES


def test_every_bench_is_in_the_report() -> None:
    assert {part.name for part in PARTS} | {"all"} == set(BENCHES)


def test_figures_are_found_behind_other_lines() -> None:
    assert _figures('round 1\n{\n "a": 1\n}\n') == {"a": 1}
    assert _figures("[1, 2]") == [1, 2]
    assert _figures("fast {enough}") is None


def test_every_ratio_is_found_wherever_it_is() -> None:
    figures = {"engine_to_panoramisk": 1.5, "deep": {"asterisk_growth": 1, "ms": 3, "x_to_y": True}}
    assert dict(ratios(figures)) == {"engine_to_panoramisk": 1.5, "deep.asterisk_growth": 1.0}


def test_a_bench_that_fails_is_told_of_by_its_reason() -> None:
    told = report([Part("lookup", ("--lookups", "none"))], whole=False)
    (one,) = told["benches"]
    assert one["code"] == 2
    assert "no: " in as_markdown(told)
    assert "invalid int value" in as_markdown(told)


def test_a_real_run_is_written_as_both(tmp_path: Path) -> None:
    main(["--only", "lookup", "--into", str(tmp_path)])  # how fast it is, is not this test's
    told = json.loads((tmp_path / "report.json").read_text())
    (one,) = told["benches"]
    assert one["figures"]["find"] > 0
    assert told["machine"]["versions"]["sqlalchemy"]
    text = (tmp_path / "report.md").read_text()
    assert "| lookup |" in text
    assert told["machine"]["processor"] in text
