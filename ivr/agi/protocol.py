"""The AGI protocol without IO: bytes from Asterisk in, messages out; commands in, bytes out.

Asterisk opens a connection, sends a header (`agi_name: value` lines up to a blank one) and then
answers one command at a time (res/res_agi.c: `setup_env`, `run_agi`, `agi_handle_command`). At any
moment it may say `HANGUP`. Text is UTF-8; bytes that are not are replaced, never fatal: a caller's
odd display name must not cost the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ivr.errors import BadAgi, CommandRefused

LONGEST_COMMAND = 8190  # bytes, newline not counted: run_agi reads into AGI_BUF_LEN (8192)
LONGEST_HEADER = 65_536
LONGEST_REPLY = 65_536
DEAD_CHANNEL = 511

_FIRST = b"agi_"
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=&,")


class Header(NamedTuple):
    """What Asterisk says of the channel before the first command; the first of a name counts."""

    fields: Mapping[str, str]


class Reply(NamedTuple):
    """The answer to one command.

    `result` is the word after `result=` ("" for other codes and for an empty result), `data` what
    stood in brackets (a variable's value, `timeout`, `hangup`), `endpos` a position in samples,
    `text` the line after the code, or the lines of a usage text.
    """

    code: int
    result: str = ""
    data: str = ""
    endpos: int | None = None
    text: str = ""


class HangupLine(NamedTuple):
    """Asterisk says that the caller is gone."""


Message = Header | Reply | HangupLine


class Decoder:
    """Cuts the bytes of one connection into messages, however they are split into packets."""

    __slots__ = ("_begun", "_buffer", "_lines", "_size", "_usage")

    def __init__(self) -> None:
        self._begun = False  # the header has been read
        self._buffer = b""
        self._lines: list[str] = []  # a reply of several lines, so far
        self._usage = False  # whether that is a usage text, or else a value with newlines
        self._size = 0  # bytes of the reply of several lines

    @property
    def idle(self) -> bool:
        """Whether everything received so far has been given out as messages."""
        return not (self._buffer or self._lines)

    def receive(self, data: bytes) -> list[Message]:
        """The messages that `data` completes. Raises BadAgi; nothing more can be read after it."""
        messages: list[Message] = []
        if self._buffer:
            data = self._buffer + data
        if not self._begun:
            header, data = self._read_header(data)
            if header is None:
                return messages
            messages.append(header)
        *lines, self._buffer = data.split(b"\n")
        for line in lines:
            message = self._read_line(line)
            if message is not None:
                messages.append(message)
        if self._size + len(self._buffer) > LONGEST_REPLY:
            raise BadAgi(f"An AGI reply is longer than {LONGEST_REPLY} bytes.")
        return messages

    def _read_header(self, data: bytes) -> tuple[Header | None, bytes]:
        """The header, when it is complete, and the bytes behind it."""
        if not data.startswith(_FIRST[: len(data)]):
            raise BadAgi("What connected does not speak AGI.")
        end = data.find(b"\n\n", 0, LONGEST_HEADER)
        if end < 0:
            if len(data) >= LONGEST_HEADER:
                raise BadAgi(f"The AGI header is longer than {LONGEST_HEADER} bytes.")
            self._buffer = data
            return None, b""
        self._begun, self._buffer = True, b""
        fields: dict[str, str] = {}
        for line in data[:end].decode("utf-8", "replace").split("\n"):
            name, colon, value = line.partition(":")
            if colon and name.startswith("agi_"):  # a stray line is only skipped
                fields.setdefault(name, value.strip(" "))
        return Header(fields), data[end + 2 :]

    def _read_line(self, line: bytes) -> Message | None:
        text = line.decode("utf-8", "replace")
        if text == "HANGUP":
            return HangupLine()
        if not self._lines:
            return self._read_reply(text)
        self._size += len(line) + 1
        if self._size > LONGEST_REPLY:
            raise BadAgi(f"An AGI reply is longer than {LONGEST_REPLY} bytes.")
        self._lines.append(text)
        return self._read_usage(text) if self._usage else self._read_value(text)

    def _read_usage(self, text: str) -> Message | None:
        if not text.startswith("520 "):
            return None
        return Reply(520, text=self._take_lines())

    def _read_value(self, text: str) -> Message | None:
        if text.endswith(")") or ") endpos=" in text:
            return self._read_reply(self._take_lines())
        return None

    def _take_lines(self) -> str:
        text = "\n".join(self._lines)
        self._lines.clear()
        self._size = 0
        return text

    def _read_reply(self, text: str) -> Message | None:
        number, mark, rest = text[:3], text[3:4], text[4:]
        if not (number.isdecimal() and number.isascii()) or mark not in (" ", "-", ""):
            raise BadAgi("A line of Asterisk's is not an AGI reply.")
        code = int(number)
        if mark == "-":
            self._lines, self._usage = [rest], True
            return None
        if code < 200:  # `100 result=0 Trying...`: the answer is still to come
            return None
        if not rest.startswith("result="):
            return Reply(code, text=rest)
        result, _, more = rest[7:].partition(" ")
        if not more:
            return Reply(code, result, text=rest)
        data, endpos, whole = _read_tail(more)
        if not whole:
            self._lines, self._usage = [text], False
            return None
        return Reply(code, result, data, endpos, rest)


def _read_tail(more: str) -> tuple[str, int | None, bool]:
    """Data, end position, and whether the brackets are closed, of what follows `result=X `."""
    if not more.startswith("("):
        return "", _position(more), True
    if more.endswith(")"):  # anything at all may stand in a variable's value
        return more[1:-1], None, True
    data, bracket, tail = more[1:].rpartition(") ")
    position = _position(tail)
    if bracket and (position is not None or "=" in tail):
        return data, position, True
    return "", None, False


def _position(text: str) -> int | None:
    name, _, value = text.partition(" ")[0].partition("=")
    if name == "endpos" and value.isdecimal() and value.isascii():
        return int(value)
    return None


def quote(value: str) -> str:
    """One argument as `parse_args` of res_agi.c reads it. Raises CommandRefused."""
    try:
        encoded = value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise CommandRefused("An AGI command cannot carry half a character.") from error
    if encoded and _PLAIN.issuperset(encoded):
        return value
    if "\n" in value or "\r" in value or "\0" in value:
        raise CommandRefused("An AGI command cannot carry a line break or a NUL.")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def command(verb: str, *arguments: str) -> bytes:
    """The line for `verb` (sent as it is) with its quoted arguments. Raises CommandRefused."""
    line = " ".join((verb, *map(quote, arguments))).encode("utf-8", "surrogateescape")
    if len(line) > LONGEST_COMMAND:
        raise CommandRefused(f"An AGI command is longer than {LONGEST_COMMAND} bytes.")
    return line + b"\n"
