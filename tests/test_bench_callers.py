"""The benches' callers: they press when they hear the question, and a wrong call is told."""

from __future__ import annotations

from typing import cast

import numpy as np

from bench.outage import as_it_should
from bench.questions import question
from cti.demo_shop import ORDER
from cti.softphone import Call, Prompt
from ivr import events
from ivr.audio import TELEPHONE_RATE, Samples
from ivr.events import Entry, Event


class Line:
    """What is heard so far."""

    def __init__(self, heard: Samples, lag: float = 0.0) -> None:
        self.whole, self.seconds, self.over, self.lag = heard, 0.0, False, lag

    def clock(self) -> float:
        return self.seconds

    @property
    def heard(self) -> Samples:
        """With silence up to now, where the tape lags."""
        late = self.whole[: int(max(0.0, self.seconds - self.lag) * TELEPHONE_RATE)]
        return np.pad(late, (0, int(self.seconds * TELEPHONE_RATE) - len(late)))


def noise(seed: int, seconds: float = 1.5) -> Samples:
    """No two are alike."""
    count = int(seconds * TELEPHONE_RATE)
    return (np.random.default_rng(seed).normal(size=count) * 3000).astype(np.int16)


SILENCE = np.zeros(TELEPHONE_RATE, np.int16)
ONE, TWO = noise(1), noise(2)
ASKED = {"one": Prompt(ONE), "two": Prompt(TWO)}


def listen(
    heard: Samples, after: float = 0.0, step: float = 0.05, lag: float = 0.0
) -> list[tuple[str, float]]:
    """Everything that a caller takes for a question, and when; they press for 0.14 s each time."""
    line, found = Line(heard, lag), []
    line.seconds, look = after, question(ASKED, after)
    while line.seconds < len(heard) / TELEPHONE_RATE:
        if name := look(cast("Call", line)):
            found.append((name, round(line.seconds, 2)))
            line.seconds += 0.14
            look = question(ASKED, line.seconds)
        line.seconds += step
    return found


def test_each_question_is_known_once_and_before_it_ends() -> None:
    heard = np.concatenate([SILENCE, ONE, noise(3), TWO, SILENCE, ONE, SILENCE])
    found = listen(heard)
    assert [name for name, _ in found] == ["one", "two", "one"]
    ends = [2.5, 5.5, 8.0]
    assert all(end - 1.0 < at <= end for end, (_, at) in zip(ends, found, strict=True))


def test_a_caller_who_looks_seldom_still_hears_everything() -> None:
    heard = np.concatenate([SILENCE, ONE, SILENCE, TWO, SILENCE])
    assert [name for name, _ in listen(heard, step=0.7)] == ["one", "two"]


def test_a_caller_whose_tape_lags_behind_is_not_deaf() -> None:
    heard = np.concatenate([SILENCE, ONE, SILENCE, TWO, SILENCE])
    assert [name for name, _ in listen(heard, lag=0.45)] == ["one", "two"]


def test_what_was_cut_short_or_began_before_is_no_question() -> None:
    cut = np.concatenate([SILENCE, ONE[: TELEPHONE_RATE // 2], SILENCE])
    assert listen(cut) == []
    assert listen(np.concatenate([ONE, SILENCE]), after=1.0) == []


def journal(keyed: str = ORDER, interrupted: bool = False, why: str = "hangup") -> list[Entry]:
    told: list[Event] = [
        events.Heard("keys", "1"),
        events.Heard("keys", keyed),
        events.PromptPlayed("told", "en", "found", 900, interrupted),
        events.CallEnded(why, "outage", "bye"),
    ]
    return [Entry("c", number, float(number), one) for number, one in enumerate(told, 1)]


def test_a_call_that_went_wrong_is_told_by_its_journal() -> None:
    assert as_it_should(journal())
    assert not as_it_should(journal(keyed="34"))
    assert not as_it_should(journal(interrupted=True))
    assert not as_it_should(journal(why="caller_hung_up"))
    assert not as_it_should(journal()[:2])
