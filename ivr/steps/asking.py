"""What every question shares: how often it is put, and what silence or a wrong answer does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from ivr.call import Heard, Keys, Trouble
from ivr.steps.base import Outcome, PromptName, Step, Target
from ivr.steps.commands import NO_INPUT, NO_MATCH, TOO_MUCH, Retry
from ivr.steps.listening import Listen, Understand
from ivr.steps.putting import Putting

if TYPE_CHECKING:
    from ivr.conversation import Conversation


class Asking(Step):
    """A question. `no_input` and `no_match` not given here are taken from the flow's own, and so is
    every key of `listen`. Who talks on and on counts as `no_match`, unless `too_much` is given.

    `help` is said when the caller asks for help here, in place of the flow's own; `keys_prompt` in
    place of the question when nobody can listen and only keys work.
    """

    prompt: PromptName
    no_input: Retry | None = None
    no_match: Retry | None = None
    too_much: Retry | None = None
    help: PromptName | None = None
    keys_prompt: PromptName | None = None
    listen: Listen | None = None
    secret: bool = False

    asks: ClassVar[bool] = True
    obeys: ClassVar[bool] = True
    spoken: ClassVar[bool] = False  # whether words answer where `listen` does not say

    def retry(self, talk: Conversation, kind: str) -> Retry:
        retry: Retry | None = getattr(self, kind) or getattr(talk.flow, kind)
        assert retry is not None, "the loader gives every question its ends"
        return retry

    def listening(self, flows: Listen) -> Listen:
        """How this question is listened to, in a flow that has this for all."""
        return flows.changed_by(self.listen)

    def prompts(self) -> Iterator[str]:
        yield self.prompt
        yield from filter(None, (self.help, self.keys_prompt))
        for retry in (self.no_input, self.no_match, self.too_much):
            yield from retry.prompt if retry else ()

    def gives_up(self) -> frozenset[Outcome]:
        return super().gives_up() | ({TOO_MUCH} if self.too_much else frozenset())

    def tries(self, outcome: Outcome) -> int:
        retry = getattr(self, outcome) if outcome in self.gives_up() else None
        return retry.tries if retry else int(outcome not in self.gives_up())

    def exits(self) -> Mapping[Outcome, Target]:
        retries = {NO_INPUT: self.no_input, NO_MATCH: self.no_match, TOO_MUCH: self.too_much}
        return {outcome: retry.next for outcome, retry in retries.items() if retry}

    async def put(
        self,
        talk: Conversation,
        keys: Keys,
        words: tuple[str, ...],
        understand: Understand,
        *,
        free: bool = False,
        read_back: bool = False,
    ) -> tuple[Outcome | None, str]:
        """Ask until there is an answer or the tries are used up: (outcome, "") or (None, answer).

        `free`: any words may be said. `read_back`: the caller confirms the answer anyway, so a
        doubtful one is not confirmed here.
        """
        putting = Putting(self, talk, keys, words, understand, free=free, read_back=read_back)
        return await putting.run()

    def again(self, kind: Outcome, instead: str | None, heard: Heard) -> tuple[str, ...]:
        """The prompts that put the question again after silence or a wrong answer."""
        if instead is not None:
            return (instead,)
        if heard.trouble is Trouble.TOO_MUCH:
            return ("santral_too_much", self.prompt)
        return (self.prompt,) if kind == NO_INPUT else ("santral_no_match", self.prompt)
