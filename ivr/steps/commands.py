"""What is the same in every question: retries, and the commands that always work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, model_validator

from ivr.call import Heard, HeardKind
from ivr.steps.base import KeyText, Model, Outcome, PromptName, Target
from ivr.words import fold

NO_INPUT: Final = "no_input"
NO_MATCH: Final = "no_match"
TOO_MUCH: Final = "too_much"
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
