"""A call flow: what it says, its steps, and where it starts. Loaded whole or refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import Field, model_validator

from ivr.call import Utterance
from ivr.expressions import Template
from ivr.steps import STEPS
from ivr.steps.base import Duration, Model, Name, Step, Target
from ivr.steps.commands import Commands, Retry
from ivr.steps.facts import Offer
from ivr.steps.listening import Listen
from ivr.steps.taping import Taping

Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
if TYPE_CHECKING:
    AnyStep = Step
else:
    AnyStep = Annotated[Union[STEPS], Field(discriminator="type")]  # noqa: UP007
OPTIONS = frozenset({"barge_in", "flush"})


class Prompt(Model):
    """What is said, by language; a list gives alternates that take turns.

    `barge_in: false` plays it to its end whatever is pressed; `flush: true` forgets the keys that
    were pressed before it, for questions whose answer must not come from type-ahead.
    """

    texts: Mapping[Language, tuple[Template, ...]]
    barge_in: bool = True
    flush: bool = False

    @model_validator(mode="before")
    @classmethod
    def _by_language(cls, data: Any) -> Any:
        """`{tr: text, en: text, flush: true}` as it is written in a file."""
        if not isinstance(data, Mapping) or "texts" in data:
            return data
        texts = {key: text for key, text in data.items() if key not in OPTIONS}
        texts = {key: text if isinstance(text, list) else [text] for key, text in texts.items()}
        return {"texts": texts} | {key: data[key] for key in data.keys() & OPTIONS}

    def template(self, language: str, turn: int = 0) -> Template:
        """The text for a language; alternates take turns."""
        alternates = self.texts.get(language) or next(iter(self.texts.values()))
        return alternates[turn % len(alternates)]


class Limits(Model):
    """What `santral check` holds the flow to: the longest a caller needs to a `person` who wants
    one, and how many menus lie behind one another at most."""

    person: Duration | None = None
    menus: Annotated[int, Field(ge=1)] | None = None


class Flow(Model):
    """A call flow.

    `takes` names the variables it is given by a `call` step or an outbound job, `returns` those a
    `call` step gets back; `fallback` is the queue for callers whose call broke; `no_input` and
    `no_match` hold for every question that has none of its own; `globals` are the keys and words
    that work in every question; `listen` is how callers who speak are listened to;
    `record_calls` records the calls that begin in this flow.
    """

    name: Name = Field(alias="flow")
    about: str = ""
    languages: tuple[Language, ...] = Field(min_length=1)
    start: Target
    takes: tuple[Name, ...] = ()
    returns: tuple[Name, ...] = ()
    no_input: Retry | None = None
    no_match: Retry | None = None
    commands: Commands = Field(default=Commands(), alias="globals")
    listen: Listen = Listen()
    record_calls: Taping | None = None
    fallback: str = ""
    limits: Limits = Limits()
    prompts: Mapping[Name, Prompt] = Field(default_factory=dict)
    steps: Mapping[Name, AnyStep] = Field(min_length=1)
    shared: Mapping[Name, Prompt] = Field(default_factory=dict, exclude=True)
    version: str = Field(default="", exclude=True)

    def prompt(self, name: str) -> Prompt:
        """A prompt of this flow, or the shared one of that name."""
        return self.prompts.get(name) or self.shared[name]

    def exits(self, step: Step) -> Mapping[str, Target]:
        """Where each outcome of a step leads, the flow's own `no_input` and `no_match` included."""
        own = step.exits()
        if not step.asks:
            return own
        shared = {
            kind: retry.next
            for kind in sorted(step.gives_up())
            if (retry := getattr(self, kind, None))
        }
        return {**shared, **(self.command_ways if step.obeys else {}), **own}

    @cached_property
    def command_ways(self) -> Mapping[str, Target]:
        """Where the commands lead that lead somewhere."""
        return self.commands.exits()

    @cached_property
    def fixed_utterances(self) -> dict[tuple[str, str, int], Utterance]:
        """Prompts without values by name, language and turn, as calls come to say them."""
        return {}

    @cached_property
    def ways(self) -> Mapping[str, Mapping[str, Target]]:
        """`exits` of every step, made once: the engine asks at each step of each call."""
        return {name: self.exits(step) for name, step in self.steps.items()}

    def offers(self, step: Step) -> Iterator[Offer]:
        """What a caller can choose at a step: its own options, then the flow's commands."""
        yield from step.offers()
        if step.obeys:
            for name, command in self.commands:
                if command is not None:
                    place = ("globals", name)
                    yield Offer(name, command.key or "", command.words, place, command=True)

    def prompts_of(self, step: Step) -> Iterator[str]:
        """The prompts that a caller may hear at a step, the flow's own `no_input`, `no_match` and
        `help` included."""
        yield from step.prompts()
        if not step.asks:
            return
        for kind in sorted(step.gives_up()):
            retry = getattr(self, kind, None)
            if retry and not getattr(step, kind, None):
                yield from retry.prompt
        if self.commands.help and step.obeys and not getattr(step, "help", None):
            yield self.commands.help.prompt

    def used_prompts(self) -> Iterator[str]:
        """The prompts that a caller may hear."""
        for retry in (self.no_input, self.no_match):
            yield from retry.prompt if retry else ()
        if self.commands.help:
            yield self.commands.help.prompt
        if self.record_calls:
            yield from self.record_calls.prompts()
        for step in self.steps.values():
            yield from step.prompts()

    def fixed_texts(self) -> Iterator[tuple[str, str]]:
        """Every (language, fixed piece) that is spoken, to be made ready at load."""
        for prompt in (*self.prompts.values(), *self.shared.values()):
            for language, templates in prompt.texts.items():
                for template in templates if language in self.languages else ():
                    for text in template.fixed_texts:
                        yield language, text
