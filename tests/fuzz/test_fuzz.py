"""A bounded run of the fuzzers, the same inputs every time, and every input that ever broke one."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.fuzz import SLOW, campaign
from bench.fuzzing.mutate import Mutator
from bench.fuzzing.targets import TARGETS, Target, Wrong, crashes

INPUTS = {"agi": 3_000, "ami": 1_500, "aeap": 6_000, "sip": 6_000, "expression": 400, "flow": 150}
FOUND = [(target, path) for target in TARGETS.values() for path in crashes(target.name)]


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_broken_inputs_are_refused_and_nothing_breaks(target: Target) -> None:
    row = campaign(target, INPUTS[target.name], seed=20_261_122, keep=False)
    assert row["places"] == []
    assert row["ways"] > 5  # the inputs do reach different parts of it
    assert row["slowest_ms"] < SLOW * 1000


@pytest.mark.parametrize(("target", "path"), FOUND, ids=lambda one: getattr(one, "stem", ""))
def test_what_once_broke_it_does_so_no_more(target: Target, path: Path) -> None:
    data = path.read_bytes()
    target.run(data, Mutator(1, [data], ()))


def test_there_are_crashes_that_were_found() -> None:
    assert FOUND


def test_a_target_that_breaks_is_told() -> None:
    """The fuzzer itself: a parser that cares for packets, or dies, does not pass."""

    def bad(data: bytes, mutator: Mutator) -> str:
        if b"\xff" in data:
            raise ZeroDivisionError
        if len(mutator.pieces(data)) > 3:
            raise Wrong("it depends on the packets")
        return "read"

    row = campaign(Target("bad", bad, lambda: [b"abc"], (), 1.0), 2_000, 1, keep=False)
    assert {place.split()[0] for place in row["places"]} == {"ZeroDivisionError", "Wrong"}
