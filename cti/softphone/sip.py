"""SIP messages as bytes and back (RFC 3261 section 7). Pure: no sockets, no clock.

Only what a telephone on UDP needs: one message is one datagram, header names are looked up without
regard to case and in their compact forms, folded lines are joined, a list stays as it came.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ivr.errors import BadSip

Headers = tuple[tuple[str, str], ...]

COMPACT = {
    "c": "content-type", "e": "content-encoding", "f": "from", "i": "call-id",
    "k": "supported", "l": "content-length", "m": "contact", "o": "event", "r": "refer-to",
    "s": "subject", "t": "to", "u": "allow-events", "v": "via", "x": "session-expires",
}  # fmt: skip

REASONS = {
    100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 202: "Accepted",
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 407: "Proxy Authentication Required", 408: "Request Timeout",
    480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 486: "Busy Here",
    487: "Request Terminated", 488: "Not Acceptable Here", 491: "Request Pending",
    500: "Server Internal Error", 501: "Not Implemented", 503: "Service Unavailable",
    600: "Busy Everywhere", 603: "Decline",
}  # fmt: skip

_TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+\Z")
_PARAMETER = re.compile(r';\s*([\w.!%*+`\'~-]+)(?:\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;,]*))?')
_URI = re.compile(r"(sips?):(?:([^@\s]*)@)?(\[[^\]]+\]|[^:;?>\s]+)(?::(\d+))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Message:
    headers: Headers = ()
    body: bytes = b""

    def all(self, name: str) -> list[str]:
        """Every value of a header, in order; `name` in lower case and full."""
        return [value for key, value in self.headers if key.lower() == name]

    def get(self, name: str) -> str:
        """The first value of a header, or an empty string."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    @property
    def call_id(self) -> str:
        return self.get("call-id")

    @property
    def cseq(self) -> tuple[int, str]:
        number, method = self.get("cseq").split(None, 1)
        return int(number), method

    @property
    def branch(self) -> str:
        """The branch of the topmost Via: with the method it names the transaction (17.1.3)."""
        return parameters(self.get("via")).get("branch", "")

    @property
    def from_tag(self) -> str:
        return parameters(self.get("from")).get("tag", "")

    @property
    def to_tag(self) -> str:
        return parameters(self.get("to")).get("tag", "")


@dataclass(frozen=True, slots=True)
class Request(_Message):
    """A request. `method` is case-sensitive (7.1)."""

    method: str = field(default="", kw_only=True)
    uri: str = field(default="", kw_only=True)

    def build(self) -> bytes:
        return _build(f"{self.method} {self.uri} SIP/2.0", self.headers, self.body)

    def reply(
        self, code: int, reason: str = "", *, tag: str = "", more: Headers = (), body: bytes = b""
    ) -> Response:
        """The answer to this request: Via, From, To, Call-ID and CSeq as they came (8.2.6.2)."""
        kept = [
            (
                name,
                f"{value};tag={tag}" if name.lower() == "to" and tag and not self.to_tag else value,
            )
            for name, value in self.headers
            if name.lower() in {"via", "from", "to", "call-id", "cseq", "record-route"}
        ]
        why = reason or REASONS.get(code, "Unknown")
        return Response((*kept, *more), body, code=code, reason=why)


@dataclass(frozen=True, slots=True)
class Response(_Message):
    code: int = field(default=0, kw_only=True)
    reason: str = field(default="", kw_only=True)

    def build(self) -> bytes:
        return _build(f"SIP/2.0 {self.code} {self.reason}", self.headers, self.body)


