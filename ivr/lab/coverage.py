"""What of the flows a number of conversations walked through, told from their journals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ivr import events
from ivr.events import Entry
from ivr.flow.model import Flow


@dataclass
class Coverage:
    """What was walked through: steps and (step, outcome) pairs, by flow.

    The journal does not tell by which outcome a sub-flow returned, only from which step: all ways
    of that step that return count then.
    """

    steps: dict[str, Counter[str]] = field(default_factory=dict)
    outcomes: dict[str, Counter[tuple[str, str]]] = field(default_factory=dict)

    def add(self, entries: Sequence[Entry]) -> None:
        before: list[tuple[str, str]] = []  # flow and step, by depth
        for entry in entries:
            event = entry.event
            if not isinstance(event, events.StepEntered):
                continue
            self.steps.setdefault(event.flow, Counter())[event.step] += 1
            # The step before stands at this depth; one that is deeper has returned.
            if len(before) > event.depth:
                flow, step = before[event.depth]
                self.outcomes.setdefault(flow, Counter())[step, event.via] += 1
                if len(before) > event.depth + 1:
                    inner, last = before[-1]
                    self.outcomes.setdefault(inner, Counter())[last, "return"] += 1
            del before[event.depth :]
            before.append((event.flow, event.step))

    def missing(self, flow: Flow) -> tuple[list[str], list[tuple[str, str]]]:
        """The steps nobody came to, and the ways nobody took from steps that were visited."""
        seen = self.steps.get(flow.name, Counter[str]())
        taken = self.outcomes.get(flow.name, Counter[tuple[str, str]]())
        steps = [name for name in flow.steps if name not in seen]
        ways = [
            (name, outcome)
            for name, targets in flow.ways.items()
            for outcome, target in targets.items()
            if (name, outcome) not in taken
            and not (target == "return" and (name, "return") in taken)
        ]
        return steps, ways
