"""How a call went, from what Asterisk and the journal tell. Pure.

Source: the causes of ITU-T Q.850 as Asterisk gives them (include/asterisk/causes.h; SIP answers are
mapped in res/res_pjsip_session.c, measured in tests/e2e/test_outbound.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cti.dialler.campaigns import Outcome
from ivr import events
from ivr.events import Entry

BUSY: Final = frozenset({17, 21})  # 21: they declined it
NOBODY: Final = frozenset({0, 16, 18, 19, 20, 102, 127})
NO_NUMBER: Final = frozenset({1, 2, 22, 28})
# What a flow's `notify` means for the job; another event's name is the result itself.
RESULTS: Final[Mapping[str, str]] = {
    "order_confirmed": "confirmed",
    "order_cancelled": "cancelled",
    "order_note": "noted",
    "wrong_person": "wrong_person",
    "payment_link": "link_sent",
    "payment_later": "pays_later",
    "survey_comment": "commented",
}
UNREACHABLE: Final = "unreachable"


@dataclass(frozen=True, slots=True)
class Result:
    """What a call came to: its outcome for the policy, and for the shop a word and details."""

    outcome: Outcome
    result: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


def unanswered(cause: int) -> Outcome:
    """Of a call that was dialled and not answered."""
    if cause in BUSY:
        return Outcome.BUSY
    if cause in NOBODY:
        return Outcome.NO_ANSWER
    return Outcome.INVALID if cause in NO_NUMBER else Outcome.FAILED


def talked(entries: Sequence[Entry], *, machine: bool) -> Result:
    """Of a call that was answered. `machine`: Asterisk took whoever answered for one."""
    told = [entry.event for entry in entries]
    if machine:
        said = any(isinstance(e, events.CallEnded) and e.why == "hangup" for e in told)
        return Result(Outcome.MESSAGE_LEFT, "message_left") if said else Result(Outcome.MACHINE)
    details: dict[str, Any] = {}
    result = ""
    for event in told:
        match event:
            case events.EffectDone(kind="notify", name=name):
                result = RESULTS.get(name, name)
            case events.Transferred(to=to, why=why):
                result, details["transferred_to"] = "failed" if why == "failed" else "agent", to
            case events.RecordingMade(name=name, path=path, ms=ms):
                details["recording"] = {"name": name, "path": path, "ms": ms}
            case events.Rated(question=question, mark=mark):
                details.setdefault("marks", {})[question] = mark
                result = result or "rated"
            case events.LookupDone(outcome="not_found"):
                result = result or "nothing_to_do"
            case _:
                pass
    if not result:
        return Result(Outcome.HUNG_UP_EARLY)
    if result != "noted" and result != "commented":
        details.pop("recording", None)
    return Result(Outcome.ANSWERED, result, details)
