"""What the AGI header says of a call. Pure.

The dialplan enters with `AGI(agi://HOST:PORT/inbound?call=<id>&entry=<n>&dialled=<number>&…)`; path
and query arrive undecoded as `agi_network_script` (launch_netscript, res/res_agi.c). Values are
URI-encoded as Asterisk's URIENCODE does it: `%20` for a space, and `+` is a plus. The shared key is
AGI's second argument, or `key` of the query; Asterisk logs the query when nobody answers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import unquote

from ivr.agi.protocol import Header
from ivr.call import CallInfo, Direction
from ivr.errors import BadAgi

_CALL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,149}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_KNOWN = frozenset({"call", "entry", "dialled", "language", "outcome", "key", "between"})


@dataclass(frozen=True, slots=True)
class Entrance:
    """A call at the door. `between` is the dialplan's TIMEOUT(digit) in seconds, 0 when unsaid."""

    info: CallInfo
    key: str = field(default="", repr=False)
    between: float = 0.0


def read_entrance(header: Header) -> Entrance:
    """The call that a header announces. Raises BadAgi when it cannot be told which call it is.

    Query values with names of the dialplan's own choice become the call's `context`.
    """
    fields = header.fields
    path, _, query = fields.get("agi_network_script", "").partition("?")
    asked = _read_query(query)
    call_id = asked.get("call") or fields.get("agi_uniqueid", "")
    if not _CALL_ID.fullmatch(call_id):
        raise BadAgi("The AGI header has no usable call id.")
    info = CallInfo(
        id=call_id,
        channel=_clean(fields.get("agi_channel", "")),
        caller=_known(fields.get("agi_callerid", "")),
        dialled=asked.get("dialled") or _known(fields.get("agi_extension", "")),
        direction=Direction.OUTBOUND if path.strip("/") == "outbound" else Direction.INBOUND,
        language=asked.get("language", ""),
        entry=int(_number(asked.get("entry", ""), 1.0)),
        outcome=asked.get("outcome", ""),
        context=MappingProxyType({n: v for n, v in asked.items() if n not in _KNOWN}),
    )
    key = fields.get("agi_arg_1", "") or asked.get("key", "")
    return Entrance(info, key, _number(asked.get("between", ""), 0.0))


def _read_query(query: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for pair in query.split("&"):
        name, equals, value = pair.partition("=")
        if equals:
            values[unquote(name)] = _clean(unquote(value, errors="replace"))
    return values


def _clean(text: str) -> str:
    """Without control characters: these texts go into logs and on to screens."""
    return _CONTROL.sub("", text)


def _known(text: str) -> str:
    return "" if text == "unknown" else _clean(text)


def _number(text: str, otherwise: float) -> float:
    try:
        value = float(text)
    except ValueError:
        return otherwise
    return value if 0 < value < 1_000_000 else otherwise
