from __future__ import annotations

import json
import re
from datetime import timedelta, timezone

import pytest

from cti.transcript import clock, render, transcript
from ivr import events
from ivr.events import KINDS, Entry
from tests.cti.journal.samples import EVERY_KIND

START = 1_795_000_000.0
STORY: list[tuple[float, events.Event]] = [
    (
        0.0,
        events.CallStarted("order_line", "sha256:0123456789abcdef", "tr", "+905321112233", "1000"),
    ),
    (0.1, events.StepEntered("order_line", "welcome", "say", "start")),
    (2.2, events.PromptPlayed("welcome", "tr", "Merhaba.", 2000)),
    (2.3, events.StepEntered("order_line", "main", "menu", "next")),
    (4.0, events.PromptPlayed("main", "tr", "Sipariş için bire basın.", 1500, True)),
    (4.0, events.Heard("keys", "1", 1.0, "order")),
    (4.1, events.StepEntered("order_line", "pay", "call", "1")),
    (4.2, events.StepEntered("payment", "card", "collect", "start", depth=1)),
    (9.0, events.Heard("keys", None, 1.0, None, True)),
    (9.0, events.VariableSet("card", None, 1, True)),
    (9.5, events.StepEntered("payment", "card", "collect", "no_match", 2, 1)),
    (12.0, events.Heard("nothing", "")),
    (12.1, events.Heard("speech", "evet", 0.87, "yes")),
    (12.2, events.LookupDone("order_by_number", "found", 3.4)),
    (12.3, events.VariableSet("order", {"number": "1234", "note": "x" * 200})),
    (71.4, events.CallEnded("hangup", "order_line", "bye")),
]
TOLD = """\
abc  2026-11-18 14:06:40 UTC+03:00  1:11.4  hangup
+905321112233 -> 1000  inbound  order_line 01234567 (tr)

   0:00.0    the call began in order_line, in tr
   0:00.1  - welcome (say)
   0:00.2  > “Merhaba.”  2.0 s
   0:02.3  - main (menu, by next)
   0:02.5  > “Sipariş için bire basın.”  1.5 s, cut short
   0:04.0  < keyed 1, understood as order
   0:04.1  - pay (call, by 1)
   0:04.2    - payment.card (collect)
   0:09.0  < keyed •••
   0:09.0      card = •••
   0:09.5    - payment.card (collect, by no_match, visit 2)
   0:12.0  < (silence)
   0:12.1  < said “evet” (87%), understood as yes
   0:12.2    looked up order_by_number: found  3 ms
   0:12.3    order = {number: 1234, note: XXX
   1:11.4    the call ended in order_line.bye: hangup

Path: order_line.welcome > order_line.main > order_line.pay > payment.card > payment.card
"""


def entries() -> list[Entry]:
    return [
        Entry("abc", place, START + at, event) for place, (at, event) in enumerate(STORY, start=1)
    ]


def test_a_call_reads_like_a_conversation() -> None:
    text = render(transcript(entries()), timezone(timedelta(hours=3)))
    text = re.sub("x{60,}…", "XXX", text)
    assert text == TOLD


def test_every_kind_of_event_has_its_line() -> None:
    told = transcript([Entry("c", n, START + n, event) for n, event in enumerate(EVERY_KIND, 1)])
    assert {line.kind for line in told.lines} == set(KINDS)
    assert len(told.lines) == len(EVERY_KIND)


def test_it_is_data_too() -> None:
    told = transcript(entries())
    data = json.loads(json.dumps(told.to_dict()))
    assert data["ended"] == "hangup"
    assert data["path"][:2] == ["order_line.welcome", "order_line.main"]
    assert data["lines"][2] == {
        "at": 0.2, "who": "us", "text": "“Merhaba.”  2.0 s", "depth": 0, "kind": "PromptPlayed",
    }  # fmt: skip


def test_a_call_that_goes_on_says_so() -> None:
    assert "still going on" in render(transcript(entries()[:5]))


def test_a_call_back_from_a_transfer_is_not_over() -> None:
    back = Entry("abc", 99, START + 80, events.CallResumed(2, "", "busy"))
    told = transcript([*entries(), back])
    assert told.ended == ""
    assert told.lines[-1].text == "back from the transfer: busy"


def test_without_its_beginning_it_is_told_all_the_same() -> None:
    assert transcript(entries()[3:]).head == "the beginning is missing"
    with pytest.raises(ValueError, match="without events"):
        transcript([])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00.0"), (59.96, "1:00.0"), (75.25, "1:15.2"), (3725.5, "1:02:05.5"), (-1, "0:00.0")],
)
def test_a_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
