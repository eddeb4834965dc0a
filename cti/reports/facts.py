"""One call's events and queue visits -> what reports count. Pure.

`ending` is the one category a call falls into, so that totals add up (docs/reports.md):
  handled    a person spoke with the caller
  contained  the flow ended it, or the caller hung up after the flow had given or done something
  abandoned  the caller hung up before either: in the flow, or in a queue
  diverted   it left us for somewhere else: an extension, a number, a call-back, nobody there, …
  waiting    it is not over
`reason` says which of these it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

QUARTER: Final = 900  # seconds
ANSWERED: Final = frozenset({"LookupDone", "EffectDone", "Rated", "RecordingMade"})
GOOD: Final = frozenset({"", "found", "done", "ok", "sent", "next"})
UNSURE_BELOW: Final = 0.6


def quarter(at: float) -> int:
    """The quarter of an hour a moment is in, counted from 1970 UTC."""
    return int(at // QUARTER)


@dataclass(frozen=True, slots=True)
class Visit:
    """A stay in a queue, as `queue_visits` has it; `left` and `ended` are 0 while it goes on."""

    queue: str
    entered: float
    left: float = 0.0
    outcome: str = ""
    agent: str = ""
    ended: float = 0.0
    held: float = 0.0

    @property
    def waited(self) -> float:
        return max(0.0, self.left - self.entered) if self.left else 0.0

    @property
    def talked(self) -> float:
        """With the agent, without the time on hold."""
        if self.outcome != "handled" or not self.ended:
            return 0.0
        return max(0.0, self.ended - self.left - self.held)


@dataclass(frozen=True, slots=True)
class Event:
    """A journal row."""

    at: float
    kind: str
    data: Mapping[str, Any]


@dataclass(slots=True)
class Step:
    """What happened in one step of a call. `first` is its place on the call's way."""

    flow: str
    step: str
    version: str
    type: str
    first: int
    visits: int = 0
    keys: int = 0
    speech: int = 0
    no_inputs: int = 0
    no_matches: int = 0
    unsure: int = 0
    faults: int = 0
    hung_up: int = 0
    ended: int = 0


@dataclass(slots=True)
class Facts:
    """What one call adds to the reports; the columns of `call_facts`, and its steps."""

    call: str
    began: float = 0.0
    seconds: float = 0.0
    direction: str = "inbound"
    line: str = ""
    caller: str = ""
    flow: str = ""
    version: str = ""
    language: str = ""
    ending: str = "waiting"
    reason: str = ""
    queue: str = ""
    agent: str = ""
    waited: float = 0.0
    talked: float = 0.0
    questions: int = 0
    no_inputs: int = 0
    no_matches: int = 0
    faults: int = 0
    resumed: int = 0
    transfers: int = 0
    mark: int | None = None
    steps: dict[tuple[str, str, str], Step] = field(default_factory=dict)

    @property
    def quarter(self) -> int:
        return quarter(self.began)

    @property
    def points(self) -> float:
        """How badly it went: one for each half minute of waiting, two for a question not
        understood, one for a silence, six for a fault of ours, two for each transfer after the
        first, four for giving up, five for a mark of 1 or 2."""
        return (
            self.waited / 30.0 + 2 * self.no_matches + self.no_inputs + 6 * self.faults
            + 2 * max(0, self.transfers - 1) + 4 * (self.ending == "abandoned")
            + 5 * (self.mark is not None and self.mark <= 2)
        )  # fmt: skip


def facts(call: str, events: Iterable[Event], visits: Sequence[Visit] = ()) -> Facts | None:
    """A call's facts by its events in their order; None without its beginning."""
    fold = _Fold(Facts(call))
    for event in events:
        fold.last = max(fold.last, event.at)
        apply = _APPLY.get(event.kind)
        if apply is not None:
            apply(fold, event)
    if not fold.facts.began:
        return None
    fold.finish(sorted(visits, key=lambda visit: visit.entered))
    return fold.facts


