"""The threat model's page is made of its table, and the table of what is really there."""

from __future__ import annotations

import ast

import pytest

from bench.defences import DEFENCES, PAGE, Defence, page
from cti.settings import CHECKOUT


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: ./santral bench defences --write"


@pytest.mark.parametrize("defence", DEFENCES, ids=lambda one: one.test.rpartition("/")[2])
def test_each_defence_and_its_test_are_there(defence: Defence) -> None:
    assert defence.old in (CHECKOUT / defence.file).read_text("utf-8")
    path, _, name = defence.test.partition("::")
    assert (CHECKOUT / path).exists()
    if name:
        tree = ast.parse((CHECKOUT / path).read_text("utf-8"))
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        assert name in {node.name for node in tree.body if isinstance(node, kinds)}


def test_everybody_who_may_mean_harm_is_thought_of() -> None:
    assert {one.who for one in DEFENCES} == {
        "callers", "agents", "shops", "flow editors", "network",
    }  # fmt: skip
