"""What a conversation writes down as it happens, and the port that takes it.

Each event class is one kind of journal row; an `Entry` gives it its call, its place and its time.
Nothing secret is ever put into an event: the conversation writes `None` in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final, NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class CallStarted:
    """A conversation began. `version` is the flow's content hash, fixed for the call's life."""

    flow: str
    version: str
    language: str
    caller: str = ""
    dialled: str = ""
    direction: str = "inbound"
    channel: str = ""
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CallResumed:
    """The dialplan came back: after a crash of the engine, or from a transfer (`outcome`)."""

    entry: int
    channel: str = ""
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class StepEntered:
    """`via` is the outcome of the step before; `visit` counts the visits to this step, from 1.

    `depth` is 0 in the flow the call began with, 1 in a sub-flow of it, and so on.
    """

    flow: str
    step: str
    type: str
    via: str = ""
    visit: int = 1
    depth: int = 0
    version: str = ""


@dataclass(frozen=True, slots=True)
class PromptPlayed:
    prompt: str
    language: str
    text: str | None
    ms: int
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """The answer to one question. `answer` is the option or value it was understood as, `trouble`
    why there were no words (`ivr.call.Trouble`), `others` the recogniser's other guesses with their
    confidence, best first."""

    kind: str
    text: str | None
    confidence: float = 1.0
    answer: str | None = None
    secret: bool = False
    trouble: str = ""
    others: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LookupDone:
    query: str
    outcome: str
    ms: float


@dataclass(frozen=True, slots=True)
class EffectDone:
    """Something was done to the world once; `key` is its idempotency key (call, step, visit)."""

    kind: str
    name: str
    key: str
    outcome: str
    ms: float
    result: Any = None


@dataclass(frozen=True, slots=True)
class VariableSet:
    """A variable of the frame at `depth` changed. A secret one has no value here."""

    name: str
    value: Any
    depth: int = 0
    secret: bool = False


@dataclass(frozen=True, slots=True)
class LanguageChosen:
    language: str


@dataclass(frozen=True, slots=True)
class Transferred:
    """The caller goes on to `to`, a `kind` of place: queue, extension or number."""

    to: str
    kind: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class RecordingMade:
    name: str
    ms: int
    ended_by: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class CallTaped:
    """The call itself is recorded from here on, both sides of it; secret questions are left out."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Rated:
    """A survey answer."""

    question: str
    scale: str
    mark: int
    product: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """A fault of ours or of the world; the caller was told and goes to a person."""

    error: str
    message: str
    flow: str = ""
    step: str = ""


@dataclass(frozen=True, slots=True)
class CallEnded:
    """`why`: hangup (we ended it), caller_hung_up, transfer, failed, drained."""

    why: str
    flow: str = ""
    step: str = ""


Event = (
    CallStarted
    | CallResumed
    | StepEntered
    | PromptPlayed
    | Heard
    | LookupDone
    | EffectDone
    | VariableSet
    | LanguageChosen
    | Transferred
    | RecordingMade
    | CallTaped
    | Rated
    | Failed
    | CallEnded
)
KINDS: Mapping[str, type[Event]] = {kind.__name__: kind for kind in Event.__args__}


_FIELDS: Final = {kind: tuple(field.name for field in fields(kind)) for kind in Event.__args__}
HOLDS_VALUES: Final = frozenset({VariableSet, EffectDone})  # of any type; other fields are plain

# Values that JSON has no type for, as `{"$decimal": "459.90"}`, so that a conversation that is
# taken up again compares and says them as it did before.
_WRITE: Final[Mapping[type, Callable[[Any], Any]]] = {
    Decimal: lambda value: {"$decimal": str(value)},
    datetime: lambda value: {"$datetime": value.isoformat()},
    date: lambda value: {"$date": value.isoformat()},
    time: lambda value: {"$time": value.isoformat()},
}
_READ: Final[Mapping[str, Callable[[str], Any]]] = {
    "$decimal": Decimal,
    "$datetime": datetime.fromisoformat,
    "$date": date.fromisoformat,
    "$time": time.fromisoformat,
}


def to_json(value: Any) -> Any:
    """A variable's value in JSON's types; `from_json` gives it back."""
    write = _WRITE.get(type(value))
    if write is not None:
        return write(value)
    if isinstance(value, Mapping):
        return {str(key): to_json(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(part) for part in value]
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def from_json(value: Any) -> Any:
    if isinstance(value, dict):
        if len(value) == 1:
            ((mark, text),) = value.items()
            if mark in _READ and isinstance(text, str):
                return _READ[mark](text)
        return {key: from_json(part) for key, part in value.items()}
    return [from_json(part) for part in value] if isinstance(value, list) else value


class Entry(NamedTuple):
    """One journal row. `at` is seconds since 1970 UTC; (call, sequence) is unique, from 1."""

    call: str
    sequence: int
    at: float
    event: Event

    @property
    def kind(self) -> str:
        return type(self.event).__name__

    def to_dict(self) -> dict[str, Any]:
        return {
            "call": self.call,
            "sequence": self.sequence,
            "at": self.at,
            "kind": self.kind,
            "data": self._data(),
        }

    def _data(self) -> dict[str, Any]:
        kind = type(self.event)
        data = {name: getattr(self.event, name) for name in _FIELDS[kind]}
        return to_json(data) if kind in HOLDS_VALUES else data

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Entry:
        """The entry a `to_dict` came from; fields this version does not know are dropped."""
        kind = KINDS[row["kind"]]
        data = {name: row["data"][name] for name in _FIELDS[kind] if name in row["data"]}
        if kind in HOLDS_VALUES:
            data = from_json(data)
        return cls(row["call"], row["sequence"], row["at"], kind(**data))


class Journal(Protocol):
    """Takes entries off the call's path. `write` never waits and never raises."""

    def write(self, entry: Entry) -> None: ...

    async def durable(self, call: str) -> None:
        """Return when everything written so far would survive a crash of this process."""
        ...

    async def history(self, call: str) -> Sequence[Entry]:
        """Everything written for a call, in order; empty for an unknown one."""
        ...
