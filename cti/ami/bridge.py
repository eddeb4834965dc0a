"""The Manager connection that stays: typed events out, typed actions in, state read again after
every reconnect.

What is left of panoramisk here: `Manager` opens the connection, opens it again after a time when it
broke, and pings. Its protocol, messages, actions and event dispatch are not used (see
`protocol.py`), nor is its login: it does not tell why one was refused.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from panoramisk.manager import Manager
from pydantic import SecretStr

from cti.ami import actions, events
from cti.ami.actions import Action
from cti.ami.framing import Message
from cti.ami.protocol import Reply, SafeProtocol
from cti.ami.reading import typed
from ivr.errors import ActionNotSent, ActionRefused, ReplyOverdue, TelephonyFault

log = logging.getLogger(__name__)

CLASSES = "system,call,agent,user,dtmf"
BOOT_TIMEOUT = 60.0
CONNECT_TIMEOUT = 5.0
PING_EVERY = 10

E = TypeVar("E", bound=events.Event)
Sink = Callable[[events.Event], object]


@dataclass(frozen=True, slots=True)
class Account:
    """Where the Manager is and who we are there; as in manager.conf."""

    user: str
    secret: SecretStr
    host: str = "127.0.0.1"
    port: int = 5038


def delays(first: float = 0.1, most: float = 1.0) -> Iterator[float]:
    """Seconds to wait before each next try. Never long: a desk must be right within 2 s."""
    delay = first
    while True:
        yield delay * random.uniform(0.8, 1.2)  # noqa: S311 (spreads the load, guards nothing)
        delay = min(delay * 2, most)


class _Connector(Manager):  # type: ignore[misc]
    """panoramisk's Manager with backoff, a deadline for connecting, and an end."""

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self.waits = delays()
        self.ended = False

    def connect(self, *_: Any, **__: Any) -> Any:
        """Try once; panoramisk calls this again by itself after each failure and each loss."""
        if self.ended:
            return None
        self.reconnect_timeout = next(self.waits)
        task = asyncio.ensure_future(self._open())
        task.add_done_callback(self._opened)
        return task

    async def _open(self) -> tuple[asyncio.Transport, SafeProtocol]:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            loop = asyncio.get_running_loop()
            return await loop.create_connection(
                self.config["protocol_factory"], self.config["host"], self.config["port"]
            )

    def _opened(self, task: asyncio.Task[tuple[asyncio.Transport, SafeProtocol]]) -> None:
        if task.cancelled():
            return
        if self.ended:
            if task.exception() is None:
                task.result()[0].close()
            return
        self.connection_made(task)


