import pytest
from hypothesis import given
from hypothesis import strategies as st

from cti.ami.framing import MAX_HEADERS, MAX_LINE, Framer, Message, encode, unescape
from ivr.errors import BadAmi, BadInput
from tests.cti.ami import captures

HELLO = b"Asterisk Call Manager/11.0.0\r\n"


def framed(*pieces: bytes) -> list[Message]:
    framer = Framer()
    return [message for piece in (HELLO, *pieces) for message in framer.feed(piece)]


@pytest.mark.parametrize("name", captures.NAMES)
@pytest.mark.parametrize("size", [1, 7, 1448])
def test_a_capture_gives_the_same_messages_however_it_is_cut(name: str, size: int) -> None:
    for data in captures.connections(name):
        framer = Framer()
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        assert [message for piece in pieces for message in framer.feed(piece)] == Framer().feed(
            data
        )


@pytest.mark.parametrize("name", captures.NAMES)
def test_no_line_of_a_capture_is_lost(name: str) -> None:
    for data in captures.connections(name):
        body = data.split(b"\r\n", 1)[1].decode()
        wanted = [line for line in body.split("\r\n") if line]
        got = [
            f"{header}: {value}"
            for message in Framer().feed(data)
            for header, value in message.headers
        ]
        assert got == wanted


def test_letters_cut_in_two_by_a_read_stay_whole() -> None:
    data = "Event: X\r\nCallerIDName: Müşteri Işık\r\n\r\n".encode()
    for cut in range(len(data)):
        (message,) = framed(data[:cut], data[cut:])
        assert message.get("calleridname") == "Müşteri Işık"


def test_an_empty_last_header_is_there() -> None:
    (message,) = framed(b"Event: UserEvent\r\nNote: a\r\nEmpty: \r\n\r\n")
    assert message.headers[-1] == ("Empty", "")
    assert message.has("empty")
    assert not message.has("missing")


def test_empty_lines_between_messages_are_nothing() -> None:
    first, second = framed(b"Response: Error\r\n\r\n\r\n", b"\r\nEvent: Y\r\n\r\n")
    assert first.get("Response") == "Error"
    assert second.name == "Y"


def test_a_header_that_repeats_keeps_all_its_values_in_order() -> None:
    (message,) = framed(b"Event: X\r\nChanVariable: a=1\r\nchanvariable: b=2\r\n\r\n")
    assert message.all("ChanVariable") == ("a=1", "b=2")
    assert message.get("ChanVariable") == "a=1"
    assert message.all("nothing") == ()


def test_a_value_may_hold_colons_and_newlines() -> None:
    (message,) = framed(b"Event: X\r\nUri: sip:a@b:5060\r\nData: one\ntwo\r\nthree four\r\n\r\n")
    assert message.get("Uri") == "sip:a@b:5060"
    assert message.get("Data") == "one\ntwo\nthree four"


def test_variables_of_a_named_channel_are_headers_too() -> None:
    (message,) = framed(b"Event: OriginateResponse\r\nChanVariable(Local/9@x;1): A=b\r\n\r\n")
    assert message.headers[1] == ("ChanVariable(Local/9@x;1)", "A=b")


def test_the_version_is_known_after_the_greeting() -> None:
    framer = Framer()
    framer.feed(HELLO[:10])
    assert framer.version == ""
    framer.feed(HELLO[10:])
    assert framer.version == "11.0.0"


@pytest.mark.parametrize(
    "data", [b"SSH-2.0-OpenSSH", b"HTTP/1.1 400", b"x", HELLO[:22] + b"1" * 9999]
)
def test_another_protocol_is_refused(data: bytes) -> None:
    with pytest.raises(BadAmi):
        Framer().feed(data)


def test_a_message_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cti.ami.framing.MAX_MESSAGE", 1000)
    with pytest.raises(BadAmi):
        framed(b"Event: X\r\n" + b"A: b\r\n" * 300)


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_any_bytes_give_messages_or_bad_ami(pieces: list[bytes]) -> None:
    for message in framed(*pieces):
        assert message.headers is not None


def test_an_action_is_its_headers_in_order() -> None:
    assert encode([("Action", "Ping"), ("ActionID", "1")]) == b"Action: Ping\r\nActionID: 1\r\n\r\n"


@pytest.mark.parametrize("bad", ["\r\n", "a\r\nAction: Reload", "a\nb", "a\rb", "a\0b"])
def test_a_line_break_in_a_value_is_refused(bad: str) -> None:
    with pytest.raises(BadInput, match="Channel"):
        encode([("Action", "Hangup"), ("Channel", bad)])


@pytest.mark.parametrize("bad", ["A: b\r\nC", "", "a b", "a:", "ş", "a\n"])
def test_a_name_that_is_none_is_refused(bad: str) -> None:
    with pytest.raises(BadInput):
        encode([(bad, "x")])


@given(st.text())
def test_whatever_the_value_one_action_is_one_action(value: str) -> None:
    try:
        data = encode([("Action", "X"), ("Value", value)])
    except (BadInput, UnicodeEncodeError):
        return
    assert data.count(b"\r\n\r\n") == 1
    (message,) = framed(data)
    assert message.headers == (("Action", "X"), ("Value", value))


def test_what_asterisk_would_refuse_for_its_size_is_not_sent() -> None:
    longest = "x" * (MAX_LINE - len("Value: \r\n"))
    assert encode([("Value", longest)])
    with pytest.raises(BadInput, match="too long"):
        encode([("Value", longest + "x")])
    with pytest.raises(BadInput, match="headers"):
        encode([("Variable", "a=b")] * (MAX_HEADERS + 1))


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        (r"çok \"satır\"\\\\n=x", r'çok "satır"\\n=x'),
        (r"tab\tquote\"back\\slash,eş=it", 'tab\tquote"back\\slash,eş=it'),
        (r"\a\b\f\n\r\v\'\?", "\a\b\f\n\r\v'?"),
        ("plain", "plain"),
        ("\\", "\\"),
        (r"\x", r"\x"),
    ],
)
def test_channel_variables_are_unescaped(wire: str, value: str) -> None:
    assert unescape(wire) == value
