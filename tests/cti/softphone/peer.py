"""The other side as bytes: a plain UDP socket that shows what came and sends what it is told."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import cast

CAPTURES = Path(__file__).parent / "captures"


def capture(name: str) -> bytes:
    """One datagram of a real Asterisk."""
    return (CAPTURES / f"{name}.sip").read_bytes()


class Peer(asyncio.DatagramProtocol):
    """Nothing is interpreted here beyond picking headers out of text.

    Only a BYE is answered by itself, unless `obliging` is taken away: tests end with one.
    """

    def __init__(self) -> None:
        self.obliging = True
        self.received: list[str] = []
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._transport: asyncio.DatagramTransport | None = None
        self.address = ("", 0)
        self.other = ("", 0)

    @classmethod
    async def open(cls) -> Peer:
        loop = asyncio.get_running_loop()
        _, peer = await loop.create_datagram_endpoint(cls, local_addr=("127.0.0.1", 0))
        return peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self.address = transport.get_extra_info("sockname")

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.other = addr
        self.received.append(data.decode())
        self._queue.put_nowait(data.decode())
        if self.obliging and data.startswith(b"BYE"):
            self.answer(data.decode(), "200 OK")

    async def expect(self, start: str, timeout: float = 5.0) -> str:
        """The next datagram that begins like this; others before it are passed over."""
        async with asyncio.timeout(timeout):
            while True:
                text = await self._queue.get()
                if text.startswith(start):
                    return text

    def send(self, text: str | bytes, to: tuple[str, int] | None = None) -> None:
        assert self._transport
        data = text.encode() if isinstance(text, str) else text
        self._transport.sendto(data, to or self.other)

    def answer(self, request: str, status: str, more: str = "", body: str = "") -> None:
        """Answer a request as a server would: its own Via, From, Call-ID and CSeq, a tag in To."""
        kept = re.findall(r"^(?:Via|From|Call-ID|CSeq): .*\r\n", request, re.MULTILINE)
        to = header(request, "To")
        tagged = to if "tag=" in to else f"{to};tag=theirs"
        self.send(
            f"SIP/2.0 {status}\r\n{''.join(kept)}To: {tagged}\r\n{more}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )

    def close(self) -> None:
        if self._transport:
            self._transport.close()


def header(message: str, name: str) -> str:
    found = re.search(rf"^{name}: (.*)\r\n", message, re.MULTILINE)
    return found[1] if found else ""


def sdp(port: int = 40000, *, codecs: str = "0 8 101", direction: str = "sendrecv") -> str:
    return (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP {codecs}\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
        f"a=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
    )