class Bridge:
    """`async with Bridge(account, sink) as bridge: await bridge.ready(10)`.

    `sink` is called with every typed event as it arrives, in Asterisk's order, from the event loop;
    it must not block and not raise. A `Snapshot` comes first after every (re)connect and holds all
    that is so now; a `Disconnected` comes when the connection breaks.
    """

    def __init__(
        self,
        account: Account,
        sink: Sink,
        *,
        classes: str = CLASSES,
        unread: Sequence[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._account, self._sink = account, sink
        self._classes, self._unread, self._clock = classes, unread, clock
        self._manager: _Connector | None = None
        self._held: list[events.Event] | None = []
        self._booted = asyncio.Event()
        self._ready = asyncio.Event()
        self._opening: asyncio.Task[None] | None = None
        self._trouble: TelephonyFault | None = None
        self.reconnects = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        quiet = logging.getLogger(f"{__name__}.panoramisk")
        quiet.setLevel(logging.CRITICAL)  # it reports every try with a traceback; we tell it once
        self._manager = _Connector(
            loop=loop,
            host=self._account.host,
            port=self._account.port,
            protocol_factory=lambda: SafeProtocol(self._on_message),
            ping_delay=PING_EVERY,
            ping_interval=PING_EVERY,
            log=quiet,
            on_connect=self._on_connect,
            on_disconnect=self._on_disconnect,
        )
        self._manager.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._manager is not None
        self._manager.ended = True
        self._ready.clear()
        if self._opening is not None:
            self._opening.cancel()
        self._manager.close()

    @property
    def connected(self) -> bool:
        """The state was read and events are flowing."""
        return self._ready.is_set()

    async def ready(self, timeout: float) -> None:
        """Return when connected; raises why not when that takes longer than `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._ready.wait()
        except TimeoutError:
            where = f"{self._account.host}:{self._account.port}"
            why = f": {self._trouble}" if self._trouble else ""
            raise ActionNotSent(f"No Manager at {where} within {timeout:g} s{why}") from None

    async def send(self, action: Action, deadline: float | None = None) -> Reply:
        """Ask Asterisk for something, once.

        Raises `BadInput` (a value that must not be sent), `ActionNotSent` (nothing was done),
        `ActionRefused` (with Asterisk's words), `ReplyOverdue` and `LineLost` (the outcome is
        unknown: look at the events before doing it again).
        """
        if not self._ready.is_set():
            action.headers()
            raise ActionNotSent(f"{action.name}: there is no connection to the Manager.")
        return await self._request(action, deadline)

    async def _request(self, action: Action, deadline: float | None = None) -> Reply:
        assert self._manager is not None
        protocol = self._manager.protocol
        if protocol is None:
            raise ActionNotSent(f"{action.name}: there is no connection to the Manager.")
        seconds = action.deadline if deadline is None else deadline
        pending = protocol.request(action)
        try:
            async with asyncio.timeout(seconds):
                return await pending.future  # type: ignore[no-any-return]
        except TimeoutError:
            raise ReplyOverdue(
                f"{action.name}: Asterisk did not answer within {seconds:g} s; outcome unknown."
            ) from None
        finally:
            protocol.forget(pending)

    # --- the connection

    def _on_connect(self, _: Manager) -> None:
        self._held = []
        self._booted.clear()
        self._opening = asyncio.ensure_future(self._open())

    async def _open(self) -> None:
        """Log in, wait for the end of the boot, read everything; on trouble drop and try again."""
        assert self._manager is not None
        try:
            await self._log_in()
            async with asyncio.timeout(BOOT_TIMEOUT):
                await self._booted.wait()
            await self._leave_out()
            await self._read_state()
        except TimeoutError:
            self._failed(ReplyOverdue("Asterisk has not finished booting."))
        except TelephonyFault as error:
            self._failed(error)

    def _failed(self, error: TelephonyFault) -> None:
        assert self._manager is not None
        if str(error) != str(self._trouble):
            log.error("Manager: %s", error)
        self._trouble = error
        if self._manager.protocol is not None:
            self._manager.protocol.abort()

    async def _log_in(self) -> None:
        asked = await self._request(actions.Challenge())
        secret = self._account.secret.get_secret_value()
        key = hashlib.md5(
            (asked.get("Challenge") + secret).encode(), usedforsecurity=False
        ).hexdigest()
        await self._request(actions.Login(self._account.user, key, self._classes))

    async def _leave_out(self) -> None:
        """Have Asterisk not send what nobody reads; needs `system` in `write=`."""
        try:
            for name in self._unread:
                await self._request(actions.Filter(name))
        except ActionRefused as error:  # then it is left out here, which costs time and bytes
            log.info("Manager: %s", error)

    async def _read_state(self) -> None:
        """Events that arrive meanwhile are held and follow the Snapshot: none is lost, and those
        that the Snapshot knows already change nothing when they are applied again."""
        self._held = []
        now = self._clock()
        channels = await self._request(actions.CoreShowChannels())
        queues = await self._request(actions.QueueStatus())
        devices = await self._devices()
        read = [
            event
            for message in (*channels.items, *queues.items, *(devices or ()))
            if (event := typed(message, now)) is not None
        ]
        snapshot = events.Snapshot(
            now,
            channels=_those(read, events.CoreShowChannel),
            queues=_those(read, events.QueueParams),
            members=_those(read, events.QueueMember),
            waiting=_those(read, events.QueueEntry),
            devices=None if devices is None else _those(read, events.DeviceStateChange),
        )
        held, self._held = self._held, None
        self._connected()  # who gets the Snapshot may act on it at once
        for event in (snapshot, *held):
            self._sink(event)

    def _connected(self) -> None:
        assert self._manager is not None
        self._trouble = None
        self._manager.waits = delays()
        self._manager.reconnect_timeout = next(self._manager.waits)
        self._ready.set()

    async def _devices(self) -> tuple[Message, ...] | None:
        try:
            return (await self._request(actions.DeviceStateList())).items
        except ActionRefused as error:
            log.warning("Manager: %s", error)
            return None

    def _on_disconnect(self, _: Manager, why: Exception | None) -> None:
        if self._opening is not None:
            self._opening.cancel()
        was_ready = self._ready.is_set()
        self._ready.clear()
        self._held = []
        self.reconnects += 1
        if was_ready:
            log.warning("Manager: the connection broke (%s).", why or "closed by Asterisk")
            self._sink(events.Disconnected(self._clock(), str(why or "closed by Asterisk")))

    def _on_message(self, message: Message) -> None:
        event = typed(message, self._clock())
        if event is None:
            return
        if isinstance(event, events.FullyBooted):
            self._booted.set()
        if self._held is None:
            self._sink(event)
        else:
            self._held.append(event)


def _those(read: Sequence[events.Event], kind: type[E]) -> tuple[E, ...]:
    return tuple(event for event in read if type(event) is kind)
