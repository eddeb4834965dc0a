"""One journal entry as one line of the spool, and back. Pure.

    CRC LENGTH call TAB sequence TAB at TAB kind TAB data NEWLINE

CRC-32 (8 hex digits) and LENGTH (bytes) are of what stands between LENGTH's space and the newline;
`data` is JSON on one line. The database keeps the same five columns, so a line is never decoded on
its way there. Amounts and times keep their type: `{"santral:decimal": "459.90"}`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple
from zlib import crc32

import orjson

from ivr.events import HOLDS_VALUES, KINDS, Entry

GAP: Final = "JournalGap"  # the kind of a line that tells of lost ones; its call is empty
MICRO: Final = 1_000_000
HEAD: Final = 9  # bytes of the CRC and its space
log = logging.getLogger(__name__)

FIELDS: Final[Mapping[type, tuple[str, ...]]] = {
    kind: tuple(part.name for part in fields(kind)) for kind in KINDS.values()
}


_NAMES: Final[Mapping[type, bytes]] = {kind: name.encode() for name, kind in KINDS.items()}
_row: Final = tuple.__new__


class Row(NamedTuple):
    """A line's content. `at` is seconds since 1970 UTC; `data` is JSON text."""

    call: str
    sequence: int
    at: float
    kind: str
    data: str


class Damaged(ValueError):
    """Bytes that are no line of a spool."""


def encode(entry: Entry) -> bytes:
    """An entry's line."""
    return encoded(entry)[1]


def row_of(entry: Entry) -> Row:
    """An entry's row. Times are kept to the microsecond."""
    return encoded(entry)[0]


def encoded(entry: Entry) -> tuple[Row, bytes]:
    """An entry's row and line. In one piece, as it is done for every event of every call. orjson
    takes nearly all of them; it would write NaN as null, and refuses what `dumps` mends."""
    call, sequence, at, event = entry
    kind = type(event)
    at = int(at * MICRO + 0.5) / MICRO  # `round(at, 6)`, give or take one: a tenth of its time
    try:
        data = orjson.dumps(event, _tagged, orjson.OPT_PASSTHROUGH_DATETIME)
    except TypeError:
        data = b"null"
    if (b"null" in data and kind in HOLDS_VALUES) or b"\\u0000" in data or data == b"null":
        text = dumps({name: getattr(event, name) for name in FIELDS[kind]})
        data = text.encode()
    else:
        text = data.decode()
    name = call if call.isprintable() and call[:1] != '"' else json.dumps(call)
    body = b"%b\t%d\t%.6f\t%b\t%b" % (name.encode(), sequence, at, _NAMES[kind], data)
    row = _row(Row, (call, sequence, at, kind.__name__, text))
    return row, b"%08x %d %b\n" % (crc32(body), len(body), body)


def encode_row(call: str, sequence: int, at: float, kind: str, data: str) -> bytes:
    """A row's line; `data` is JSON on one line."""
    body = f"{written_name(call)}\t{sequence}\t{at:.6f}\t{kind}\t{data}".encode()
    return b"%08x %d %b\n" % (crc32(body), len(body), body)


def written_name(call: str) -> str:
    """A call's id as it stands in its lines: as it is, or as JSON if it has odd characters."""
    return call if call.isprintable() and call[:1] != '"' else json.dumps(call)


def decode(line: bytes) -> Row:
    """The row of a line without its newline; `Damaged` when it is torn or altered."""
    length, _, body = line[HEAD:].partition(b" ")
    try:
        if int(line[: HEAD - 1], 16) != crc32(body) or int(length) != len(body):
            raise Damaged("the checksum does not fit")
        call, sequence, at, kind, data = body.decode().split("\t", 4)
        return Row(
            json.loads(call) if call[:1] == '"' else call, int(sequence), float(at), kind, data
        )
    except Damaged:
        raise
    except ValueError as error:
        raise Damaged("this is no line of a spool") from error


def entry(row: Row) -> Entry | None:
    """The entry a row tells of; None for a kind this version does not know."""
    if row.kind not in KINDS:
        if row.kind != GAP:
            log.warning("call %s has an event of the unknown kind %s", row.call, row.kind)
        return None
    parts = {
        "call": row.call, "sequence": row.sequence, "at": row.at, "kind": row.kind,
        "data": loads(row.data),
    }  # fmt: skip
    return Entry.from_dict(parts)


def dumps(value: Any) -> str:
    """JSON on one line that every database takes: no NUL, no half of a surrogate pair, no NaN."""
    try:
        text = _ENCODER.encode(value)
        text.encode()
    except ValueError:  # NaN, a loop, or a lone surrogate (UnicodeEncodeError is a ValueError)
        return _ENCODER.encode(_mended(value))
    return _ENCODER.encode(_mended(value)) if "\\u0000" in text else text


def loads(text: str) -> Any:
    """What `dumps` was given, amounts and times in their types."""
    return json.loads(text, object_hook=_revived)


def _tagged(value: Any) -> Any:
    if isinstance(value, Decimal):
        return {"santral:decimal": str(value)}
    if isinstance(value, datetime):
        return {"santral:datetime": value.isoformat()}
    if isinstance(value, date):
        return {"santral:date": value.isoformat()}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    return str(value)


_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_tagged
)
_REVIVE: Final[Mapping[str, Any]] = {
    "santral:decimal": Decimal,
    "santral:datetime": datetime.fromisoformat,
    "santral:date": date.fromisoformat,
}


def _revived(found: dict[str, Any]) -> Any:
    if len(found) == 1:
        name, value = next(iter(found.items()))
        if name in _REVIVE and isinstance(value, str):
            try:
                return _REVIVE[name](value)
            except (ValueError, ArithmeticError):
                return found
    return found


def _mended(value: Any, depth: int = 0) -> Any:
    """The value with what no database takes replaced. Slow; for the rare value that needs it."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode(errors="replace").decode()
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    if depth > 50:
        return "…"
    if isinstance(value, Mapping):
        return {str(_mended(str(k))): _mended(v, depth + 1) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_mended(part, depth + 1) for part in value]
    return value


def split(data: bytes, final: bool) -> Iterator[tuple[Row | None, int]]:
    """The rows in a piece of a spool, each with the offset after it; None for a damaged line.

    Without `final` an unfinished last line is left for the next piece; with it (nobody writes any
    more) it is a damaged line like any other.
    """
    offset = 0
    while offset < len(data):
        end = data.find(b"\n", offset)
        if end < 0 and not final:
            return
        line = data[offset : end if end >= 0 else len(data)]
        offset = end + 1 if end >= 0 else len(data)
        if not line:
            continue  # the newline that closes off a torn write
        try:
            yield decode(line), offset
        except Damaged:
            yield None, offset
