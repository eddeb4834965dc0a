"""Recordings and switches: small files, shared with others."""

from __future__ import annotations

from pathlib import Path

import pytest

from cti.services.recordings import RecordingFolder
from cti.services.switches import SwitchFile
from ivr.errors import ServiceFailed


def test_a_recording_has_a_place_of_its_calls_own(tmp_path: Path) -> None:
    folder = RecordingFolder(tmp_path / "recordings")
    place = Path(folder.place("3f2a-1", "message-1-0"))
    assert place == tmp_path / "recordings" / "3f2a-1" / "message-1-0.wav"
    assert place.parent.is_dir()


@pytest.mark.parametrize(("call", "name"), [("..", "a"), ("a", "../b"), ("a/b", "c"), ("", "a")])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, call: str, name: str) -> None:
    with pytest.raises(ServiceFailed):
        RecordingFolder(tmp_path).place(call, name)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "recordings").write_text("a file")
    with pytest.raises(ServiceFailed, match="cannot be kept"):
        RecordingFolder(tmp_path / "recordings").place("c", "n")


def test_a_switch_thrown_by_one_is_seen_by_the_other(tmp_path: Path) -> None:
    mine, theirs = SwitchFile(tmp_path / "switches.json"), SwitchFile(tmp_path / "switches.json")
    assert not theirs.on("emergency")
    mine.throw("emergency", True, "ayse")
    assert theirs.on("emergency")
    mine.throw("closed_today", True, "ayse")
    mine.throw("emergency", False, "emily")
    assert not theirs.on("emergency")
    assert theirs.on("closed_today")
    assert (theirs.all()["emergency"].by, theirs.all()["closed_today"].by) == ("emily", "ayse")


def test_a_broken_file_leaves_the_switches_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "switches.json"
    switches = SwitchFile(path)
    switches.throw("emergency", True, "ayse")
    assert switches.on("emergency")
    path.write_text("{half a fi")
    assert switches.on("emergency")
    path.unlink()
    assert switches.on("emergency")
