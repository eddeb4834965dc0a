"""Events for the tests: one of every kind, and conversations as the engine writes them."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from decimal import Decimal

from ivr import events
from ivr.events import Entry, Event

START = 1_795_000_000.25  # 2026-11-18, to the microsecond
ROW = {"number": "1234", "total": Decimal("459.90"), "placed_at": datetime(2026, 1, 2, tzinfo=UTC)}
EVERY_KIND: tuple[Event, ...] = (
    events.CallStarted("shop", "v1", "tr", "05321112233", "1000", "inbound", "PJSIP/a", {"x": "y"}),
    events.CallResumed(2, "PJSIP/a", "busy"),
    events.StepEntered("shop", "main", "menu", "start", 1, 0, "v1"),
    events.PromptPlayed("welcome", "tr", "Merhaba, mağazamıza hoş geldiniz.", 2100, True),
    events.Heard("keys", "1234", 0.5, "1234"),
    events.LookupDone("order_by_number", "found", 1.25),
    events.EffectDone("http", "notify", "c:s:1", "done", 3.5, {"id": 7, "when": date(2026, 1, 2)}),
    events.VariableSet("order", ROW, 1),
    events.LanguageChosen("en"),
    events.Transferred("support", "queue", "asked"),
    events.RecordingMade("note", 1500, "silence", "2026/11/note.wav"),
    events.CallTaped("call", "2026/11/call.wav"),
    events.Rated("service", "1-5", 4),
    events.Failed("LookupFailed", "no answer", "shop", "find"),
    events.CallEnded("hangup", "shop", "bye"),
)


def conversation(call: str = "", kinds: tuple[Event, ...] = EVERY_KIND) -> list[Entry]:
    call = call or str(uuid.uuid4())
    return [
        Entry(call, place, START + place / 8, event) for place, event in enumerate(kinds, start=1)
    ]


def numbered(call: str, sequence: int) -> Entry:
    """An entry whose content follows from its place, so that a wrong one shows."""
    event: Event = events.VariableSet("place", f"{call}/{sequence}")
    if sequence == 1:
        event = events.CallStarted("shop", "v1", "tr", "+905321112233")
    return Entry(call, sequence, START + sequence / 64, event)
