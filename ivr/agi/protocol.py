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

    __slots__ = ("_buffer", "_header", "_header_size", "_open", "_usage")

    def __init__(self) -> None:
        self._buffer = b""
        self._header: dict[str, str] | None = {}
        self._header_size = 0
        self._usage: list[str] | None = None  # lines of a 520 so far
        self._open = ""  # a variable's value with a newline in it, so far

    @property
    def idle(self) -> bool:
        """Whether everything received so far has been given out as messages."""
        waiting = self._buffer or self._header or self._usage or self._open
        return not waiting

    def receive(self, data: bytes) -> list[Message]:
        """The messages that `data` completes. Raises BadAgi; nothing more can be read after it."""
        if self._buffer:
            data = self._buffer + data
        lines = data.split(b"\n")
        self._buffer = lines.pop()
        messages: list[Message] = []
        for line in lines:
            message = self._read_line(line)
            if message is not None:
                messages.append(message)
        self._check_size()
        return messages

    def _check_size(self) -> None:
        if self._header is not None:
            if self._header_size + len(self._buffer) > LONGEST_HEADER:
                raise BadAgi(f"The AGI header is longer than {LONGEST_HEADER} bytes.")
        elif self._buffer or self._usage or self._open:
            size = len(self._buffer) + len(self._open) + sum(map(len, self._usage or ()))
            if size > LONGEST_REPLY:
                raise BadAgi(f"An AGI reply is longer than {LONGEST_REPLY} bytes.")

    def _read_line(self, line: bytes) -> Message | None:
        if self._header is not None:
            return self._read_header_line(line)
        text = line.decode("utf-8", "replace")
        if text == "HANGUP":
            return HangupLine()
        if self._usage is not None:
            return self._read_usage_line(text)
        if self._open:
            text = f"{self._open}\n{text}"
            self._open = ""
        return self._read_reply(text)

    def _read_header_line(self, line: bytes) -> Message | None:
        header = self._header
        assert header is not None
        self._header_size += len(line) + 1
        if self._header_size > LONGEST_HEADER:
            raise BadAgi(f"The AGI header is longer than {LONGEST_HEADER} bytes.")
        if not line:
            if not header:
                raise BadAgi("The AGI header is empty.")
            self._header = None
            return Header(header)
        name, colon, value = line.decode("utf-8", "replace").partition(":")
        if colon and name.startswith("agi_"):
            header.setdefault(name, value.strip(" "))
        elif not header:  # somebody else's protocol; a stray line further down is only skipped
            raise BadAgi("What connected does not speak AGI.")
        return None

    def _read_usage_line(self, text: str) -> Message | None:
        assert self._usage is not None
        self._usage.append(text)
        if not text.startswith("520 "):
            return None
        usage, self._usage = "\n".join(self._usage), None
        return Reply(520, text=usage)

    def _read_reply(self, text: str) -> Message | None:
        number, rest = text[:3], text[4:]
        if not (number.isdecimal() and number.isascii()) or text[3:4] not in (" ", "-", ""):
            raise BadAgi("A line of Asterisk's is not an AGI reply.")
        code = int(number)
        if text[3:4] == "-":
            self._usage = [rest]
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
            self._open = text
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
    encoded = value.encode("utf-8", "surrogateescape")
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
