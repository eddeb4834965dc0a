"""The little of SDP a telephone speaks (RFC 4566, offer and answer by RFC 3264). Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ivr.errors import BadSip

PAYLOADS = {"PCMU": 0, "PCMA": 8}
"""The codecs we speak and their static payload types (RFC 3551)."""
EVENTS = 101
"""The payload type we offer for telephone-event; in an answer the offer's own is kept."""

_MIRROR = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly"}


@dataclass(frozen=True, slots=True)
class Media:
    """The audio of one side: where it wants RTP, and what it can hear.

    `codecs` are of PAYLOADS, best first; `events` is its payload type for telephone-event, None
    where it has none; `direction` is seen from that side.
    """

    host: str
    port: int
    codecs: tuple[str, ...]
    events: int | None = EVENTS
    direction: str = "sendrecv"

    @property
    def holds(self) -> bool:
        """Whether this side does not want to hear us: on hold (RFC 3264 section 8.4)."""
        return self.direction in {"sendonly", "inactive"} or self.host == "0.0.0.0"  # noqa: S104


def build(media: Media, version: int) -> bytes:
    """A session with one stream of audio; `version` grows with every change (RFC 3264 8)."""
    formats = [PAYLOADS[codec] for codec in media.codecs]
    lines = [
        "v=0",
        f"o=- 1 {version} IN IP4 {media.host}",
        "s=santral",
        f"c=IN IP4 {media.host}",
        "t=0 0",
    ]
    maps = [f"a=rtpmap:{PAYLOADS[codec]} {codec}/8000" for codec in media.codecs]
    if media.events is not None:
        formats.append(media.events)
        maps.append(f"a=rtpmap:{media.events} telephone-event/8000")
        maps.append(f"a=fmtp:{media.events} 0-16")
    lines.append(f"m=audio {media.port} RTP/AVP {' '.join(map(str, formats))}")
    lines += [*maps, "a=ptime:20", f"a={media.direction}"]
    return ("\r\n".join(lines) + "\r\n").encode()


def parse(body: bytes) -> Media:
    """The first audio stream of a session. Raises BadSip when there is none that we can use."""
    session, streams = _sections(body.decode(errors="replace").splitlines())
    for stream in streams:
        found = re.fullmatch(r"audio (\d+)(?:/\d+)? RTP/AVP((?: \d+)+)", stream[0])
        if found and int(found[1]) < 65536:
            return _media(int(found[1]), [int(word) for word in found[2].split()], session, stream)
    raise BadSip("no RTP/AVP audio in the session description")


def answer(offer: Media, host: str, port: int, codecs: Sequence[str], want: str) -> Media | None:
    """What we reply to an offer: its codecs that we speak, in its order, its event payload type.

    `want` is the direction we would like; hold is mirrored (RFC 3264 section 6.1). None when no
    codec is common.
    """
    common = tuple(codec for codec in offer.codecs if codec in codecs)
    if not common:
        return None
    allowed = _MIRROR.get(offer.direction, "inactive")
    return Media(host, port, common[:1], offer.events, _narrower(allowed, want))


def _narrower(one: str, other: str) -> str:
    send = all(way in {"sendrecv", "sendonly"} for way in (one, other))
    receive = all(way in {"sendrecv", "recvonly"} for way in (one, other))
    return {
        (True, True): "sendrecv",
        (True, False): "sendonly",
        (False, True): "recvonly",
        (False, False): "inactive",
    }[send, receive]


def _sections(lines: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """The session's lines, and for each stream its m= value followed by its lines."""
    session: list[str] = []
    streams: list[list[str]] = []
    for line in lines:
        if line.startswith("m="):
            streams.append([line[2:].strip()])
        else:
            (streams[-1] if streams else session).append(line.strip())
    return session, streams


def _media(
    port: int, formats: Sequence[int], session: Sequence[str], stream: Sequence[str]
) -> Media:
    names = {number: codec for codec, number in PAYLOADS.items()}
    for line in stream:
        mapped = re.match(r"a=rtpmap:(\d+) ([\w-]+)/8000", line)
        if mapped:
            names[int(mapped[1])] = mapped[2].upper()
    codecs = tuple(names[kind] for kind in formats if PAYLOADS.get(names.get(kind, "")) == kind)
    events = next((kind for kind in formats if names.get(kind) == "TELEPHONE-EVENT"), None)
    return Media(_host(stream) or _host(session), port, codecs, events, _direction(session, stream))


def _host(lines: Sequence[str]) -> str:
    for line in lines:
        found = re.match(r"c=IN IP[46] ([^\s/]+)", line)
        if found:
            return found[1]
    return ""


def _direction(session: Sequence[str], stream: Sequence[str]) -> str:
    ways = {"a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"}
    for line in (*stream, *session):
        if line in ways:
            return line[2:]
    return "sendrecv"
