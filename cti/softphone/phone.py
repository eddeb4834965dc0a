"""A telephone: one UDP socket, any number of calls in and out, registered where that is wanted."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from cti.softphone.call import Call
from cti.softphone.dialog import ALLOW
from cti.softphone.digest import Credentials
from cti.softphone.incoming import IncomingCall
from cti.softphone.media import Pump
from cti.softphone.outgoing import OutgoingCall
from cti.softphone.sip import Headers, Request, parameters
from cti.softphone.transactions import Address, ServerTransaction, Times
from cti.softphone.useragent import UserAgent
from cti.softphone.wire import Trace, Wire
from ivr.errors import CallOver, NotInTime, NotRegistered

OnCall = Callable[[IncomingCall], Awaitable[None]]
"""What a phone does with a call that comes in; callees.py has ready ones."""

_GOODBYE = 3.0  # seconds for hanging up and taking back the registration when the phone closes


class Phone:
    """Use it as `async with Phone(...) as phone`. Everything is on loopback unless said otherwise.

    `user` is our name in From and Contact, and with `password` the one we answer challenges with.
    `register` registers at `server` while the phone is open. `on_call` handles calls that come in;
    without it they get 480. `codecs` are PCMU and PCMA, best first. `times` and `trace` are for
    tests. On leaving, calls are hung up, the registration is taken back, and what an `on_call`
    raised (but CallOver) is raised as an ExceptionGroup.

    Entering raises OSError when the port is taken and NotRegistered when the server refuses us.
    """

    def __init__(
        self,
        user: str = "softphone",
        *,
        server: Address | None = None,
        password: str | None = None,
        register: bool = False,
        on_call: OnCall | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        codecs: Sequence[str] = ("PCMU", "PCMA"),
        expires: int = 300,
        times: Times | None = None,
        trace: Trace | None = None,
    ) -> None:
        self._bind = host, port
        self._wire = Wire(self._requested, self._acknowledged, times or Times(), trace)
        credentials = Credentials(user, password) if password is not None else None
        self._tasks: set[asyncio.Task[None]] = set()
        self.pump = Pump()
        self._ua = UserAgent(
            self._wire, self.pump, user, host, server, credentials, codecs, self._background
        )
        self._register, self._expires = register, expires
        self._registration = f"{secrets.token_hex(12)}@{host}", secrets.token_hex(6)
        self._register_cseq = 0
        self.on_call = on_call
        self.calls: list[Call] = []
        self._by_dialog: dict[tuple[str, str], Call] = {}
        self._faults: list[Exception] = []
        self._came = asyncio.Event()
        self._given = 0

    @property
    def address(self) -> Address:
        """Where we take SIP."""
        return self._wire.address

    async def __aenter__(self) -> Self:
        await self._wire.open(*self._bind)
        if self._register:
            try:
                granted = await self.register()
            except BaseException:
                self._wire.close()
                raise
            self._background(self._stay_registered(granted))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.on_call = None
        try:
            open_calls = [call.hangup(_GOODBYE) for call in self.calls if not call.over]
            await asyncio.gather(*open_calls, return_exceptions=True)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if self._register:
                with suppress(NotRegistered):  # the server is gone: nothing can be told to it
                    await self.register(expires=0, timeout=_GOODBYE)
        finally:
            self._wire.close()
            self.pump.close()
        if self._faults and not error:
            raise ExceptionGroup("what this phone does with calls failed", self._faults)

    async def dial(
        self,
        target: str,
        *,
        ring_for: float = 30.0,
        wait: bool = True,
        quiet: bool = False,
        deaf: bool = False,
        caller: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> OutgoingCall:
        """Call a number at our server, or a `sip:` URI.

        With `wait` it returns when the call is answered or has failed (`call.answered_at`,
        `call.code`, `call.reason`); without an answer within `ring_for` seconds it is cancelled.
        Without `wait` it returns at once and the call goes on by itself. `quiet` sends no RTP but
        keys and what is played, `deaf` never looks at what is heard (calls that only load need
        neither); `caller` is who we say we are (an Asterisk
        that asks for passwords knows an account by it), `headers` go into the INVITE.
        """
        call = OutgoingCall(self._ua, target, caller or self._ua.user, headers or {})
        call.quiet = quiet
        if deaf:
            call.deafen()
        self._keep(call, call.tag)
        self._background(call.invite())
        if wait:
            try:
                await call.wait_for(lambda call: call.state in {"up", "over"}, ring_for)
            except NotInTime:
                await call.hangup()
        return call

    async def next_call(self, timeout: float = 10.0) -> IncomingCall:
        """The next call that came in, each one once. Raises NotInTime."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    came = [call for call in self.calls if isinstance(call, IncomingCall)]
                    if len(came) > self._given:
                        self._given += 1
                        return came[self._given - 1]
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError as error:
            raise NotInTime(f"No call came in within {timeout:g} s.") from error

    async def register(self, expires: int | None = None, timeout: float = 5.0) -> int:
        """Register our contact and return the seconds granted. Raises NotRegistered."""
        wanted = self._expires if expires is None else expires
        try:
            async with asyncio.timeout(timeout):
                _, response = await self._ua.ask(lambda: self._register_request(wanted))
        except TimeoutError:
            response = None
        if not response or response.code >= 300:
            why = f"{response.code} {response.reason}" if response else "no answer"
            raise NotRegistered(f"The server does not register {self._ua.user}: {why}")
        ours = [parameters(value) for value in response.all("contact") if self._uri in value]
        return int(ours[0].get("expires", wanted)) if ours else wanted

    @property
    def _uri(self) -> str:
        return self._ua.contact.strip("<>")

    def _register_request(self, expires: int) -> Request:
        host, port = self._ua.server or self._wire.address
        call_id, tag = self._registration
        self._register_cseq += 1
        headers = (
            ("Via", self._wire.via()),
            ("Max-Forwards", "70"),
            ("From", f"<sip:{self._ua.user}@{host}>;tag={tag}"),
            ("To", f"<sip:{self._ua.user}@{host}>"),
            ("Call-ID", call_id),
            ("CSeq", f"{self._register_cseq} REGISTER"),
            ("Contact", self._ua.contact),
            ("Expires", str(expires)),
        )
        return Request(headers, method="REGISTER", uri=f"sip:{host}:{port}")

    async def _stay_registered(self, granted: int) -> None:
        while True:
            await asyncio.sleep(max(1.0, granted * 0.8))
            with suppress(NotRegistered):  # asked again in a while; calls show what is wrong
                granted = await self.register()

    def _requested(self, asked: ServerTransaction) -> None:
        request = asked.request
        if request.method == "CANCEL":
            self._cancelled(asked)
        elif request.to_tag:
            call = self._by_dialog.get((request.call_id, request.to_tag))
            if call:
                call.receive(asked)
            else:
                asked.respond(request.reply(481))
        elif request.method == "INVITE":
            self._called(asked)
        else:
            code = 200 if request.method in {"OPTIONS", "NOTIFY"} else 405
            more: Headers = (("Allow", ALLOW), ("Accept", "application/sdp"))
            asked.respond(request.reply(code, tag=secrets.token_hex(6), more=more))

    def _called(self, asked: ServerTransaction) -> None:
        call = IncomingCall(self._ua, asked)
        self._keep(call, call.tag)
        self._came.set()
        if self.on_call:
            self._background(self._handle(self.on_call, call))
        else:
            call.refuse(480)

    async def _handle(self, on_call: OnCall, call: IncomingCall) -> None:
        try:
            await on_call(call)
        except CallOver:
            pass  # the caller hung up first: that is how calls go
        except Exception as fault:  # kept, and raised when the phone closes
            self._faults.append(fault)
        if not call.over:  # nobody is left to end it
            await call.hangup()

    def _cancelled(self, cancel: ServerTransaction) -> None:
        invite = self._wire.invite_of(cancel.request)
        call = next(
            (
                call
                for call in self.calls
                if isinstance(call, IncomingCall) and invite and call.invite is invite.request
            ),
            None,
        )
        cancel.respond(cancel.request.reply(200 if call else 481))
        if call:
            call.cancelled()

    def _acknowledged(self, ack: Request) -> None:
        call = self._by_dialog.get((ack.call_id, ack.to_tag))
        if call:
            call.acknowledged(ack)

    def forget(self) -> None:
        """Let go of the calls that are over and of what was heard in them; for phones that call for
        hours."""
        self.calls[:] = [call for call in self.calls if not call.over]
        self._by_dialog = {key: call for key, call in self._by_dialog.items() if not call.over}

    def _keep(self, call: Call, tag: str) -> None:
        self.calls.append(call)
        self._by_dialog[call.id, tag] = call

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        fault = None if task.cancelled() else task.exception()
        if isinstance(fault, Exception):
            self._faults.append(fault)
