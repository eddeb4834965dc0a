"""`queue`: let the caller wait for an agent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ivr import events
from ivr.expressions import Template
from ivr.steps.base import Duration, Name, Outcome, Step, Target
from ivr.steps.facts import Reference

if TYPE_CHECKING:
    from ivr.conversation import Conversation


class Queue(Step):
    """Put the caller into a queue; its announcements are the queue's own (`scenarios/queues.yaml`).

    With a way for an outcome the caller comes back to the flow on it: `timeout` after `wait`
    seconds, `full`, `empty` (no agent there), `callback` (asked for in the queue), `done` (the talk
    is over and the caller stayed, for a survey). On others the call is over.
    """

    type: Literal["queue"]
    to: Name
    why: Template | None = None
    priority: Annotated[int, Field(ge=0, le=100)] = 0
    wait: Duration = 0.0
    timeout: Target | None = None
    full: Target | None = None
    empty: Target | None = None
    callback: Target | None = None
    done: Target | None = None

    ends: ClassVar[bool] = True
    to_person: ClassVar[bool] = True

    def exits(self) -> Mapping[Outcome, Target]:
        ways = {
            "timeout": self.timeout,
            "full": self.full,
            "join_empty": self.empty,
            "leave_empty": self.empty,
            "callback": self.callback,
            "done": self.done,
        }
        return {outcome: target for outcome, target in ways.items() if target}

    def refers(self) -> Iterator[Reference]:
        yield Reference("queues", self.to, place=("to",))

    async def run(self, talk: Conversation) -> None:
        why = str(talk.value(self.why)) if self.why else ""
        talk.note(events.Transferred(self.to, "queue", why))
        await talk.services.journal.durable(talk.call.info.id)
        options = {"back": "1" if self.exits() else "", "priority": str(self.priority or "")}
        if self.wait:
            options["timeout"] = str(round(self.wait))
        await talk.call.transfer("queue", self.to, {k: v for k, v in options.items() if v})
