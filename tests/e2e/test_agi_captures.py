"""The captures in `tests/fakes/captures/agi` are what a real Asterisk still says."""

from __future__ import annotations

from pathlib import Path

import pytest

from cti.asterisk import Installation
from tests.fakes.captures_format import Capture, captures
from tests.fakes.record_captures import SCENES, record_all

pytestmark = pytest.mark.asterisk


async def test_asterisk_still_says_what_was_recorded(
    installation: Installation, tmp_path: Path
) -> None:
    assert {path.stem for path in captures()} == set(SCENES)
    recorded = tmp_path / "recorded"
    recorded.mkdir()
    await record_all(recorded, tmp_path)
    for path in captures():
        before, now = Capture.read(path), Capture.read(recorded / path.name)
        assert [turn.line for turn in now.turns] == [turn.line for turn in before.turns], path.stem
        assert [turn.said for turn in now.turns] == [turn.said for turn in before.turns], path.stem
        names = [line.split(":")[0] for line in before.header]
        assert [line.split(":")[0] for line in now.header] == names
