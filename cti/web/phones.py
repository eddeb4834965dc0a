"""The phone in the page: whose tab has it, and the way from there to Asterisk.

An agent has one phone, and two tabs would take it from each other for ever: so one tab has it, and
the server sees to that.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import ClientError, ClientSession, ClientWebSocketResponse, WSMsgType, web
from pydantic import Field

from cti.bus import Bus
from cti.floor import agent_topic
from cti.web.auth import principal, require
from cti.web.errors import Refused
from cti.web.json import Body, body, done, reply
from cti.web.session import same_origin
from cti.web.site import Site, site
from cti.web.streams import RESTART

log = logging.getLogger(__name__)
TAKEN: Final = 4001
SIGNED_OUT: Final = 4002
AWAY: Final = 4003
CONNECT_TIMEOUT: Final = 3.0
LARGEST: Final = 64 * 1024
REALM: Final = "santral"


@dataclass(slots=True)
class _Owner:
    tab: str
    close: Callable[[int], None] | None = None


class PhoneTabs:
    """Which tab has each agent's phone."""

    def __init__(self, bus: Bus, url: str, session: ClientSession) -> None:
        self._bus = bus
        self.url, self.session = url, session
        self._owners: dict[str, _Owner] = {}

    def tab(self, login: str) -> str:
        owner = self._owners.get(login)
        return owner.tab if owner else ""

    def take(self, login: str, interface: str, tab: str) -> None:
        """From now on this tab has it; the one before is cut off."""
        before = self._owners.get(login)
        # Anew for the same tab, too: the end of its old connection must not end the new one's
        self._owners[login] = _Owner(tab)
        if before is not None and before.close is not None:
            before.close(TAKEN)
        if before is None or before.tab != tab:
            self._tell(login, interface, tab)

    def connected(self, login: str, tab: str, close: Callable[[int], None]) -> bool:
        """A tab's WebSocket; False when the phone is another tab's."""
        owner = self._owners.get(login)
        if owner is None or owner.tab != tab:
            return False
        if owner.close is not None:
            owner.close(TAKEN)  # the same tab again: its old connection is of no use any more
        owner.close = close
        return True

    def gone(self, login: str, interface: str, tab: str, close: Callable[[int], None]) -> None:
        """That WebSocket is closed; whoever wants it may take the phone."""
        owner = self._owners.get(login)
        if owner is not None and owner.tab == tab and owner.close == close:
            del self._owners[login]
            self._tell(login, interface, "")

    def give_back(self, login: str, interface: str, tab: str) -> None:
        owner = self._owners.get(login)
        if owner is not None and owner.tab == tab:
            del self._owners[login]
            if owner.close is not None:
                owner.close(TAKEN)
            self._tell(login, interface, "")

    def _tell(self, login: str, interface: str, tab: str) -> None:
        self._bus.publish(agent_topic(interface), "phone", login, {"tab": tab})


class Tab(Body):
    tab: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")


@require("desk")
async def take(request: web.Request) -> web.StreamResponse:
    """The credentials of one's own phone, for the tab that has it from now on."""
    here, given = site(request), await body(request, Tab)
    login, extension, interface, title = _own_phone(request)
    if not here.phones.url:
        raise Refused(409, "conflict", "This server has no phone in the page.")
    here.phones.take(login, interface, given.tab)
    return reply(
        {
            "uri": f"sip:{extension}@{REALM}", "user": extension,
            "password": here.roster.password(extension), "display": title,
            "path": f"/sip?tab={given.tab}",
        }
    )  # fmt: skip


@require("desk")
async def give_back(request: web.Request) -> web.StreamResponse:
    here, given = site(request), await body(request, Tab)
    login, _, interface, _ = _own_phone(request)
    here.phones.give_back(login, interface, given.tab)
    return done()


def _own_phone(request: web.Request) -> tuple[str, str, str, str]:
    who = principal(request)
    user = site(request).roster.user(who.login)
    if who.kind != "session" or user is None or user.desk is None or not user.active:
        raise Refused(409, "conflict", "You have no desk.")
    if user.desk.phone != "web":
        raise Refused(409, "conflict", "Your phone is a telephone on the desk.")
    return who.login, user.desk.extension, f"PJSIP/{user.desk.extension}", user.name


@require("desk")
async def proxy(request: web.Request) -> web.StreamResponse:
    """The page's SIP, to Asterisk and back, as it is."""
    here, who = site(request), principal(request)
    same_origin(request)
    login, _, interface, _ = _own_phone(request)
    tab = request.query.get("tab", "")
    page = web.WebSocketResponse(protocols=("sip",), heartbeat=20.0, max_msg_size=LARGEST)
    await page.prepare(request)
    line = _Line(page)
    if not here.phones.connected(login, tab, line.close):
        await page.close(code=TAKEN)
        return page
    forget = here.streams.add(
        who.id, lambda why: line.close(AWAY if why == RESTART else SIGNED_OUT)
    )
    try:
        await _join(here, line)
    finally:
        forget()
        here.phones.gone(login, interface, tab, line.close)
        await line.finish()
    return page


@dataclass(slots=True)
class _Line:
    """A page's WebSocket, and why it is to be closed."""

    page: web.WebSocketResponse
    code: int = 1000
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def close(self, code: int) -> None:
        self.code = code
        self.ended.set()

    async def finish(self) -> None:
        if not self.page.closed:
            with contextlib.suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(5.0):
                    await self.page.close(code=self.code)


async def _join(here: Site, line: _Line) -> None:
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            asterisk = await here.phones.session.ws_connect(
                here.phones.url, protocols=("sip",), max_msg_size=LARGEST, autoping=True
            )
    except (ClientError, OSError, TimeoutError) as error:
        log.warning("Asterisk's WebSocket is not there: %s", type(error).__name__)
        line.close(AWAY)
        return
    try:
        tasks = [
            asyncio.ensure_future(work)
            for work in (_pass(line.page, asterisk), _pass(asterisk, line.page), line.ended.wait())
        ]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[1].done() and not line.ended.is_set():
            line.code = AWAY
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        await asterisk.close()


async def _pass(
    source: web.WebSocketResponse | ClientWebSocketResponse,
    target: web.WebSocketResponse | ClientWebSocketResponse,
) -> Any:
    async for message in source:
        if message.type == WSMsgType.TEXT:
            await target.send_str(message.data)
        elif message.type == WSMsgType.BINARY:
            await target.send_bytes(message.data)


ROUTES: Final = (
    web.post("/api/phone", take),
    web.delete("/api/phone", give_back),
    web.get("/sip", proxy),
)
