"""Every event survives the journal's JSON; a field or kind that is new or gone does not break it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest

from ivr import events
from ivr.events import KINDS, Entry

VALUES: list[Any] = [
    None, "x", 1, 1.5, True, Decimal("459.90"), date(2026, 12, 3), time(14, 30),
    datetime(2026, 12, 3, 14, 30, tzinfo=UTC), [Decimal(1)], {"total": Decimal("0.10"), "n": [1]},
]  # fmt: skip


def sample(kind: type[events.Event]) -> events.Event:
    """An event with something in every field."""
    plain = {"str": "x", "int": 3, "float": 1.5, "bool": True, "Any": Decimal("1.10")}
    filled = {}
    for name, field in kind.__dataclass_fields__.items():
        type_ = str(field.type).removesuffix(" | None")
        filled[name] = plain.get(type_, {"a": "b"} if type_.startswith("Mapping") else "x")
    return kind(**filled)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_survives_json(kind: type[events.Event]) -> None:
    entry = Entry("c-1", 7, 1764000000.25, sample(kind))
    assert Entry.from_dict(json.loads(json.dumps(entry.to_dict()))) == entry


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_keep_their_types(value: Any) -> None:
    entry = Entry("c-1", 1, 0.0, events.VariableSet("v", value))
    back = Entry.from_dict(json.loads(json.dumps(entry.to_dict())))
    assert back == entry
    assert isinstance(back.event, events.VariableSet)
    assert type(back.event.value) is type(value)


def test_a_field_that_is_unknown_is_dropped_and_one_that_is_missing_has_its_default() -> None:
    row = Entry("c", 1, 0.0, events.CallEnded("hangup")).to_dict()
    row["data"] = {"why": "hangup", "mood": "good"}
    assert Entry.from_dict(row).event == events.CallEnded("hangup")
