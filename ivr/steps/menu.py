"""`menu`: offer options by key and by word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ivr.call import Heard, HeardKind, Keys
from ivr.steps.asking import Asking
from ivr.steps.base import Duration, KeyText, Model, Outcome, Target
from ivr.steps.facts import Offer
from ivr.steps.listening import Taken
from ivr.words import fold

if TYPE_CHECKING:
    from ivr.conversation import Conversation


class Option(Model):
    """One way on: a key (or keys pressed in a row), and words that mean the same, by language."""

    key: KeyText
    words: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    next: Target


class Menu(Asking):
    """Let the caller choose among options. The outcome is the key of the chosen option."""

    type: Literal["menu"]
    options: tuple[Option, ...] = Field(min_length=1, max_length=40)
    first: Duration = 5.0
    between: Duration = 2.0

    def exits(self) -> Mapping[Outcome, Target]:
        return {option.key: option.next for option in self.options} | dict(super().exits())

    def offers(self) -> Iterator[Offer]:
        for index, option in enumerate(self.options):
            yield Offer(option.key, option.key, option.words, ("options", index))

    spoken: ClassVar[bool] = True

    def listens_seconds(self) -> float:
        return self.first

    async def run(self, talk: Conversation) -> Outcome:
        longest = max(len(option.key) for option in self.options)
        keys = Keys(1, longest, "", max(self.first, self.between), self.between)
        words = [word for option in self.options for word in option.words.get(talk.language, ())]

        def understand(heard: Heard) -> Taken | None:
            return self._chosen(heard, talk.language)

        outcome, key = await self.put(talk, keys, tuple(words), understand)
        return outcome or key

    def _chosen(self, heard: Heard, language: str) -> Taken | None:
        if heard.kind is HeardKind.KEYS:
            keys = {option.key for option in self.options}
            return Taken(heard.text) if heard.text in keys else None
        said = fold(heard.text, language)
        for option in self.options:
            for word in option.words.get(language, ()):
                if fold(word, language) == said:
                    return Taken(option.key, word)
        return None
