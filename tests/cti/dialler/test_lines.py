"""What events mean for attempts; other diallers' events come, too."""

from __future__ import annotations

import pytest

from cti.ami import events as ami
from cti.dialler.lines import Line, Lines, NotDialled, Over

CHANNEL = "PJSIP/+905321112233@main"


def leg(unique: str = "a1", state: int = 0) -> ami.Channel:
    return ami.Channel("PJSIP/main-01", unique, unique, state)


def failed(channel: str = CHANNEL, unique: str = "") -> ami.OriginateResponse:
    return ami.OriginateResponse(1.0, "santral-7", "Failure", 0, channel, unique)


@pytest.fixture
def lines() -> Lines:
    return Lines()


def end_of(line: Line) -> object:
    return line.over.result() if line.over.done() else None


async def test_a_failure_without_a_channel_was_not_dialled(lines: Lines) -> None:
    with lines.following("a1", CHANNEL) as line:
        lines.on_event(failed())
        assert isinstance(end_of(line), NotDialled)


async def test_anothers_failure_is_not_ours(lines: Lines) -> None:
    """Two diallers count their actions alike, and Asterisk tells each of both."""
    with lines.following("a1", CHANNEL) as line:
        lines.on_event(failed("PJSIP/+905329999999@main"))
        lines.on_event(failed(CHANNEL, "b2"))
        assert end_of(line) is None


async def test_a_failure_after_its_channel_is_told_by_the_hangup(lines: Lines) -> None:
    with lines.following("a1", CHANNEL) as line:
        lines.on_event(ami.Newchannel(1.0, leg()))
        lines.on_event(failed())
        assert end_of(line) is None
        lines.on_event(ami.Hangup(2.0, leg(), 17, "User busy"))
        assert end_of(line) == Over(17)


async def test_the_answer_stays_known_when_whoever_noted_it_is_gone(lines: Lines) -> None:
    with lines.following("a1") as line:
        assert line.answered_at is None
        lines.on_event(ami.DialEnd(3.0, None, leg(), "ANSWER"))
        lines.on_event(ami.Newstate(4.0, leg(state=6)))
        assert line.answered_at == 3.0


async def test_the_snapshot_is_all_there_is(lines: Lines) -> None:
    lines.on_event(ami.Newchannel(1.0, leg("gone")))
    shown = ami.CoreShowChannel(2.0, leg("here"), "AGI", "1", "")
    lines.on_event(ami.Snapshot(2.0, channels=(shown,)))
    assert lines.channels == {"here"}
    assert lines.connected.is_set()
    lines.on_event(ami.Disconnected(3.0, "closed"))
    assert not lines.connected.is_set()
