"""`invite`: decide whether a caller is asked to take part in a survey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field

from ivr.errors import ServiceFailed
from ivr.steps.base import Duration, Name, Outcome, Step, Target

if TYPE_CHECKING:
    from ivr.conversation import Conversation

YES, NO = "yes", "no"
DEADLINE: Final = 3.0  # seconds


class Invite(Step):
    """Decide whether this caller is asked: `percent` of them are, and nobody twice within `every`,
    whatever the survey. It is decided in the database, once for a call: two calls of one person at
    the same moment do not both get a `yes`.

    Who withholds their number is not asked, because nobody could tell that they were asked before;
    nor is anybody while the database does not answer.
    """

    type: Literal["invite"]
    survey: Name
    percent: Annotated[float, Field(ge=0, le=100)] = 100.0
    every: Duration = 30 * 86400.0
    yes: Target
    no: Target

    def exits(self) -> Mapping[Outcome, Target]:
        return {YES: self.yes, NO: self.no}

    def takes_seconds(self) -> float:
        return DEADLINE

    async def run(self, talk: Conversation) -> Outcome:
        info = talk.call.info
        who = info.dialled if info.direction.value == "outbound" else info.caller

        async def decide(key: str) -> tuple[Outcome, str]:
            work = talk.services.surveys.invite(
                self.survey, info.id, who, key, self.percent, self.every
            )
            verdict = await talk.while_holding(work, DEADLINE)
            return (YES if verdict == "asked" else NO), verdict

        try:
            outcome, _ = await talk.once("invite", self.survey, decide)
        except (ServiceFailed, TimeoutError) as error:
            talk.failed(error)  # written down; the caller's way goes on
            return NO
        return outcome
