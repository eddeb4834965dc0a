from __future__ import annotations

import pytest

from cti.softphone import sdp
from cti.softphone.negotiation import Negotiation
from cti.softphone.sip import parse
from ivr.errors import BadSip
from tests.cti.softphone.peer import capture
from tests.cti.softphone.peer import sdp as session


def ours(*codecs: str) -> Negotiation:
    return Negotiation("127.0.0.1", 4000, codecs or ("PCMU", "PCMA"))


def test_what_asterisk_describes() -> None:
    media = sdp.parse(parse(capture("invite-183")).body)
    assert media == sdp.Media("127.0.0.1", 31628, ("PCMU", "PCMA"), 101, "sendrecv")
    assert not media.holds


def test_asterisks_hold_is_seen() -> None:
    media = sdp.parse(parse(capture("reinvite-hold")).body)
    assert media.direction == "sendonly"
    assert media.holds


def test_what_we_build_we_read() -> None:
    media = sdp.Media("127.0.0.1", 4000, ("PCMA", "PCMU"), 96, "recvonly")
    assert sdp.parse(sdp.build(media, 7)) == media
    assert b"o=- 1 7 IN IP4 127.0.0.1\r\n" in sdp.build(media, 7)


def test_the_streams_address_and_direction_win_over_the_sessions() -> None:
    body = (
        "v=0\r\nc=IN IP4 192.0.2.1\r\na=inactive\r\nm=video 4 RTP/AVP 31\r\nc=IN IP4 192.0.2.9\r\n"
        "m=audio 5 RTP/AVP 18 8 97\r\nc=IN IP4 192.0.2.2\r\na=sendonly\r\n"
        "a=rtpmap:97 telephone-event/8000\r\na=rtpmap:18 G729/8000\r\n"
    )
    assert sdp.parse(body.encode()) == sdp.Media("192.0.2.2", 5, ("PCMA",), 97, "sendonly")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"v=0\r\n",
        b"m=audio x RTP/AVP 0\r\n",
        b"m=audio 70000 RTP/AVP 0\r\n",
        b"m=audio 4000 RTP/SAVP 0\r\n",
        b"m=audio 4000 RTP/AVP\r\n",
        b"\xff\xfe",
    ],
)
def test_a_session_without_plain_audio_is_refused(body: bytes) -> None:
    with pytest.raises(BadSip):
        sdp.parse(body)


@pytest.mark.parametrize(
    ("offered", "wanted", "answered"),
    [
        ("sendrecv", "sendrecv", "sendrecv"),
        ("sendonly", "sendrecv", "recvonly"),
        ("recvonly", "sendrecv", "sendonly"),
        ("inactive", "sendrecv", "inactive"),
        ("sendrecv", "sendonly", "sendonly"),
        ("sendonly", "sendonly", "inactive"),
    ],
)
def test_hold_is_mirrored(offered: str, wanted: str, answered: str) -> None:
    side = ours()
    side.want = wanted
    media = sdp.parse(side.answer(session(direction=offered).encode()))
    assert media.direction == answered


def test_an_answer_has_the_offers_best_codec_that_we_speak_and_its_event_type() -> None:
    side = ours("PCMA")
    offer = session(codecs="18 0 8 96").replace("rtpmap:101", "rtpmap:96")
    media = sdp.parse(side.answer(offer.encode()))
    assert media == sdp.Media("127.0.0.1", 4000, ("PCMA",), 96, "sendrecv")
    assert side.codec == "PCMA"


def test_nothing_in_common_is_refused_on_both_sides() -> None:
    with pytest.raises(BadSip):
        ours("PCMA").answer(session(codecs="0 101").encode())
    with pytest.raises(BadSip):
        ours("PCMA").accept(session(codecs="0 101").encode())
    with pytest.raises(BadSip):
        ours().accept(session(port=0).encode())


def test_the_version_grows_only_with_a_change() -> None:
    side = ours()
    first, again = side.offer(), side.offer()
    side.want = "sendonly"
    assert first == again
    assert b"o=- 1 2 " in side.offer()


def test_the_old_way_to_hold() -> None:
    assert sdp.parse(session().replace("IN IP4 127.0.0.1", "IN IP4 0.0.0.0").encode()).holds
