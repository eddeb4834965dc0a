"""`transfer`: hand the caller on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from ivr import events
from ivr.expressions import Template
from ivr.steps.base import Step
from ivr.steps.facts import Reference

if TYPE_CHECKING:
    from ivr.conversation import Conversation


class Transfer(Step):
    """Hand the caller to a queue, an extension, or an outside number that is allowed.

    Without `kind` it is read from `to`: see `kind_of`. What is known of the call is journalled
    before it leaves, so that the desk has it first.
    """

    type: Literal["transfer"]
    to: Template
    kind: Literal["queue", "extension", "number"] | None = None

    ends: ClassVar[bool] = True
    to_person: ClassVar[bool] = True

    def refers(self) -> Iterator[Reference]:
        if not self.to.names and (self.kind or kind_of(self.to.source)) == "queue":
            yield Reference("queues", self.to.source.strip(), place=("to",))

    async def run(self, talk: Conversation) -> None:
        target = str(talk.value(self.to)).strip()
        kind = self.kind or kind_of(target)
        talk.note(events.Transferred(target, kind))
        await talk.services.journal.durable(talk.call.info.id)
        await talk.call.transfer(kind, target, {})


def kind_of(target: str) -> Literal["queue", "extension", "number"]:
    """What a target looks like: up to five digits are an extension, more a number, else a queue."""
    digits = target.removeprefix("+").replace(" ", "")
    if not digits.isdecimal():
        return "queue"
    return "extension" if len(digits) <= 5 and not target.startswith("+") else "number"
