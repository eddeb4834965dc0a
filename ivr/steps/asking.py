"""What every question shares: how often it is put, and what silence or a wrong answer does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

from pydantic import BeforeValidator, Field

from ivr.call import Heard, HeardKind, Keys, Question
from ivr.steps.base import Model, Outcome, PromptName, Step, Target

if TYPE_CHECKING:
    from ivr.conversation import Conversation

NO_INPUT: Final = "no_input"
NO_MATCH: Final = "no_match"


def _as_list(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else [value]


class Retry(Model):
    """What happens on silence (`no_input`) or on a wrong answer (`no_match`).

    `tries` is how many of them are borne: the last one leads to `next`. `prompt` is said in place
    of the question when it is put again; a list gives each try its own, the last from then on.
    """

    tries: Annotated[int, Field(ge=1, le=9)] = 2
    prompt: Annotated[tuple[PromptName, ...], BeforeValidator(_as_list)] = ()
    next: Target

    def prompt_after(self, count: int) -> PromptName | None:
        """The prompt after the `count`-th time, None where the file names none."""
        return self.prompt[min(count, len(self.prompt)) - 1] if self.prompt else None


class Asking(Step):
    """A question. `no_input` and `no_match` not given here are taken from the flow's own."""

    prompt: PromptName
    no_input: Retry | None = None
    no_match: Retry | None = None
    secret: bool = False

    asks: ClassVar[bool] = True

    def retry(self, talk: Conversation, kind: str) -> Retry:
        retry: Retry | None = getattr(self, kind) or getattr(talk.flow, kind)
        assert retry is not None, "the loader gives every question its ends"
        return retry

    def prompts(self) -> Iterator[str]:
        yield self.prompt
        for retry in (self.no_input, self.no_match):
            yield from retry.prompt if retry else ()

    def exits(self) -> Mapping[Outcome, Target]:
        retries = {NO_INPUT: self.no_input, NO_MATCH: self.no_match}
        return {outcome: retry.next for outcome, retry in retries.items() if retry}

    async def put(
        self,
        talk: Conversation,
        keys: Keys,
        words: tuple[str, ...],
        understand: Callable[[Heard], str | None],
    ) -> tuple[Outcome | None, str]:
        """Ask until there is an answer or the tries are used up: (outcome, "") or (None, answer).

        Silence and wrong answers are counted apart, so both run out whatever the caller mixes.
        """
        counts = {NO_INPUT: 0, NO_MATCH: 0}
        prompts: tuple[str, ...] = (self.prompt,)
        while True:
            turn = sum(counts.values())
            heard = await talk.ask(self._question(talk, prompts, turn, keys, words))
            answer = understand(heard) if heard.kind is not HeardKind.NOTHING else None
            talk.note_heard(heard, answer)
            if answer is not None:
                return None, answer
            kind = NO_INPUT if heard.kind is HeardKind.NOTHING else NO_MATCH
            counts[kind] += 1
            retry = self.retry(talk, kind)
            if counts[kind] >= retry.tries:
                return kind, ""
            said = retry.prompt_after(counts[kind])
            if said is not None:
                prompts = (said,)
            else:
                prompts = (self.prompt,) if kind == NO_INPUT else ("santral_no_match", self.prompt)

    def _question(
        self,
        talk: Conversation,
        prompts: tuple[str, ...],
        turn: int,
        keys: Keys,
        words: tuple[str, ...],
    ) -> Question:
        first = talk.flow.prompt(prompts[-1])
        return Question(
            talk.utterance(*prompts, turn=turn),
            keys=keys,
            words=words,
            barge_in=first.barge_in,
            flush=first.flush,
            secret=self.secret,
        )
