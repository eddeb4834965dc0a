"""The seeded-defect suite: defects made from good flows are found, and good flows have none."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from ivr.flow.finding import Finding, Severity
from ivr.flow.folder import check_folder
from ivr.flow.verify.rules import RULES
from tests.ivr.flow.defects.mutations import KINDS, Defect, defects
from tests.ivr.flow.defects.world import Files

GOOD = Path(__file__).parent / "good"
SHIPPED = Path(__file__).parents[4] / "scenarios"


MOST = 5  # of a kind; `python -m tests.ivr.flow.defects` runs all of them


def found_in(files: Files) -> tuple[Finding, ...]:
    with tempfile.TemporaryDirectory() as folder:
        return check_folder(files.write(Path(folder))).findings


@cache
def outcomes() -> tuple[tuple[Defect, frozenset[str]], ...]:
    return tuple(run(MOST))


def run(most: int | None = None) -> Iterator[tuple[Defect, frozenset[str]]]:
    """Every defect, or the `most` of a kind, spread out, with the codes it was found by."""
    for made in defects(Files.of(GOOD)).values():
        for defect in made[:: max(1, -(-len(made) // most))] if most else made:
            yield defect, frozenset(found.code for found in found_in(defect.files))


def test_good_flows_have_no_findings() -> None:
    assert [str(found) for found in check_folder(GOOD).findings] == []
    assert [str(found) for found in found_in(Files.of(GOOD))] == []


def test_shipped_flows_have_no_findings() -> None:
    assert [str(found) for found in check_folder(SHIPPED).findings] == []


def test_at_least_150_defects_and_95_percent_of_them_are_found_by_the_right_code() -> None:
    missed = [
        f"{d.what} (found: {sorted(codes)})" for d, codes in outcomes() if not d.codes & codes
    ]
    assert len(outcomes()) >= 150
    assert len(missed) <= len(outcomes()) * 0.05, "\n".join(missed)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind[1].__name__)
def test_every_kind_of_defect_is_made_and_mostly_found(kind: tuple[frozenset[str], object]) -> None:
    _, made = kind
    name = f"{made.__name__}: "  # type: ignore[attr-defined]
    mine = [(defect, found) for defect, found in outcomes() if defect.what.startswith(name)]
    assert mine
    missed = [defect.what for defect, found in mine if not defect.codes & found]
    assert len(missed) * 4 <= len(mine), missed


def test_every_code_has_a_defect_that_is_found_by_it() -> None:
    seen = Counter(code for _, codes in outcomes() for code in codes)
    without = {
        "unreadable",
        "not-utf8",
        "not-a-flow",
        "missing",
        "not-checked",
    }  # see tests of the reader
    assert set(RULES) - without - set(seen) == set()
    assert all(rule.means and rule.do for rule in RULES.values())
    assert RULES["not-checked"].severity is Severity.NOTE