@dataclass(slots=True)
class _Fold:
    facts: Facts
    step: Step | None = None
    served: bool = False
    why: str = ""
    to: str = ""
    kind: str = ""
    last: float = 0.0
    """When the last event was."""

    def finish(self, visits: Sequence[Visit]) -> None:
        facts = self.facts
        handled = [visit for visit in visits if visit.outcome == "handled"]
        facts.waited = sum(visit.waited for visit in visits)
        facts.talked = sum(visit.talked for visit in visits)
        if visits:
            facts.queue = visits[-1].queue
        if handled:
            facts.agent = handled[-1].agent
        facts.ending, facts.reason = self._ending(visits, bool(handled))
        over = max([self.last, *(visit.ended or visit.left for visit in visits)])
        facts.seconds = max(0.0, over - facts.began) if facts.ending != "waiting" else 0.0

    def _ending(self, visits: Sequence[Visit], handled: bool) -> tuple[str, str]:
        last = visits[-1] if visits else None
        if self.why == "transfer" and self.kind == "queue":
            if last is None:
                return "diverted", "not_joined"
            if last.outcome in ("", "handled"):
                going_on = not (last.left if last.outcome == "" else last.ended)
                return ("waiting", "") if going_on else ("handled", "")
            if handled:
                return "handled", ""
            return ("abandoned" if last.outcome == "abandoned" else "diverted"), last.outcome
        if not self.why:
            return "waiting", ""
        if handled:
            return "handled", ""
        if self.why == "transfer":
            return "diverted", self.kind
        if self.why == "hangup":
            return "contained", "ended"
        if self.why == "caller_hung_up":
            return ("contained", "served") if self.served else ("abandoned", "in_flow")
        return "diverted", self.why

    # --- events

    def started(self, event: Event) -> None:
        facts, data = self.facts, event.data
        if facts.began:
            return
        facts.began = event.at
        facts.direction = str(data.get("direction") or "inbound")
        facts.flow, facts.version = str(data.get("flow", "")), str(data.get("version", ""))
        facts.language = str(data.get("language", ""))

    def entered(self, event: Event) -> None:
        data = event.data
        key = (str(data.get("flow", "")), str(data.get("step", "")), str(data.get("version", "")))
        step = self.facts.steps.get(key)
        if step is None:
            step = Step(*key, str(data.get("type", "")), len(self.facts.steps) + 1)
            self.facts.steps[key] = step
        step.visits += 1
        self.step = step

    def heard(self, event: Event) -> None:
        data, facts, step = event.data, self.facts, self.step
        kind = data.get("kind")
        if kind == "hangup":
            return
        facts.questions += 1
        missed = kind == "nothing"
        wrong = not missed and data.get("answer") is None and not data.get("secret")
        facts.no_inputs += missed
        facts.no_matches += wrong
        if step is not None:
            step.no_inputs += missed
            step.no_matches += wrong
            step.keys += kind == "keys"
            step.speech += kind == "speech"
            step.unsure += kind == "speech" and (data.get("confidence") or 0) < UNSURE_BELOW

    def answered(self, event: Event) -> None:
        self.served = self.served or event.data.get("outcome", "") in GOOD
        if event.kind == "Rated":
            self.facts.mark = event.data.get("mark")

    def transferred(self, event: Event) -> None:
        self.facts.transfers += 1
        self.to, self.kind = str(event.data.get("to", "")), str(event.data.get("kind", ""))

    def resumed(self, event: Event) -> None:
        self.why = ""
        self.facts.resumed += not event.data.get("outcome")

    def failed(self, _: Event) -> None:
        self.facts.faults += 1
        if self.step is not None:
            self.step.faults += 1

    def ended(self, event: Event) -> None:
        self.why = str(event.data.get("why", ""))
        if self.step is not None:
            self.step.ended += 1
            self.step.hung_up += self.why == "caller_hung_up"

    def spoke(self, event: Event) -> None:
        self.facts.language = str(event.data.get("language", "")) or self.facts.language


_APPLY: Final = {
    "CallStarted": _Fold.started,
    "StepEntered": _Fold.entered,
    "Heard": _Fold.heard,
    **dict.fromkeys(ANSWERED, _Fold.answered),
    "Transferred": _Fold.transferred,
    "CallResumed": _Fold.resumed,
    "Failed": _Fold.failed,
    "CallEnded": _Fold.ended,
    "LanguageChosen": _Fold.spoke,
}