def parse(datagram: bytes) -> Request | Response:
    """One datagram as a message. Raises BadSip when it is none.

    Bytes after Content-Length are dropped, a body shorter than it is refused (18.3).
    """
    head, gap, body = datagram.lstrip(b"\r\n").partition(b"\r\n\r\n")
    if not gap:
        raise BadSip("the headers have no end")
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        raise BadSip("the headers are not UTF-8") from error
    first, *lines = re.sub(r"\r\n[ \t]+", " ", text).split("\r\n")
    headers = tuple(_split_lists(_header(line) for line in lines))
    message = _start(first, headers, body)
    _check(message)
    length = message.get("content-length")
    if not length:
        return message
    if not length.isdecimal() or int(length) > len(body):
        raise BadSip(f"Content-Length {length} for a body of {len(body)} bytes")
    return _start(first, headers, body[: int(length)])


def parameters(value: str) -> dict[str, str]:
    """The ;name=value parameters of a header's value, outside any <…>; quotes taken off."""
    rest = value.rpartition(">")[2] if "<" in value else value
    return {name.lower(): unquote(word) for name, word in _PARAMETER.findall(rest)}


def unquote(word: str) -> str:
    """A quoted-string's content; anything else as it is."""
    if len(word) > 1 and word[0] == word[-1] == '"':
        return re.sub(r"\\(.)", r"\1", word[1:-1])
    return word


class Uri(NamedTuple):
    """The parts of a sip: URI a telephone looks at. `port` is 0 where none was written."""

    user: str
    host: str
    port: int


def uri_in(value: str) -> str:
    """The URI of a From, To, Contact or Route value: what is inside <…>, or before the first ;."""
    inside = re.search(r"<([^>]*)>", value)
    return inside[1] if inside else value.split(";")[0].strip()


def parse_uri(uri: str) -> Uri:
    """The user, host and port of a sip: URI. Raises BadSip for anything else."""
    found = _URI.match(uri)
    if not found:
        raise BadSip(f"not a sip URI: {uri[:80]!r}")
    return Uri(found[2] or "", found[3].strip("[]"), int(found[4] or 0))


def _start(first: str, headers: Headers, body: bytes) -> Request | Response:
    one, _, rest = first.partition(" ")
    two, _, three = rest.partition(" ")
    if one.upper() == "SIP/2.0" and re.fullmatch(r"[1-6]\d\d", two):
        return Response(headers, body, code=int(two), reason=three)
    if _TOKEN.match(one) and two and three.upper() == "SIP/2.0":
        return Request(headers, body, method=one, uri=two)
    raise BadSip(f"not a SIP start line: {first[:80]!r}")


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    name = name.rstrip(" \t")
    if not colon or not _TOKEN.match(name):
        raise BadSip(f"not a header: {line[:80]!r}")
    full = COMPACT.get(name.lower())
    return full.title() if full else name, value.strip()


def _split_lists(headers: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """Via, Route, Record-Route and Contact may stand in one line with commas (7.3.1)."""
    for name, value in headers:
        if "," in value and name.lower() in {"via", "route", "record-route", "contact"}:
            for item in re.findall(r'(?:[^,"<]|"(?:[^"\\]|\\.)*"|<[^>]*>)+', value):
                yield name, item.strip()
        else:
            yield name, value


def _check(message: Request | Response) -> None:
    """What every message has (8.1.1), so that later code need not ask."""
    for name in ("via", "from", "to", "call-id", "cseq"):
        if not message.get(name):
            raise BadSip(f"no {name} header")
    if not re.fullmatch(r"\d{1,10}\s+\S+", message.get("cseq")):
        raise BadSip(f"not a CSeq: {message.get('cseq')[:80]!r}")
    if isinstance(message, Request) and message.cseq[1] != message.method:
        raise BadSip(f"CSeq {message.get('cseq')!r} in a {message.method}")


def _build(first: str, headers: Headers, body: bytes) -> bytes:
    """Content-Length is written here and nowhere else. Raises BadSip for a value with a newline."""
    lines = [first]
    lines += [f"{name}: {value}" for name, value in headers if name.lower() != "content-length"]
    lines.append(f"Content-Length: {len(body)}")
    for line in lines:
        if "\r" in line or "\n" in line:
            raise BadSip("a newline inside a header")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
