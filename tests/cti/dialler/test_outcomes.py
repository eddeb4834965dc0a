from __future__ import annotations

import pytest

from cti.dialler.campaigns import Outcome
from cti.dialler.outcomes import talked, unanswered
from ivr import events
from ivr.events import Entry, Event


@pytest.mark.parametrize(
    ("cause", "outcome"),
    [(17, "busy"), (21, "busy"), (19, "no_answer"), (0, "no_answer"), (1, "invalid"),
     (28, "invalid"), (34, "failed"), (3, "failed"), (38, "failed")],
)  # fmt: skip
def test_causes(cause: int, outcome: str) -> None:
    assert unanswered(cause) == outcome


def story(*told: Event) -> list[Entry]:
    return [Entry("c", n, float(n), event) for n, event in enumerate(told, start=1)]


def notify(name: str) -> events.EffectDone:
    return events.EffectDone("notify", name, "k", "next", 1.0)


def test_what_flows_tell_is_the_result() -> None:
    made = talked(story(notify("order_confirmed"), events.CallEnded("hangup")), machine=False)
    assert (made.outcome, made.result) == (Outcome.ANSWERED, "confirmed")
    assert talked(story(notify("own_event")), machine=False).result == "own_event"


def test_a_note_has_its_recording_and_nothing_else_has() -> None:
    recorded = events.RecordingMade("note", 3000, "key", "c/note.wav")
    noted = talked(story(recorded, notify("order_note")), machine=False)
    assert noted.details["recording"] == {"name": "note", "path": "c/note.wav", "ms": 3000}
    assert talked(story(recorded, notify("order_confirmed")), machine=False).details == {}


def test_who_hangs_up_without_a_word_may_be_called_again() -> None:
    made = talked(story(events.CallEnded("caller_hung_up")), machine=False)
    assert (made.outcome, made.result) == (Outcome.HUNG_UP_EARLY, "")
    assert talked([], machine=False).outcome is Outcome.HUNG_UP_EARLY


def test_who_went_to_an_agent_is_not_called_again() -> None:
    made = talked(story(events.Transferred("support", "queue")), machine=False)
    assert (made.outcome, made.result) == (Outcome.ANSWERED, "agent")
    assert made.details == {"transferred_to": "support"}


def test_a_message_is_left_only_when_it_was_said_to_its_end() -> None:
    said = story(events.CallEnded("hangup"))
    assert talked(said, machine=True).outcome is Outcome.MESSAGE_LEFT
    assert talked(story(events.CallEnded("caller_hung_up")), machine=True).outcome == "machine"
    assert talked([], machine=True).outcome == "machine"


def test_an_order_that_waits_no_more_is_not_asked_about_again() -> None:
    made = talked(story(events.LookupDone("q", "not_found", 1.0)), machine=False)
    assert (made.outcome, made.result) == (Outcome.ANSWERED, "nothing_to_do")
