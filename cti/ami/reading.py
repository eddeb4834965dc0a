"""Messages -> typed events. Pure.

`typed(message, at)` makes the event; None for one that nobody here knows. How each class is read is
worked out once, at import, from its fields and their types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, get_type_hints

from cti.ami import events
from cti.ami.events import (
    Channel,
    Disconnected,
    DTMFBegin,
    DTMFEnd,
    Event,
    MemberEvent,
    OnChannel,
    Snapshot,
)
from cti.ami.framing import Message, unescape

_Make = Callable[[Message, float], Event]
_CHANNEL_HEADERS = {
    "unique_id": "uniqueid", "linked_id": "linkedid", "caller": "calleridnum",
    "caller_name": "calleridname", "connected": "connectedlinenum",
    "connected_name": "connectedlinename", "language": "language", "context": "context",
    "exten": "exten",
}  # fmt: skip
_ABOUT_KEYS = frozenset({"DTMFBegin", "DTMFEnd"})
_ABOUT_THE_MESSAGE = {"event", "privilege", "timestamp", "actionid", "userevent", "systemname"}
_ABOUT_THE_CHANNEL = {
    "channel", "channelstate", "channelstatedesc", "calleridnum", "calleridname",
    "connectedlinenum", "connectedlinename", "language", "accountcode", "context", "exten",
    "priority", "uniqueid", "linkedid", "chanvariable",
}  # fmt: skip


def typed(message: Message, at: float) -> Event | None:
    """The event of a message, or None when it is none of ours."""
    name = message.name
    make = _MAKERS.get(name)
    if make is None:
        return None
    if name in _ABOUT_KEYS and (key := _key(message, at)) is not None:
        return key
    stamp = message.lower("timestamp")
    return make(message, _float(stamp, at) if stamp else at)


def _key(message: Message, at: float) -> DTMFBegin | DTMFEnd | None:
    """A key down or up. They are most of what is told of a caller, and only a few of their headers
    are wanted: the others are not read. None when one is not spelled as Asterisk does."""
    spelled = message.spelled
    channel, digit = spelled("\nChannel: "), spelled("\nDigit: ")
    direction, stamp = spelled("\nDirection: "), spelled("\nTimestamp: ")
    if not (channel and digit and direction and stamp):
        return None
    at = _float(stamp, at)
    if message.name == "DTMFBegin":
        return DTMFBegin(at, channel, digit, direction)
    return DTMFEnd(at, channel, digit, direction, _integer(spelled("\nDurationMs: ")))


def channel(message: Message, prefix: str = "") -> Channel | None:
    """The leg whose headers begin with `prefix` (in lower case); None when there is none."""
    get = message.lower
    name = get(f"{prefix}channel")
    if not name:
        return None
    texts = {ours: _known(get(prefix + theirs)) for ours, theirs in _CHANNEL_HEADERS.items()}
    variables = dict(map(_pair, message.all(f"{prefix}chanvariable")))
    state = _integer(get(f"{prefix}channelstate"))
    return Channel(name, state=state, variables=variables, **texts)


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, unescape(value)


def _known(text: str) -> str:
    return "" if text == "<unknown>" else text


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return 0


def _float(text: str, otherwise: float) -> float:
    try:
        return float(text)
    except ValueError:
        return otherwise


def _said(message: Message) -> Mapping[str, str]:
    not_said = _ABOUT_THE_MESSAGE | (_ABOUT_THE_CHANNEL if message.has("Channel") else set())
    return {name: value for name, value in message.headers if name.lower() not in not_said}


def _converter(header: str, hint: Any) -> Callable[[Message], Any]:
    if header == "*":
        return _said
    if hint is Channel or hint == Channel | None:
        prefix = "" if header == "channel" else header
        empty = None if hint is not Channel else Channel("", "", "")
        return lambda message: channel(message, prefix) or empty
    if hint is int:
        return lambda message: _integer(message.lower(header))
    if hint is bool:
        return lambda message: message.lower(header) == "1"
    assert hint is str, hint
    return lambda message: _known(message.lower(header))


def _maker(kind: type[Event]) -> _Make:
    hints = get_type_hints(kind)
    converters = [
        _converter(item.metadata.get("header", item.name.replace("_", "")), hints[item.name])
        for item in fields(kind)
        if item.name != "at"
    ]
    return lambda message, at: kind(at, *[convert(message) for convert in converters])


_NOT_FROM_THE_WIRE = {Event, OnChannel, MemberEvent, Snapshot, Disconnected}
KINDS: Mapping[str, type[Event]] = {
    name: kind
    for name, kind in vars(events).items()
    if isinstance(kind, type) and issubclass(kind, Event) and kind not in _NOT_FROM_THE_WIRE
}
_MAKERS: dict[str, _Make] = {name: _maker(kind) for name, kind in KINDS.items()}
