"""A file read into a model: what may stand where, for "did you mean"."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from ivr.errors import FlowRefused
from ivr.flow.model_file import findings_of, known_at, read_model
from ivr.steps.base import Model


class Bolt(Model):
    length: int = 1


class Part(Model):
    weight: float = 0.0
    bolts: tuple[Bolt, ...] = ()
    lid: Bolt | None = None


class Machine(Model):
    title: str
    parts: Annotated[Mapping[str, Part], Field(max_length=9)] = {}


def read(path: Path) -> Machine:
    return read_model(path, Machine, "bad-machine")


def test_what_may_stand_where() -> None:
    assert known_at(Machine, ()) == ["title", "parts"]
    assert known_at(Machine, ("parts", "arm")) == ["weight", "bolts", "lid"]
    assert known_at(Machine, ("parts", "arm", "bolts", 3)) == ["length"]
    assert known_at(Machine, ("parts", "arm", "lid")) == ["length"]
    assert known_at(Machine, ("parts", "arm", "weight")) == []
    assert known_at(Machine, ("nothing", "here")) == []


def test_every_mistake_is_told_at_its_line(tmp_path: Path) -> None:
    path = tmp_path / "machine.yaml"
    path.write_text("title: 3\nparts:\n  arm:\n    lid: {lenght: 2}\n    xyz: 1\n")
    with pytest.raises(FlowRefused) as refusal:
        read(path)
    told = [(one.line, one.code, one.message) for one in refusal.value.findings]
    assert told == [
        (1, "bad-machine", "Input should be a valid string"),
        (4, "bad-machine", "'lenght' is not known here; did you mean 'length'?"),
        (5, "bad-machine", "'xyz' is not known here"),
    ]
    assert findings_of(read, path) == tuple(refusal.value.findings)
    path.write_text("title: arm\n")
    assert findings_of(read, path) == ()
    assert read(path) == Machine(title="arm")
