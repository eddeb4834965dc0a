from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cti.softphone.sip import (
    Request,
    Response,
    Uri,
    parameters,
    parse,
    parse_uri,
    uri_in,
)
from ivr.errors import BadSip
from tests.cti.softphone.peer import CAPTURES, capture

HEAD = (
    b"Via: SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
    b"To: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n"
)


def options(extra: bytes = b"", body: bytes = b"") -> bytes:
    return b"OPTIONS sip:c@d SIP/2.0\r\n" + HEAD + extra + b"\r\n" + body


@pytest.mark.parametrize("name", sorted(path.stem for path in CAPTURES.glob("*.sip")))
def test_asterisks_own_bytes_survive_a_round_trip(name: str) -> None:
    message = parse(capture(name))
    again = parse(message.build())
    without = [header for header in message.headers if header[0] != "Content-Length"]
    assert [header for header in again.headers if header[0] != "Content-Length"] == without
    assert again.body == message.body
    assert again.get("content-length") == str(len(message.body))


def test_a_captured_response() -> None:
    message = parse(capture("invite-183"))
    assert isinstance(message, Response)
    assert (message.code, message.reason) == (183, "Session Progress")
    assert message.cseq == (1, "INVITE")
    assert message.branch == "z9hG4bKb3b5374321965cc1"
    assert message.from_tag == "ff57c24f86ca"
    assert message.to_tag == "dd65aff9-422a-4a7f-832c-645957767139"
    assert message.body.startswith(b"v=0\r\n")
    assert message.body.endswith(b"a=sendrecv\r\n")


def test_a_captured_request() -> None:
    message = parse(capture("bye"))
    assert isinstance(message, Request)
    assert (message.method, message.uri) == ("BYE", "sip:201@127.0.0.1:51234")
    assert message.get("reason") == "Q.850;cause=16"


def test_compact_names_folded_lines_and_lists() -> None:
    message = parse(
        b"INVITE sip:c@d SIP/2.0\r\n"
        b"v: SIP/2.0/UDP one;branch=z9hG4bKa ,\r\n SIP/2.0/UDP two;branch=z9hG4bKb\r\n"
        b'f: "A, \\"B\\" <C>" <sip:a@b>;tag=1\r\nt:<sip:c@d>\r\ni : x\r\nCSeq: 7   INVITE\r\n'
        b"Route: <sip:p1;lr>,<sip:p2;lr>\r\nsubject: two\r\n\twords\r\nl: 2\r\n\r\nhi and more"
    )
    assert message.all("via") == [
        "SIP/2.0/UDP one;branch=z9hG4bKa",
        "SIP/2.0/UDP two;branch=z9hG4bKb",
    ]
    assert message.all("route") == ["<sip:p1;lr>", "<sip:p2;lr>"]
    assert message.branch == "z9hG4bKa"
    assert message.cseq == (7, "INVITE")
    assert message.call_id == "x"
    assert message.get("subject") == "two words"
    assert message.from_tag == "1"
    assert message.body == b"hi"


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"SIP/2.0 abc What\r\n" + HEAD + b"\r\n",
        b"SIP/2.0 700 What\r\n" + HEAD + b"\r\n",
        b"OPTIONS  SIP/2.0\r\n" + HEAD + b"\r\n",
        options(b"No colon here\r\n"),
        options(b"Na me: x\r\n"),
        options(b"Content-Length: 5\r\n", b"four"),
        options(b"Content-Length: -1\r\n"),
        options(b"X: \xff\xfe\r\n"),
        options().replace(b"CSeq: 1 OPTIONS", b"CSeq: one OPTIONS"),
        options().replace(b"CSeq: 1 OPTIONS", b"CSeq: 1 INVITE"),
        options().replace(b"CSeq: 1 OPTIONS", b"CSeq: 1"),
        *(options().replace(name, b"X-") for name in (b"Via:", b"From:", b"To:", b"Call-ID:")),
        options()[:-4],
    ],
)
def test_what_is_no_sip_is_refused(datagram: bytes) -> None:
    with pytest.raises(BadSip):
        parse(datagram)


@given(st.binary(max_size=300), st.integers(0, 300))
def test_no_bytes_break_the_parser(noise: bytes, at: int) -> None:
    whole = capture("invite")
    for datagram in (noise, whole[:at] + noise + whole[at + 1 :], whole[:at] + noise):
        try:
            message = parse(datagram)
        except BadSip:
            continue
        assert message.cseq[0] >= 0
        message.reply(200) if isinstance(message, Request) else None


def test_a_reply_keeps_what_names_the_call_and_tags_it_once() -> None:
    request = parse(options(b"Record-Route: <sip:p;lr>\r\nX-Other: 1\r\n"))
    assert isinstance(request, Request)
    reply = request.reply(486, tag="t", more=(("Contact", "<sip:me>"),))
    assert [name for name, _ in reply.headers] == [
        *("Via", "From", "To", "Call-ID", "CSeq", "Record-Route", "Contact")
    ]
    assert (reply.code, reply.reason) == (486, "Busy Here")
    assert reply.get("to") == "<sip:c@d>;tag=t"
    inside = parse(options().replace(b"To: <sip:c@d>", b"To: <sip:c@d>;tag=u"))
    assert isinstance(inside, Request)
    assert inside.reply(200, tag="t").get("to") == "<sip:c@d>;tag=u"


def test_a_newline_never_gets_into_a_message() -> None:
    bad = Request((("Subject", "x\r\nEvil: 1"),), method="OPTIONS", uri="sip:a@b")
    with pytest.raises(BadSip):
        bad.build()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("<sip:a@b;user=phone>;tag=x", {"tag": "x"}),
        ('"a;tag=no" <sip:a@b>;tag=yes', {"tag": "yes"}),
        ("sip:a@b;tag=x", {"tag": "x"}),
        ("SIP/2.0/UDP 1.2.3.4:5060;rport;branch=z9", {"rport": "", "branch": "z9"}),
        ('<sip:a@b> ; Expires = 60 ;q="0.5"', {"expires": "60", "q": "0.5"}),
    ],
)
def test_parameters(value: str, expected: dict[str, str]) -> None:
    assert parameters(value) == expected


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sip:100@127.0.0.1:5060", Uri("100", "127.0.0.1", 5060)),
        ("sip:%23100@host;transport=udp", Uri("%23100", "host", 0)),
        ("SIP:host", Uri("", "host", 0)),
        ("sip:a@[::1]:5070", Uri("a", "::1", 5070)),
        ("sips:a:secret@host?x=y", Uri("a:secret", "host", 0)),
    ],
)
def test_uris(uri: str, expected: Uri) -> None:
    assert parse_uri(uri) == expected


def test_the_uri_in_a_header_and_what_is_none() -> None:
    assert uri_in('"x" <sip:a@b;lr>;tag=1') == "sip:a@b;lr"
    assert uri_in("sip:a@b;tag=1") == "sip:a@b"
    with pytest.raises(BadSip):
        parse_uri("tel:+90532")
