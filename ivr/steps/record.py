"""`record`: let the caller leave a message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from ivr import events
from ivr.call import HeardKind, Keys, Recorded
from ivr.steps.asking import Asking
from ivr.steps.base import NEXT, Duration, Name, Outcome, PromptName, Target
from ivr.steps.commands import Retry

if TYPE_CHECKING:
    from ivr.conversation import Conversation

SHORTEST_MS = 1000  # anything shorter is a caller who said nothing
LISTEN, AGAIN, SEND = "1", "2", "3"


class Record(Asking):
    """Record a message after a beep, to a key, `silence` or the `limit`.

    With `review` the caller may then listen to it (1), record it again (2) or send it (3); silence
    sends it. `save` keeps its name. A caller who hangs up while speaking has left a message too.
    """

    type: Literal["record"]
    save: Name
    limit: Duration = 120.0
    silence: Duration = 4.0
    beep: bool = True
    finish: Literal["#", "*", "any"] = "#"
    review: PromptName | None = None
    no_input: Retry | None = None
    next: Target

    obeys: ClassVar[bool] = False

    def gives_up(self) -> frozenset[Outcome]:
        return frozenset({"no_input"})

    def prompts(self) -> Iterator[str]:
        yield from super().prompts()
        if self.review:
            yield self.review

    def exits(self) -> Mapping[Outcome, Target]:
        return {NEXT: self.next} | dict(super().exits())

    def sets(self) -> Mapping[str, frozenset[Outcome] | None]:
        return {self.save: frozenset({NEXT})}

    def keeps(self) -> frozenset[str]:
        return frozenset({self.save})

    def takes_seconds(self) -> float:
        return self.limit

    def listens_seconds(self) -> float:
        return self.silence

    async def run(self, talk: Conversation) -> Outcome:
        tries = empty = 0
        while True:
            visit = talk.frame.visits.get(talk.frame.step, 1)
            name = f"{talk.frame.step}-{visit}-{tries}"
            await talk.say(self.prompt, turn=tries)
            made = await self._record(talk, name)
            tries += 1
            if made is None:
                empty += 1
                retry = self.retry(talk, "no_input")
                if empty >= retry.tries:
                    return "no_input"
                continue
            if not self.review or await self._reviewed(talk, made):
                talk.set(self.save, name)
                return NEXT

    async def _record(self, talk: Conversation, name: str) -> Recorded | None:
        """The recording, or None for one that is too short to hold anything."""
        path = talk.services.recordings.place(talk.call.info.id, name)
        finish = "0123456789*#" if self.finish == "any" else self.finish
        made = await talk.call.record(
            path, limit=self.limit, silence=self.silence, beep=self.beep, finish=finish
        )
        if made.ms < SHORTEST_MS:
            return None
        talk.note(events.RecordingMade(name, made.ms, made.ended_by, made.path))
        return made

    async def _reviewed(self, talk: Conversation, made: Recorded) -> bool:
        """Whether the caller is content with it; a caller who says nothing is."""
        assert self.review is not None
        while True:
            heard = await talk.put_question(self.review, Keys(1, 1, "", 5.0, 3.0))
            pressed = heard.text if heard.kind is HeardKind.KEYS else ""
            talk.note_heard(heard, {LISTEN: "listen", AGAIN: "again", SEND: "send"}.get(pressed))
            if pressed != LISTEN:
                return pressed != AGAIN
            await talk.call.play_back(made)
