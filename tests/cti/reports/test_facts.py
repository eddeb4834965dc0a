from __future__ import annotations

from typing import Any

import pytest

from cti.reports.facts import Event, Facts, Visit, facts

STARTED = ("CallStarted", {"flow": "f", "version": "1", "language": "tr", "direction": "inbound"})


def entered(step: str, kind: str = "menu") -> tuple[str, dict[str, Any]]:
    return "StepEntered", {"flow": "f", "step": step, "type": kind, "version": "1"}


def heard(kind: str, answer: str | None = None, **more: Any) -> tuple[str, dict[str, Any]]:
    return "Heard", {"kind": kind, "answer": answer, "confidence": 1.0, **more}


def transfer(kind: str = "queue") -> tuple[tuple[str, dict[str, Any]], ...]:
    return ("Transferred", {"to": "support", "kind": kind}), ended("transfer")


def ended(why: str) -> tuple[str, dict[str, Any]]:
    return "CallEnded", {"why": why}


def of(*events: tuple[str, dict[str, Any]], visits: tuple[Visit, ...] = ()) -> Facts:
    story = [Event(1000.0 + at, kind, data) for at, (kind, data) in enumerate([STARTED, *events])]
    found = facts("c", story, visits)
    assert found is not None
    return found


HANDLED = Visit("support", 1010.0, 1040.0, "handled", "ayse", 1140.0, 20.0)


@pytest.mark.parametrize(
    ("events", "visits", "ending", "reason"),
    [
        ((entered("a"),), (), "waiting", ""),
        ((ended("hangup"),), (), "contained", "ended"),
        ((ended("caller_hung_up"),), (), "abandoned", "in_flow"),
        ((("LookupDone", {"outcome": "found"}), ended("caller_hung_up")), (), "contained", "served"),
        ((("LookupDone", {"outcome": "not_found"}), ended("caller_hung_up")), (), "abandoned",
         "in_flow"),
        (transfer("number"), (), "diverted", "number"),
        (transfer(), (), "diverted", "not_joined"),
        (transfer(), (Visit("support", 1010.0),), "waiting", ""),
        (transfer(), (Visit("support", 1010.0, 1050.0, "abandoned", ended=1050.0),), "abandoned",
         "abandoned"),
        (transfer(), (Visit("support", 1010.0, 1050.0, "callback", ended=1050.0),), "diverted",
         "callback"),
        (transfer(), (Visit("support", 1010.0, 1050.0, "handled", "ayse"),), "waiting", ""),
        (transfer(), (HANDLED,), "handled", ""),
        ((*transfer(), ("CallResumed", {"outcome": "done"}), ended("hangup")), (HANDLED,),
         "handled", ""),
        ((*transfer(), ("CallResumed", {"outcome": "busy"}), ended("hangup")), (), "contained",
         "ended"),
        ((("Failed", {}), ended("failed")), (), "diverted", "failed"),
    ],
)  # fmt: skip
def test_what_became_of_a_call(
    events: Any, visits: tuple[Visit, ...], ending: str, reason: str
) -> None:
    found = of(*events, visits=visits)
    assert (found.ending, found.reason) == (ending, reason)


def test_times_and_the_agent() -> None:
    found = of(*transfer(), visits=(Visit("first", 1003.0, 1008.0, "overflow"), HANDLED))
    assert (found.queue, found.agent) == ("support", "ayse")
    assert (found.waited, found.talked, found.seconds) == (35.0, 80.0, 140.0)
    assert (found.quarter, found.began) == (1, 1000.0)


def test_the_way_through_the_flow() -> None:
    found = of(
        entered("main"), heard("nothing"), heard("keys"), heard("speech", "one", confidence=0.5),
        entered("number", "collect"), heard("keys", None, secret=True), heard("hangup"),
        entered("main"), ("Failed", {"error": "x"}), ended("caller_hung_up"),
    )  # fmt: skip
    assert (found.questions, found.no_inputs, found.no_matches, found.faults) == (4, 1, 1, 1)
    main, number = found.steps.values()
    assert (main.visits, main.first, main.keys, main.speech, main.unsure) == (2, 1, 1, 1, 1)
    assert (main.no_inputs, main.no_matches, main.hung_up, main.ended, main.faults) == (
        1,
        1,
        1,
        1,
        1,
    )
    assert (number.visits, number.keys, number.no_matches, number.hung_up) == (1, 1, 0, 0)


def test_a_call_without_its_beginning_counts_nowhere() -> None:
    assert facts("c", [Event(1.0, "CallEnded", {"why": "hangup"})]) is None


def test_a_crash_counts_and_a_transfer_back_does_not() -> None:
    found = of(("CallResumed", {"outcome": ""}), ("CallResumed", {"outcome": "busy"}))
    assert found.resumed == 1
