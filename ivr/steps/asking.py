"""What every question shares: how often it is put, and what silence or a wrong answer does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

from pydantic import BeforeValidator, Field, model_validator

from ivr.call import Heard, HeardKind, Keys, Question
from ivr.steps.base import KeyText, Model, Outcome, PromptName, Step, Target
from ivr.words import fold

if TYPE_CHECKING:
    from ivr.conversation import Conversation

NO_INPUT: Final = "no_input"
NO_MATCH: Final = "no_match"
REPEAT: Final = "repeat"
HELP: Final = "help"
BACK: Final = "back"  # an outcome the engine knows: to the question before this one
MOST_REPEATS: Final = 4  # of one question; what is asked for beyond it is a wrong answer


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


class Command(Model):
    """A key and words that work in every question of the flow. An option of the question itself
    wins; a number that the question takes is never mistaken for one."""

    key: KeyText | None = None
    words: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)

    def meant_by(self, heard: Heard, language: str) -> bool:
        if heard.kind is HeardKind.KEYS:
            return heard.text == self.key
        said = fold(heard.text, language)
        return any(fold(word, language) == said for word in self.words.get(language, ()))


class Help(Command):
    """Says `prompt`, then the question again."""

    prompt: PromptName


class Way(Command):
    """Leads to a step from every question."""

    next: Target


class Commands(Model):
    """What a caller can always ask for. `repeat` puts the question again, `back` goes to the
    question before it."""

    repeat: Command | None = None
    help: Help | None = None
    back: Command | None = None
    main_menu: Way | None = None
    operator: Way | None = None

    @model_validator(mode="after")
    def _keys_differ(self) -> Commands:
        keys = [command.key for _, command in self if command and command.key]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                raise ValueError(f"two commands have the key {key}")
        return self

    def asked(self, heard: Heard, language: str) -> str | None:
        """Which command was meant, if any."""
        for name, command in self:
            if command is not None and command.meant_by(heard, language):
                return name
        return None

    def words(self, language: str) -> Iterator[str]:
        for _, command in self:
            yield from command.words.get(language, ()) if command else ()

    def exits(self) -> Mapping[Outcome, Target]:
        return {name: command.next for name, command in self if isinstance(command, Way)}


class Asking(Step):
    """A question. `no_input` and `no_match` not given here are taken from the flow's own.

    `help` is said when the caller asks for help here, in place of the flow's own.
    """

    prompt: PromptName
    no_input: Retry | None = None
    no_match: Retry | None = None
    help: PromptName | None = None
    secret: bool = False

    asks: ClassVar[bool] = True
    obeys: ClassVar[bool] = True

    def retry(self, talk: Conversation, kind: str) -> Retry:
        retry: Retry | None = getattr(self, kind) or getattr(talk.flow, kind)
        assert retry is not None, "the loader gives every question its ends"
        return retry

    def prompts(self) -> Iterator[str]:
        yield self.prompt
        if self.help:
            yield self.help
        for retry in (self.no_input, self.no_match):
            yield from retry.prompt if retry else ()

    def tries(self, outcome: Outcome) -> int:
        retry = getattr(self, outcome) if outcome in self.gives_up() else None
        return retry.tries if retry else int(outcome not in self.gives_up())

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

        Silence and wrong answers are counted apart, so both run out whatever the caller mixes; so
        do the times a question is repeated.
        """
        counts = {NO_INPUT: 0, NO_MATCH: 0, REPEAT: 0}
        prompts: tuple[str, ...] = (self.prompt,)
        words = (*words, *talk.flow.commands.words(talk.language))
        while True:
            turn = sum(counts.values())
            heard = await talk.ask(self._question(talk, prompts, turn, keys, words))
            answer = understand(heard) if heard.kind is not HeardKind.NOTHING else None
            command = None
            if answer is None and heard.kind is not HeardKind.NOTHING:
                command = talk.flow.commands.asked(heard, talk.language)
            talk.note_heard(heard, answer or command)
            if answer is not None:
                return None, answer
            if command in {REPEAT, HELP} and counts[REPEAT] < MOST_REPEATS:
                counts[REPEAT] += 1
                prompts = (*self._help(talk, command), self.prompt)
                continue
            if command is not None and command not in {REPEAT, HELP}:
                return command, ""
            kind = NO_INPUT if heard.kind is HeardKind.NOTHING else NO_MATCH
            counts[kind] += 1
            retry = self.retry(talk, kind)
            if counts[kind] >= retry.tries:
                return kind, ""
            prompts = self._again(kind, retry.prompt_after(counts[kind]))

    def _help(self, talk: Conversation, command: str | None) -> tuple[str, ...]:
        if command != HELP or talk.flow.commands.help is None:
            return ()
        return (self.help or talk.flow.commands.help.prompt,)

    def _again(self, kind: str, instead: str | None) -> tuple[str, ...]:
        if instead is not None:
            return (instead,)
        return (self.prompt,) if kind == NO_INPUT else ("santral_no_match", self.prompt)

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
