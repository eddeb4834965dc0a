"""`transfer`: hand the caller on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from ivr import events
from ivr.expressions import Template
from ivr.steps.base import Duration, Outcome, Step, Target
from ivr.steps.facts import Reference

if TYPE_CHECKING:
    from ivr.conversation import Conversation


class Transfer(Step):
    """Hand the caller to a queue, an extension, or an outside number that is allowed.

    Without `kind` it is read from `to`: see `kind_of`. What is known of the call is journalled
    before it leaves, so that the desk has it first. With a way for an outcome the caller comes
    back to the flow on it: `busy`, `no_answer`, `failed`, or `done` (the talk is over and the
    caller stayed). On others the call is over. `ring` is how long it rings.
    """

    type: Literal["transfer"]
    to: Template
    kind: Literal["queue", "extension", "number"] | None = None

    ring: Duration = 0.0
    busy: Target | None = None
    no_answer: Target | None = None
    failed: Target | None = None
    done: Target | None = None

    ends: ClassVar[bool] = True
    to_person: ClassVar[bool] = True

    def refers(self) -> Iterator[Reference]:
        if not self.to.names and (self.kind or kind_of(self.to.source)) == "queue":
            yield Reference("queues", self.to.source.strip(), place=("to",))

    def exits(self) -> Mapping[Outcome, Target]:
        ways = {
            "busy": self.busy,
            "no_answer": self.no_answer,
            "failed": self.failed,
            "done": self.done,
        }
        return {outcome: target for outcome, target in ways.items() if target}

    async def run(self, talk: Conversation) -> None:
        target = str(talk.value(self.to)).strip()
        kind = self.kind or kind_of(target)
        talk.note(events.Transferred(target, kind))
        await talk.services.journal.durable(talk.call.info.id)
        options = {"back": "1"} if self.exits() else {}
        if self.ring:
            options["timeout"] = str(round(self.ring))
        await talk.call.transfer(kind, target, options)


def kind_of(target: str) -> Literal["queue", "extension", "number"]:
    """What a target looks like: up to five digits are an extension, more a number, else a queue."""
    digits = target.removeprefix("+").replace(" ", "")
    if not digits.isdecimal():
        return "queue"
    return "extension" if len(digits) <= 5 and not target.startswith("+") else "number"
