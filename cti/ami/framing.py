"""Manager bytes <-> messages. Pure: no socket, no clock, no panoramisk.

A message is lines `Name: value` up to an empty line (Asterisk `main/manager.c`). Values may be
empty or hold a bare newline, names repeat (`ChanVariable`, `Output`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ivr.errors import BadAmi, BadInput

GREETING = b"Asterisk Call Manager/"
MAX_MESSAGE = 8 * 1024 * 1024
MAX_LINE = 1024  # with its end; measured: Asterisk refuses the action when a line is longer
MAX_HEADERS = 120  # measured: 126 lines are taken, more are refused
_END = b"\r\n\r\n"
_LINE = re.compile(r"([^: \r\n]+): ?([^\r\n]*)(?:\r\n|\Z)")
_EVENT = "Event: "
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*\Z")
_BREAKS = re.compile(r"[\r\n\0]")

Headers = Sequence[tuple[str, str]]


class Message:
    """One response or event, in Asterisk's own order; names are compared without case."""

    __slots__ = ("_headers", "_more", "_text", "_values", "name")

    def __init__(self, headers: Headers) -> None:
        self._take(tuple(headers))
        self.name = self._values.get("event", "")
        """The event's name; empty for a response."""

    @classmethod
    def parse(cls, text: str) -> Message:
        """A line without a name belongs to the value before it (a value that held a newline).

        Of an event whose name stands first, as Asterisk writes them, no more is looked at before
        somebody asks: there are thousands a second, and few are of interest.
        """
        if not text.startswith(_EVENT):
            return cls(_headers_of(text))
        message = cls.__new__(cls)
        message._text = text
        message.name = text[len(_EVENT) :].partition("\r\n")[0].partition("\n")[0]
        return message

    def _take(self, headers: tuple[tuple[str, str], ...]) -> None:
        self._text = ""
        self._headers = headers
        self._more: dict[str, list[str]] = {}
        self._values: dict[str, str] = {}
        for name, value in headers:
            key = name.lower()
            if key in self._values:
                self._more.setdefault(key, []).append(value)
            else:
                self._values[key] = value

    def _known(self) -> dict[str, str]:
        """The first value of each header, by its name in lower case."""
        if self._text:
            self._take(_headers_of(self._text))
        return self._values

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Names and values as Asterisk sent them."""
        self._known()
        return self._headers

    def get(self, name: str, default: str = "") -> str:
        """The first value of a header."""
        return self._known().get(name.lower(), default)

    def lower(self, name: str) -> str:
        """The same for a name that is in lower case already; "" when it is not there."""
        return self._known().get(name, "")

    def has(self, name: str) -> bool:
        return name.lower() in self._known()

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a header that may repeat."""
        key = name.lower()
        if key not in self._known():
            return ()
        return (self._values[key], *self._more.get(key, ()))

    def spelled(self, mark: str) -> str:
        """The first value of a header, given as Asterisk spells it between `\\n` and a blank
        (`"\\nDigit: "`): the others need not be read for it. "" when none is spelled so."""
        text = self._text
        if not text:
            return self.get(mark[1:-2])
        begin = text.find(mark)
        if begin < 0:
            return ""
        begin += len(mark)
        end = text.find("\r\n", begin)
        return text[begin:end] if end >= 0 else text[begin:]

    @property
    def action_id(self) -> str:
        if self._text and "ActionID" not in self._text:
            return ""
        return self._known().get("actionid", "")

    def __repr__(self) -> str:
        return f"Message({self.headers!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and self.headers == other.headers

    def __hash__(self) -> int:
        return hash(self.headers)


def _headers_of(text: str) -> tuple[tuple[str, str], ...]:
    """The lines of a message; nearly always each of them is a header."""
    found = _LINE.findall(text)
    if len(found) == text.count("\n") + 1:
        return tuple(found)
    headers: list[tuple[str, str]] = []
    for line in text.split("\r\n"):
        name, colon, value = line.partition(":")
        if colon and " " not in name:
            headers.append((name, value[1:] if value[:1] == " " else value))
        elif colon and name.startswith("ChanVariable("):
            headers.append((name, value[1:]))
        elif headers:
            headers[-1] = (headers[-1][0], f"{headers[-1][1]}\n{line}")
    return tuple(headers)


class Framer:
    """Collects bytes into messages. `version` is the protocol's, known after the greeting."""

    def __init__(self) -> None:
        self.version = ""
        self._greeted = False  # the version may be empty
        self._buffer = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are complete now. `BadAmi` when the peer does not speak AMI."""
        self._buffer += data
        if not self._greeted and not self._greet():
            return []
        end = self._buffer.rfind(_END, max(0, self._searched - 3))
        if end < 0:
            messages = []
        else:  # only whole messages are decoded, so a letter is never cut in two
            whole = self._buffer[:end].decode("utf-8", "replace")
            del self._buffer[: end + len(_END)]
            parts = whole.split("\r\n\r\n")
            messages = [Message.parse(text) for part in parts if (text := _without_empty(part))]
        self._searched = len(self._buffer)
        if self._searched > MAX_MESSAGE:
            raise BadAmi(f"A message of more than {MAX_MESSAGE} bytes.")
        return messages

    def _greet(self) -> bool:
        head = bytes(self._buffer[: len(GREETING)])
        if not GREETING.startswith(head):
            raise BadAmi(f"The other side does not speak AMI: it began with {head!r}.")
        line, end, rest = bytes(self._buffer).partition(b"\r\n")
        if not end:
            if len(line) > MAX_LINE:
                raise BadAmi("The greeting does not end.")
            return False
        self.version = line[len(GREETING) :].decode("ascii", "replace").strip()
        self._buffer = bytearray(rest)
        self._greeted = True
        return True


def _without_empty(text: str) -> str:
    """A message without the empty lines before and behind it."""
    while text.startswith("\r\n"):
        text = text[2:]
    while text.endswith("\r\n"):
        text = text[:-2]
    return text


def encode(headers: Iterable[tuple[str, str]]) -> bytes:
    """An action as bytes. `BadInput` for what could end a line and begin another action."""
    lines = []
    for name, value in headers:
        if not _NAME.match(name):
            raise BadInput(f"{name!r} is not the name of a Manager header.")
        if _BREAKS.search(value):
            raise BadInput(f"The value of {name} holds a line break; it was not sent to Asterisk.")
        line = f"{name}: {value}\r\n".encode()
        if len(line) > MAX_LINE:
            raise BadInput(f"The value of {name} is too long for Asterisk ({len(line)} bytes).")
        lines.append(line)
    if len(lines) > MAX_HEADERS:
        raise BadInput(f"{len(lines)} headers in one action; Asterisk takes {MAX_HEADERS}.")
    return b"".join((*lines, b"\r\n"))


_ESCAPES = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", "'": "'", '"': '"', "?": "?",
}  # fmt: skip
_ESCAPED = re.compile(r"\\(.)", re.S)


def unescape(value: str) -> str:
    """A `ChanVariable` value as it was set (undoes `ast_escape_c`, Asterisk `main/utils.c`)."""
    if "\\" not in value:
        return value
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[0]), value)
