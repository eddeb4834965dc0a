"""How answers are listened to, and how a step says what it understood."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, NamedTuple

from pydantic import Field, model_validator

from ivr.call import Heard, Speech
from ivr.steps.base import Duration, Model

Share = Annotated[float, Field(ge=0, le=1)]


class Taken(NamedTuple):
    """An answer as it was understood, how it is said back, and how sure that is (0 to 1).

    A `refused` one the caller has said no to: it is not offered again.
    """

    answer: str
    said: str = ""
    certainty: float = 1.0
    refused: bool = False


Understand = Callable[[Heard], Taken | None]


class Listen(Model):
    """How callers who speak are listened to: for the whole flow, or for one question.

    `speech: false` takes keys alone, `keys: false` words alone. `speech: true` takes a number by
    voice in `collect` and `rate` as well, where otherwise only the flow's `globals` can be said.
    With `barge_in` speech cuts the prompt short; not given, it does where a key does.

    What is heard with less than `confidence` (0 to 1) is asked again; from there up to `sure` the
    caller is asked whether that was it ("Sipariş mi dediniz?"), and a guess that was refused is not
    offered twice. `hangover` of quiet ends an answer, less speech than `shortest` is a noise, more
    than `longest` too much.

    Where nobody can listen, keys always work, and the caller is told so.
    """

    speech: bool | None = None
    keys: bool = True
    barge_in: bool | None = None
    confidence: Share = 0.5
    sure: Share = 0.7
    hangover: Annotated[Duration, Field(ge=0.1, le=5)] = 0.5
    shortest: Annotated[Duration, Field(ge=0, le=2)] = 0.1
    longest: Annotated[Duration, Field(ge=0.5, le=120)] = 15.0

    @model_validator(mode="after")
    def _sensible(self) -> Listen:
        if self.speech is False and not self.keys:
            raise ValueError("neither speech nor keys: nobody could answer")
        if {"confidence", "sure"} <= self.model_fields_set and self.sure < self.confidence:
            raise ValueError(f"sure {self.sure:g} is less than confidence {self.confidence:g}")
        return self

    def changed_by(self, other: Listen | None) -> Listen:
        """With what another one says in place of it."""
        if other is None:
            return self
        said = {name: getattr(other, name) for name in other.model_fields_set}
        return self.model_copy(update=said)

    def as_speech(self, barge_in: bool, first: float) -> Speech:
        """As the line takes it; `barge_in` is that of the prompt, `first` the time to begin."""
        return Speech(
            barge_in if self.barge_in is None else self.barge_in,
            round(self.hangover * 1000),
            round(self.shortest * 1000),
            round(self.longest * 1000),
            first,
        )
