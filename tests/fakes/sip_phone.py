"""A telephone of a few lines: SIP over UDP. It registers, answers (or not), holds, hangs up, and
sends silence while a call is up (Asterisk ends emulated keys only when frames come in).

For tests of what Asterisk *says* about calls; `cti/softphone` also speaks and hears.
"""

from __future__ import annotations

import asyncio
import random
import re
import socket
import struct
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, cast

ANSWER, BUSY, RING = "answer", "busy", "ring"


@dataclass
class Dialog:
    """One call as this phone sees it; `ours`/`theirs` are full From/To values with tags."""

    call_id: str
    ours: str
    theirs: str
    target: str
    cseq: int = 1
    up: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    status: int = 0
    invite: str = ""
    ringing: asyncio.Event = field(default_factory=asyncio.Event)


class SipPhone(asyncio.DatagramProtocol):
    """`behaviour` decides what an incoming call meets; `calls` lists dialogs, newest last."""

    def __init__(self, user: str, server: tuple[str, int], behaviour: str = ANSWER) -> None:
        self.user, self.server, self.behaviour = user, server, behaviour
        self.calls: list[Dialog] = []
        self._waiting: dict[tuple[str, int], asyncio.Future[str]] = {}
        self._cseq = 0
        self._registration = f"reg-{random.random()}"
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(
        cls, user: str, server: tuple[str, int], behaviour: str = ANSWER, host: str = "127.0.0.1"
    ) -> SipPhone:
        loop = asyncio.get_running_loop()
        _, phone = await loop.create_datagram_endpoint(
            lambda: cls(user, server, behaviour), local_addr=(host, 0)
        )
        return phone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)
        self.host, self.port = transport.get_extra_info("sockname")[:2]
        self.sound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sound.bind((self.host, 0))
        self.sound.setblocking(False)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _silence(self, dialog: Dialog, sdp: str) -> None:
        """20 ms of mu-law silence, again and again, until the call is over."""
        found = re.search(r"m=audio (\d+)", sdp)
        if not found:
            return
        to = (self.server[0], int(found[1]))
        number, source = 0, random.getrandbits(32)
        while not dialog.over.is_set():
            head = struct.pack("!BBHII", 0x80, 0, number & 0xFFFF, number * 160, source)
            self.sound.sendto(head + b"\xff" * 160, to)
            number += 1
            await asyncio.sleep(0.02)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self.sound.close()
        self.transport.close()

    @property
    def address(self) -> str:
        return f"sip:{self.user}@{self.host}:{self.port}"

    async def register(self, expires: int = 300) -> str:
        self._cseq += 1
        me = f"<sip:{self.user}@{self.server[0]}>"
        contact = f"Contact: <{self.address}>;expires={expires}\r\n"
        return await self._request(
            "REGISTER",
            f"sip:{self.server[0]}:{self.server[1]}",
            f"{me};tag={random.randint(1, 10**9)}",
            me,
            self._registration,
            self._cseq,
            contact,
        )

    async def call(self, number: str) -> Dialog:
        """Send an INVITE; `up` is set when it is answered, `over` when it ended or failed."""
        us = f'"{self.user}" <sip:{self.user}@{self.host}>;tag={random.randint(1, 10**9)}'
        them = f"<sip:{number}@{self.server[0]}>"
        dialog = Dialog(f"call-{random.random()}", us, them, f"sip:{number}@{self.server[0]}")
        self.calls.append(dialog)
        self._do(self._invite(dialog))
        return dialog

    async def _invite(self, dialog: Dialog) -> None:
        answer = await self._request(
            "INVITE",
            dialog.target,
            dialog.ours,
            dialog.theirs,
            dialog.call_id,
            dialog.cseq,
            f"Contact: <{self.address}>\r\n",
            self._sdp("sendrecv"),
            timeout=120,
        )
        dialog.status = _status(answer)
        dialog.theirs = _header(answer, "To")
        if dialog.status < 300:
            dialog.target = _uri(_header(answer, "Contact")) or dialog.target
            self._ack(dialog)
            dialog.up.set()
            self._do(self._silence(dialog, answer))
        else:
            self._ack(dialog)
            dialog.over.set()

    async def reinvite(self, dialog: Dialog, direction: str) -> str:
        """Hold (`sendonly`) or resume (`sendrecv`)."""
        dialog.cseq += 1
        answer = await self._request(
            "INVITE",
            dialog.target,
            dialog.ours,
            dialog.theirs,
            dialog.call_id,
            dialog.cseq,
            f"Contact: <{self.address}>\r\n",
            self._sdp(direction),
        )
        self._ack(dialog)
        return answer

    async def hangup(self, dialog: Dialog) -> None:
        dialog.cseq += 1
        dialog.over.set()
        await self._request(
            "BYE", dialog.target, dialog.ours, dialog.theirs, dialog.call_id, dialog.cseq
        )

    def answer(self, dialog: Dialog) -> None:
        """Pick up a call that rings."""
        self._respond(
            dialog.invite, "200 OK", dialog, f"Contact: <{self.address}>\r\n", self._sdp("sendrecv")
        )
        dialog.up.set()
        self._do(self._silence(dialog, dialog.invite))

    # --- the wire

    async def _request(
        self,
        method: str,
        uri: str,
        ours: str,
        theirs: str,
        call_id: str,
        cseq: int,
        more: str = "",
        body: str = "",
        timeout: float = 10,
    ) -> str:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting[(call_id, cseq)] = future
        self._write(method, uri, ours, theirs, call_id, cseq, more, body)
        return await asyncio.wait_for(future, timeout)

    def _write(
        self,
        method: str,
        uri: str,
        ours: str,
        theirs: str,
        call_id: str,
        cseq: int,
        more: str = "",
        body: str = "",
    ) -> None:
        content = "Content-Type: application/sdp\r\n" if body else ""
        self.transport.sendto(
            f"{method} {uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self.host}:{self.port};"
            f"branch=z9hG4bK{random.randint(1, 10**12)}\r\n"
            f"From: {ours}\r\nTo: {theirs}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n"
            f"Max-Forwards: 70\r\n{more}{content}"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode(),
            self.server,
        )

    def _ack(self, dialog: Dialog) -> None:
        self._write("ACK", dialog.target, dialog.ours, dialog.theirs, dialog.call_id, dialog.cseq)

    def _sdp(self, direction: str) -> str:
        return (
            f"v=0\r\no=- 1 {random.randint(1, 10**6)} IN IP4 {self.host}\r\ns=-\r\n"
            f"c=IN IP4 {self.host}\r\nt=0 0\r\n"
            f"m=audio {self.sound.getsockname()[1]} RTP/AVP 0 101\r\n"
            "a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
            f"a={direction}\r\n"
        )

    def _respond(
        self, request: str, status: str, dialog: Dialog | None, more: str = "", body: str = ""
    ) -> None:
        vias = "".join(f"{line}\r\n" for line in request.split("\r\n") if line.startswith("Via:"))
        to = dialog.ours if dialog else _header(request, "To")
        content = "Content-Type: application/sdp\r\n" if body else ""
        self.transport.sendto(
            f"SIP/2.0 {status}\r\n{vias}From: {_header(request, 'From')}\r\nTo: {to}\r\n"
            f"Call-ID: {_header(request, 'Call-ID')}\r\nCSeq: {_header(request, 'CSeq')}\r\n"
            f"{more}{content}Content-Length: {len(body)}\r\n\r\n{body}".encode(),
            self.server,
        )

    def datagram_received(self, data: bytes, _: object) -> None:
        text = data.decode()
        if text.startswith("SIP/2.0"):
            key = (_header(text, "Call-ID"), int(_header(text, "CSeq").split()[0]))
            future = self._waiting.pop(key, None) if _status(text) >= 200 else None
            if future and not future.done():
                future.set_result(text)
            return
        self._serve(text, text.partition(" ")[0])

    def _serve(self, text: str, method: str) -> None:
        call_id = _header(text, "Call-ID")
        dialog = next((call for call in self.calls if call.call_id == call_id), None)
        if method == "INVITE" and dialog is None:
            self._ring(text, call_id)
        elif method == "INVITE":
            more = f"Contact: <{self.address}>\r\n"
            self._respond(text, "200 OK", dialog, more, self._sdp("sendrecv"))
        elif method == "BYE" and dialog:
            self._respond(text, "200 OK", dialog)
            dialog.over.set()
        elif method == "CANCEL" and dialog:
            self._respond(text, "200 OK", dialog)
            self._respond(dialog.invite, "487 Request Terminated", dialog)
            dialog.over.set()
        elif method != "ACK":
            self._respond(text, "200 OK", dialog)

    def _ring(self, text: str, call_id: str) -> None:
        ours = f"{_header(text, 'To')};tag={random.randint(1, 10**9)}"
        target = _uri(_header(text, "Contact"))
        dialog = Dialog(call_id, ours, _header(text, "From"), target, cseq=100, invite=text)
        self.calls.append(dialog)
        if self.behaviour == BUSY:
            self._respond(text, "486 Busy Here", dialog)
            dialog.over.set()
            return
        self._respond(text, "180 Ringing", dialog)
        dialog.ringing.set()
        if self.behaviour == ANSWER:
            asyncio.get_running_loop().call_later(0.1, self.answer, dialog)


def _header(text: str, name: str) -> str:
    found = re.search(rf"^{name}:\s*(.*?)\r?$", text, re.M | re.I)
    return found[1] if found else ""


def _status(text: str) -> int:
    return int(text.split()[1])


def _uri(value: str) -> str:
    found = re.search(r"<([^>]+)>", value)
    return found[1] if found else value
