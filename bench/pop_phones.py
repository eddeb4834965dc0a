"""Two hundred telephones in a process of their own: they register, ring, answer, and say nothing.

    python -m bench.pop_phones

The first line of standard input tells whom to register where (JSON); `ready` is said when all are.
Each rings for a moment and answers; with `talks` in that line it hangs up so many seconds later,
else it waits for the other side to. When standard input ends, every call that rang is told as JSON:
the account, and the call's id out of the INVITE's X-Santral-Call.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import sys
from typing import Any

import uvloop

from cti.softphone.digest import Challenge, Credentials
from cti.softphone.sip import Request, Response, parse, uri_in

RINGS: float = 0.3  # seconds
BYE_AGAIN = (0.5, 1.0, 2.0, 4.0, 4.0)  # seconds, while nobody answers it
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)


class Phones(asyncio.DatagramProtocol):
    def __init__(
        self, server: tuple[str, int], accounts: dict[str, str], talks: float | None = None
    ) -> None:
        self.server, self.accounts, self.talks = server, accounts, talks
        self.over: set[str] = set()  # calls that either side has ended
        self.registered: set[str] = set()
        self.all_there = asyncio.Event()
        self.rang: list[tuple[str, str]] = []
        self.seen: set[str] = set()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def register(self, user: str, header: tuple[str, str] | None = None, number: int = 1) -> None:
        domain = f"{self.server[0]}:{self.server[1]}"
        branch = f"z9hG4bK{secrets.token_hex(8)}"
        headers = [
            ("Via", f"SIP/2.0/UDP 127.0.0.1:{self.port};branch={branch};rport"),
            ("Max-Forwards", "70"), ("From", f"<sip:{user}@{domain}>;tag={user}"),
            ("To", f"<sip:{user}@{domain}>"), ("Call-ID", f"register-{user}"),
            ("CSeq", f"{number} REGISTER"),
            ("Contact", f"<sip:{user}@127.0.0.1:{self.port}>"), ("Expires", "3600"),
        ]  # fmt: skip
        if header is not None:
            headers.append(header)
        self.send(Request(tuple(headers), method="REGISTER", uri=f"sip:{domain}"))

    def send(self, message: Request | Response) -> None:
        self.transport.sendto(message.build(), self.server)

    def datagram_received(self, data: bytes, address: Any) -> None:
        message = parse(data)
        if isinstance(message, Response):
            self.answered(message)
        elif message.method == "INVITE":
            self.rings(message)
        elif message.method != "ACK":
            self.send(message.reply(200, tag="phone"))
            if message.method == "BYE":
                self.over.add(message.call_id)

    def answered(self, response: Response) -> None:
        if response.cseq[1] == "BYE":
            self.over.add(response.call_id)
            return
        user = uri_in(response.get("to")).partition(":")[2].partition("@")[0]
        number, _ = response.cseq
        if response.code == 401:
            challenge = Challenge.parse(response.get("www-authenticate"))
            assert challenge is not None
            uri = f"sip:{self.server[0]}:{self.server[1]}"
            header = Credentials(user, self.accounts[user]).answer(
                challenge, "REGISTER", uri, count=1, cnonce=secrets.token_hex(8)
            )
            self.register(user, header, number + 1)
        elif response.code == 200:
            self.registered.add(user)
            if len(self.registered) == len(self.accounts):
                self.all_there.set()

    def rings(self, invite: Request) -> None:
        if invite.to_tag or invite.call_id in self.seen:
            return  # sent again, or within a call
        self.seen.add(invite.call_id)
        user = invite.uri.partition(":")[2].partition("@")[0]
        self.rang.append((user, invite.get("x-santral-call")))
        self.send(invite.reply(180, tag="phone"))
        asyncio.get_running_loop().call_later(RINGS, self.picks_up, invite, user)

    def picks_up(self, invite: Request, user: str) -> None:
        port = random.randrange(40_000, 60_000, 2)  # nobody listens there; nothing is said either
        more = (
            ("Contact", f"<sip:{user}@127.0.0.1:{self.port}>"),
            ("Content-Type", "application/sdp"),
        )
        body = SDP.format(port=port).encode()
        answer = invite.reply(200, tag="phone", more=more, body=body)
        self.send(answer)
        if self.talks is not None:
            branch = f"z9hG4bK{secrets.token_hex(8)}"
            bye = Request(
                (
                    ("Via", f"SIP/2.0/UDP 127.0.0.1:{self.port};branch={branch}"),
                    ("Max-Forwards", "70"), ("From", answer.get("to")), ("To", answer.get("from")),
                    ("Call-ID", invite.call_id), ("CSeq", "1 BYE"),
                ),
                method="BYE", uri=uri_in(invite.get("contact")),
            )  # fmt: skip
            asyncio.get_running_loop().call_later(self.talks, self.hangs_up, bye, BYE_AGAIN)

    def hangs_up(self, bye: Request, again: tuple[float, ...]) -> None:
        if bye.call_id in self.over:
            return
        self.send(bye)
        if again:
            asyncio.get_running_loop().call_later(again[0], self.hangs_up, bye, again[1:])


async def main() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    plan = json.loads(await reader.readline())
    _, phones = await loop.create_datagram_endpoint(
        lambda: Phones(tuple(plan["server"]), plan["accounts"], plan.get("talks")),
        local_addr=("127.0.0.1", 0),
    )
    for _ in range(20):  # a datagram may be lost, or the accounts not be there yet
        for user in phones.accounts.keys() - phones.registered:
            phones.register(user, number=random.randrange(1, 1_000_000))
            await asyncio.sleep(0.005)
        try:
            async with asyncio.timeout(2):
                await phones.all_there.wait()
            break
        except TimeoutError:
            continue
    print("ready" if phones.all_there.is_set() else "not registered", flush=True)
    await reader.read()
    print(json.dumps(phones.rang), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
