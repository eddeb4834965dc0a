"""The protocol core: bytes in, messages out, no socket."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.agi.protocol import (
    LONGEST_COMMAND,
    Decoder,
    HangupLine,
    Header,
    Message,
    Reply,
    command,
    quote,
)
from ivr.errors import BadAgi, CommandRefused
from tests.fakes.agi_text import words

HEADER = b"agi_network: yes\nagi_channel: PJSIP/a-1\nagi_accountcode: \n\n"
USAGE = (
    b"520-Invalid command syntax.  Proper usage follows:\n"
    b"Usage: WAIT FOR DIGIT timeout\n\tWaits up to timeout\n520 End of proper usage.\n"
)
PLAIN = [
    (b"200 result=0\n", Reply(200, "0", text="result=0")),
    (b"200 result=-1\n", Reply(200, "-1", text="result=-1")),
    (b"200 result=53 endpos=4000\n", Reply(200, "53", "", 4000, "result=53 endpos=4000")),
    (b"200 result=7 (timeout)\n", Reply(200, "7", "timeout", None, "result=7 (timeout)")),
    (b"200 result= (timeout)\n", Reply(200, "", "timeout", None, "result= (timeout)")),
    (b"200 result=\n", Reply(200, "", text="result=")),
    (b"200 result=1 ()\n", Reply(200, "1", "", None, "result=1 ()")),
    (b"200 result=1 (a) b)\n", Reply(200, "1", "a) b", None, "result=1 (a) b)")),
    (
        b"200 result=-1 (hangup) endpos=8000\n",
        Reply(200, "-1", "hangup", 8000, "result=-1 (hangup) endpos=8000"),
    ),
    (
        b"200 result=1 (two\nlines)\n",
        Reply(200, "1", "two\nlines", None, "result=1 (two\nlines)"),
    ),
    (b"510 Invalid or unknown command\n", Reply(510, text="Invalid or unknown command")),
    (b"511 Command Not Permitted\n", Reply(511, text="Command Not Permitted")),
    (
        USAGE,
        Reply(520, text=USAGE[4:-1].decode()),
    ),
    (
        b"520 Invalid command syntax.  Proper usage not available.\n",
        Reply(520, text="Invalid command syntax.  Proper usage not available."),
    ),
    (b"HANGUP\n", HangupLine()),
]


def after_header() -> Decoder:
    decoder = Decoder()
    decoder.receive(HEADER)
    return decoder


def test_the_header_is_one_message() -> None:
    decoder = Decoder()
    [header] = decoder.receive(HEADER)
    assert header == Header(
        {"agi_network": "yes", "agi_channel": "PJSIP/a-1", "agi_accountcode": ""}
    )
    assert decoder.idle


def test_of_a_name_given_twice_the_first_counts() -> None:
    [header] = Decoder().receive(b"agi_channel: real\nagi_channel: false\nodd line\n\n")
    assert isinstance(header, Header)
    assert header.fields == {"agi_channel": "real"}


@pytest.mark.parametrize(("data", "message"), PLAIN)
def test_replies(data: bytes, message: Message) -> None:
    decoder = after_header()
    assert decoder.receive(data) == [message]
    assert decoder.idle


@pytest.mark.parametrize(("data", "message"), PLAIN)
def test_a_reply_in_single_bytes_is_the_same(data: bytes, message: Message) -> None:
    decoder = after_header()
    messages = [m for byte in data for m in decoder.receive(bytes([byte]))]
    assert messages == [message]


def test_provisional_replies_are_skipped() -> None:
    assert after_header().receive(b"100 result=0 Trying...\n200 result=0\n") == [
        Reply(200, "0", text="result=0")
    ]


def test_hangup_glued_to_a_reply_in_both_orders() -> None:
    reply = Reply(200, "-1", text="result=-1")
    assert after_header().receive(b"200 result=-1\nHANGUP\n") == [reply, HangupLine()]
    assert after_header().receive(b"HANGUP\n200 result=-1\n") == [HangupLine(), reply]


def test_hangup_inside_a_usage_text_is_heard() -> None:
    messages = after_header().receive(b"520-Invalid\nusage\nHANGUP\nmore\n520 End.\n")
    assert messages == [HangupLine(), Reply(520, text="Invalid\nusage\nmore\n520 End.")]


def test_bytes_that_are_not_utf8_are_replaced() -> None:
    [header] = Decoder().receive(b"agi_calleridname: M\xfc\xfeteri \xc5\x9f\n\n")
    assert isinstance(header, Header)
    assert header.fields["agi_calleridname"] == "M\ufffd\ufffdteri ş"


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\n",
        b"\x16\x03\x01\x02\x00\x01\n",
        b"agi_network: yes\n" + b"agi_arg_1: " + b"x" * 65_536,
        b"agi_network: yes\n" + b"".join(b"agi_arg_%d: x\n" % n for n in range(6_000)),
    ],
)
def test_what_is_not_a_header_is_refused(data: bytes) -> None:
    with pytest.raises(BadAgi):
        Decoder().receive(data)


@pytest.mark.parametrize(
    "data",
    [
        b"hello\n",
        b"\n",
        b"2 0 result=0\n",
        b"200x\n",
        b"x" * 65_537,
        b"\xd9\xa0\xd9\xa0\xd9\xa0 \n",
    ],
)
def test_what_is_not_a_reply_is_refused(data: bytes) -> None:
    with pytest.raises(BadAgi):
        after_header().receive(data)


def test_an_endless_value_or_usage_is_refused() -> None:
    for start in (b"200 result=1 (x\n", b"520-Invalid\n"):
        decoder = after_header()
        with pytest.raises(BadAgi):
            decoder.receive(start + b"y\n" * 70_000)


@given(st.lists(st.sampled_from(PLAIN), max_size=6), st.data())
def test_any_split_gives_the_same_messages(
    parts: list[tuple[bytes, Message]], data: st.DataObject
) -> None:
    stream = HEADER + b"".join(part for part, _ in parts)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=20)) | {0, len(stream)})
    decoder = Decoder()
    messages: list[Message] = []
    for start, end in pairwise(cuts):
        messages += decoder.receive(stream[start:end])
    assert messages[1:] == [message for _, message in parts]
    assert decoder.idle


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_noise_is_a_message_or_bad_agi_and_nothing_else(packets: list[bytes]) -> None:
    for decoder in (Decoder(), after_header()):
        try:
            for packet in packets:
                for message in decoder.receive(packet):
                    assert isinstance(message, Header | Reply | HangupLine)
        except BadAgi:
            pass


@given(st.lists(st.text(st.characters(exclude_characters="\n\r\0", codec="utf-8")), max_size=5))
def test_arguments_reach_asterisk_as_they_are(values: list[str]) -> None:
    line = command("EXEC", *values)
    assert line.endswith(b"\n")
    assert words(line[:-1].decode()) == ["EXEC", *values]


@pytest.mark.parametrize("value", ["a\nHANGUP", "a\rb", "a\0b", "\ud800"])
def test_a_value_that_would_be_a_second_command_is_refused(value: str) -> None:
    with pytest.raises(CommandRefused):
        quote(value)


def test_a_line_of_8190_bytes_is_sent_and_a_longer_one_refused() -> None:
    room = LONGEST_COMMAND - len("NOOP ")
    assert len(command("NOOP", "ş" * (room // 2 - 1))) <= LONGEST_COMMAND + 1
    assert len(command("NOOP", "x" * room)) == LONGEST_COMMAND + 1
    with pytest.raises(CommandRefused):
        command("NOOP", "x" * (room + 1))
    with pytest.raises(CommandRefused):
        command("NOOP", "ş" * (room // 2 + 1))
