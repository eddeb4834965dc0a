"""What an agent sees before the phone rings. Pure: journal entries -> Story, Story + event -> Pop.

The story is folded while the call is with the IVR, so that at AgentCalled everything is in memory.
Nothing secret is in it: the journal has None in its place, secret variables are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from cti.ami.events import AgentCalled, Channel
from ivr import events as ivr

LONGEST_PATH = 200
INTENT = "intent"
# Where flows keep who calls; the first that is set wins over the number that calls.
CUSTOMER_VARIABLES = ("customer_phone", "customer", "order")


@dataclass(frozen=True, slots=True)
class Station:
    """One step the caller came by; `via` is the outcome that led there."""

    flow: str
    step: str
    type: str
    via: str
    at: float


@dataclass(frozen=True, slots=True)
class Said:
    """One answer: `kind` is `keys` or `speech`; `text` is None when it is secret."""

    step: str
    kind: str
    text: str | None
    answer: str | None
    confidence: float
    at: float


@dataclass(frozen=True, slots=True)
class Story:
    """What is known of one call from its conversation."""

    call: str
    started: float = 0.0
    flow: str = ""
    version: str = ""
    caller: str = ""
    dialled: str = ""
    direction: str = "inbound"
    language: str = ""
    context: Mapping[str, str] = field(default_factory=dict)
    path: tuple[Station, ...] = ()
    said: tuple[Said, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()
    intent: str = ""
    to: str = ""
    why: str = ""
    fault: str = ""
    entries: int = 1
    last_sequence: int = 0
    over: bool = False


def fold(story: Story, entry: ivr.Entry) -> Story:
    """The story after one more entry; an entry that was folded already changes nothing."""
    if entry.sequence <= story.last_sequence:
        return story
    tell = _TELLERS.get(type(entry.event))
    told = tell(story, entry.event, entry.at) if tell else story
    return replace(told, last_sequence=entry.sequence)


def _started(story: Story, event: ivr.CallStarted, at: float) -> Story:
    return replace(
        story,
        started=at, flow=event.flow, version=event.version, caller=event.caller,
        dialled=event.dialled, direction=event.direction, language=event.language,
        context=dict(event.context),
    )  # fmt: skip


def _resumed(story: Story, event: ivr.CallResumed, at: float) -> Story:
    del at
    return replace(story, entries=event.entry, over=False)


def _step(story: Story, event: ivr.StepEntered, at: float) -> Story:
    station = Station(event.flow, event.step, event.type, event.via, at)
    return replace(story, path=(*story.path, station)[-LONGEST_PATH:])


def _heard(story: Story, event: ivr.Heard, at: float) -> Story:
    if event.kind not in ("keys", "speech"):
        return story
    hidden = event.secret or event.text is None
    step = story.path[-1].step if story.path else ""
    said = Said(
        step, event.kind, None if hidden else event.text, None if hidden else event.answer,
        event.confidence, at,
    )  # fmt: skip
    intent = story.intent
    if event.kind == "speech" and not hidden and event.answer:
        intent = event.answer
    return replace(story, said=(*story.said, said)[-LONGEST_PATH:], intent=intent)


def _variable(story: Story, event: ivr.VariableSet, at: float) -> Story:
    del at
    if event.secret or event.name in story.secrets:
        left = {name: value for name, value in story.variables.items() if name != event.name}
        return replace(story, variables=left, secrets=story.secrets | {event.name})
    intent = story.intent
    if event.name == INTENT and event.value:
        intent = str(event.value)
    return replace(story, variables={**story.variables, event.name: event.value}, intent=intent)


def _language(story: Story, event: ivr.LanguageChosen, at: float) -> Story:
    del at
    return replace(story, language=event.language)


def _transferred(story: Story, event: ivr.Transferred, at: float) -> Story:
    del at
    return replace(story, to=event.to, why=event.why)


def _failed(story: Story, event: ivr.Failed, at: float) -> Story:
    del at
    return replace(story, fault=event.step or event.error)


def _ended(story: Story, event: ivr.CallEnded, at: float) -> Story:
    del event, at
    return replace(story, over=True)


_TELLERS: dict[type[ivr.Event], Callable[[Story, Any, float], Story]] = {
    ivr.CallStarted: _started,
    ivr.CallResumed: _resumed,
    ivr.StepEntered: _step,
    ivr.Heard: _heard,
    ivr.VariableSet: _variable,
    ivr.LanguageChosen: _language,
    ivr.Transferred: _transferred,
    ivr.Failed: _failed,
    ivr.CallEnded: _ended,
}


def customer_number(story: Story) -> str:
    """The number to look the customer up by: what the flow found out, else the number that calls.

    A flow keeps it as `customer_phone`, or as the `phone` of the `customer` or `order` it found.
    """
    for name in CUSTOMER_VARIABLES:
        value = story.variables.get(name)
        if isinstance(value, Mapping):
            value = value.get("phone")
        if isinstance(value, str) and value:
            return value
    return story.caller


# --- pops


@dataclass(frozen=True, slots=True)
class Card:
    """What our own records say of a customer; the newest first in every list.

    `found` is False when the number is nobody's. `tier` is "" when there are none. `last_agent` is
    the login of whom they spoke with last, at `last_spoke` (seconds since 1970).
    """

    found: bool = False
    customer: Mapping[str, Any] = field(default_factory=dict)
    tier: str = ""
    orders: tuple[Mapping[str, Any], ...] = ()
    contacts: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[Mapping[str, Any], ...] = ()
    last_agent: str = ""
    last_spoke: float = 0.0


class PopState(StrEnum):
    """ringing; then answered, missed (this agent did not), taken (another did), gone (the caller
    hung up); over when the talk has ended.
    """

    RINGING = "ringing"
    ANSWERED = "answered"
    MISSED = "missed"
    TAKEN = "taken"
    GONE = "gone"
    OVER = "over"


OPEN = (PopState.RINGING, PopState.ANSWERED)


@dataclass(frozen=True, slots=True)
class Pop:
    """One call that rings at one agent. `id` is the call's id and that of the ringing leg.

    `revision` counts from 1; a later one replaces the one before. `waited` is in seconds, `path`
    the stations in order, `card` None until our records have answered.
    """

    id: str
    revision: int
    state: PopState
    at: float
    call: str
    leg: str
    agent: str
    agent_name: str
    queue: str
    caller: str
    caller_name: str
    dialled: str
    direction: str
    language: str
    waited: float
    flow: str
    path: tuple[Station, ...]
    said: tuple[Said, ...]
    intent: str
    why: str
    fault: str
    variables: Mapping[str, Any]
    context: Mapping[str, str]
    card: Card | None


def pop(called: AgentCalled, story: Story | None, card: Card | None, joined: float) -> Pop:
    """The pop of a call that a queue offers to an agent; `joined`: when it came into the queue."""
    return _pop(
        called.at, called.channel, called.dest, called.interface, called.member_name, called.queue,
        story, card, max(0.0, called.at - joined) if joined else 0.0,
    )  # fmt: skip


def direct_pop(
    at: float, caller: Channel, rung: Channel, story: Story | None, card: Card | None
) -> Pop:
    """The pop of a call that rings at a desk without a queue (`DialBegin`)."""
    return _pop(at, caller, rung, rung.endpoint, "", "", story, card, 0.0)


def _pop(
    at: float, channel: Channel, dest: Channel, agent: str, name: str, queue: str,
    story: Story | None, card: Card | None, waited: float,
) -> Pop:  # fmt: skip
    call = channel.call or channel.linked_id
    known = story or Story(call)
    return Pop(
        id=f"{call}/{dest.unique_id}", revision=1, state=PopState.RINGING, at=at, call=call,
        leg=dest.unique_id, agent=agent, agent_name=name, queue=queue,
        caller=known.caller or channel.caller, caller_name=channel.caller_name,
        dialled=known.dialled or channel.exten, direction=known.direction,
        language=known.language or channel.language, waited=waited, flow=known.flow,
        path=known.path, said=known.said, intent=known.intent, why=known.why, fault=known.fault,
        variables=known.variables, context=known.context, card=card,
    )  # fmt: skip


def revised(old: Pop, **fields: Any) -> Pop:
    """The next revision of a pop."""
    return replace(old, revision=old.revision + 1, **fields)
