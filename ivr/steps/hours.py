"""`hours`: go by the clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from ivr.hours import State
from ivr.steps.base import Name, Outcome, Step, Target
from ivr.steps.facts import Reference

if TYPE_CHECKING:
    from ivr.conversation import Conversation


class Hours(Step):
    """Look at a table of opening hours. Without ways of their own a `holiday` and an `emergency`
    count as `closed`."""

    type: Literal["hours"]
    table: Name
    open: Target
    closed: Target
    holiday: Target | None = None
    emergency: Target | None = None

    def exits(self) -> Mapping[Outcome, Target]:
        return {
            State.OPEN.value: self.open,
            State.CLOSED.value: self.closed,
            State.HOLIDAY.value: self.holiday or self.closed,
            State.EMERGENCY.value: self.emergency or self.closed,
        }

    def refers(self) -> Iterator[Reference]:
        yield Reference("hours", self.table, place=("table",))

    async def run(self, talk: Conversation) -> Outcome:
        table = talk.services.hours[self.table]
        emergency = bool(table.switch) and talk.services.switches.on(table.switch)
        return table.state(talk.services.clock.now(), emergency=emergency).value
