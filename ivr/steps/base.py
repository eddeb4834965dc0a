"""What every step is: a frozen model with a type, `run`, and `exits`.

`run` returns an outcome (`found`, `no_input`, the key of a menu's option, …), and the engine goes
to where `exits` says that outcome leads. Nothing else moves a caller, so the graph that
`santral check` proves is the graph that runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from ivr.expressions import Expression, Template
from ivr.steps.facts import Offer, Reference, Source, sources_of
from ivr.steps.facts import Outcome as Outcome

if TYPE_CHECKING:
    from ivr.conversation import Conversation

NEXT: Final = "next"
ENTERED: Final = "entered"  # the step went into a sub-flow: the engine just goes on
RETURN: Final = "return"  # a target: back to the flow that called this one

NAME = r"[a-zA-Z_][a-zA-Z0-9_]*"
DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*")
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}


def _seconds(value: Any) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and (match := DURATION.fullmatch(value)):
        return float(match[1]) * UNITS[match[2]]
    raise ValueError(f"'{value}' is not a length of time; write it like 5s, 500ms or 2m")


def _text(value: Any) -> Any:
    """Keys and names are text, also where YAML reads a number."""
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


Duration = Annotated[
    float,
    BeforeValidator(_seconds),
    Field(ge=0, le=86400 * 30),
    WithJsonSchema({"type": ["string", "number"], "examples": ["5s", "500ms", "2m"]}),
]
Name = Annotated[
    str,
    BeforeValidator(_text),
    Field(pattern=f"^{NAME}$"),
    WithJsonSchema({"type": "string", "pattern": f"^{NAME}$"}),
]
TARGET: Final = "the step to go on with, or `return` in a sub-flow"
Target = Annotated[Name, Field(description=TARGET)]
PromptName = Annotated[Name, Field(description="a prompt of this flow")]
KEYS: Final = r"^[0-9*#]{1,16}$"
KeyText = Annotated[
    str,
    BeforeValidator(_text),
    Field(pattern=KEYS),
    WithJsonSchema({"type": ["string", "integer"], "pattern": KEYS, "minimum": 0}),
]


class Model(BaseModel):
    """Frozen, and nothing unknown in it."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, populate_by_name=True
    )


class Step(Model):
    """One step of a flow. `note` is for people who read the file; nobody else reads it."""

    type: str
    note: str = ""

    asks: ClassVar[bool] = False  # whether the caller is asked something and can answer
    obeys: ClassVar[bool] = False  # whether the flow's commands work in it
    ends: ClassVar[bool] = False  # whether the conversation on this line may be over after it
    to_person: ClassVar[bool] = False  # whether it puts the caller on the way to a person

    async def run(self, talk: Conversation) -> Outcome | None:
        """Do it; the outcome, or None when the conversation on this line is over."""
        raise NotImplementedError

    def exits(self) -> Mapping[Outcome, Target]:
        """Where each outcome leads."""
        return {}

    # What `santral check` wants to know, read from the fields of the model.

    def prompts(self) -> Iterator[str]:
        """The prompts this step may play."""
        yield from ()

    def sets(self) -> Mapping[str, frozenset[Outcome] | None]:
        """Variables this step sets, and on which outcomes (None = on every one)."""
        return {}

    def secrets(self) -> frozenset[str]:
        """The variables among `sets` that are secret whatever they are made from."""
        return frozenset()

    def sources(self) -> Iterator[Source]:
        """Every template and expression in the step."""
        yield from sources_of(self)

    def makes(self) -> Iterator[tuple[str, Source]]:
        """What variables are made from, in order: made from something secret they are secret."""
        yield from ()

    def exposes(self) -> Iterator[Source]:
        """The sources whose values leave the conversation: to a journal, a log, a screen, another
        machine. Everything, unless the step says that it keeps them to itself."""
        yield from self.sources()

    def keeps(self) -> frozenset[str]:
        """The variables among `sets` that are wanted even where the flow never reads them, because
        they are what the step is for: a rating, a recording."""
        return frozenset()

    def conditions(self) -> Mapping[Outcome, Expression]:
        """The outcomes that are taken when an expression holds, in the order they are tried."""
        return {}

    def offers(self) -> Iterator[Offer]:
        """The ways a question offers the caller, by key and by word."""
        yield from ()

    def gives_up(self) -> frozenset[Outcome]:
        """The outcomes of a question to which no acceptable answer came."""
        return frozenset({"no_input", "no_match"}) if self.asks else frozenset()

    def refers(self) -> Iterator[Reference]:
        """What the step names that stands elsewhere: queries, queues, tables of hours, flows."""
        yield from ()

    def speaks(self) -> Iterator[str]:
        """The languages in which the conversation goes on from here."""
        yield from ()

    def enters(self) -> str:
        """The sub-flow that is run before the step's outcome, if it is such a step."""
        return ""

    def gives(self) -> Mapping[str, Template]:
        """The first variables of the sub-flow that it enters."""
        return {}

    def takes_seconds(self) -> float:
        """How long it may take at most, besides what it says and how long it listens."""
        return 0.0

    def listens_seconds(self) -> float:
        """How long a question waits for an answer before it counts as silence."""
        return 0.0

    def tries(self, outcome: Outcome) -> int:
        """How often a question is put before `outcome`; 0 leaves it to the flow."""
        return 1


class Onward(Step):
    """A step with one way on."""

    next: Target

    def exits(self) -> Mapping[Outcome, Target]:
        return {NEXT: self.next}
