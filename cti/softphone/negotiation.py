"""Offers and answers of one call over its life (RFC 3264). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cti.softphone import sdp
from ivr.errors import BadSip


@dataclass(slots=True)
class Negotiation:
    """Our end is `host`, `port` and `codecs` (best first); `want` is the direction we would like.

    `remote` and `codec` are what was last agreed on.
    """

    host: str
    port: int
    codecs: Sequence[str]
    want: str = "sendrecv"
    remote: sdp.Media | None = field(default=None, init=False)
    codec: str = field(default="", init=False)
    _version: int = field(default=0, init=False)
    _told: sdp.Media | None = field(default=None, init=False)

    def offer(self) -> bytes:
        """Everything we speak."""
        return self._describe(
            sdp.Media(self.host, self.port, tuple(self.codecs), direction=self.want)
        )

    def answer(self, offer: bytes) -> bytes:
        """Our answer to the other side's offer. Raises BadSip when we have nothing in common."""
        remote = sdp.parse(offer)
        ours = sdp.answer(remote, self.host, self.port, self.codecs, self.want)
        if not ours:
            raise BadSip("no codec in common")
        self.remote, self.codec = remote, ours.codecs[0]
        return self._describe(ours)

    def accept(self, answer: bytes) -> None:
        """Take the other side's answer to our offer. Raises BadSip when we cannot speak it."""
        remote = sdp.parse(answer)
        common = [codec for codec in remote.codecs if codec in self.codecs]
        if not common or not remote.port:
            raise BadSip("the other side took none of our codecs")
        self.remote, self.codec = remote, common[0]

    def _describe(self, media: sdp.Media) -> bytes:
        if media != self._told:
            self._told, self._version = media, self._version + 1
        return sdp.build(media, self._version)
