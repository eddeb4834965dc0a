"""The Manager connection that panoramisk uses in place of its own `AMIProtocol`.

panoramisk connects, reconnects and pings; bytes, answers and deadlines are here. What that mends
(each has a test): letters cut in two by a read, answers that never resolve, empty last headers,
`save_stream`, line breaks in values, and actions sent a second time after a reconnect - an action
that was not answered when the connection broke fails, its outcome unknown, and is never repeated.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from cti.ami.actions import Action
from cti.ami.framing import Framer, Headers, Message, encode
from ivr.errors import ActionNotSent, ActionRefused, BadAmi, LineLost

log = logging.getLogger(__name__)
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Reply:
    """Asterisk's answer, and the events of the list it announced (empty for plain answers)."""

    response: Message
    items: tuple[Message, ...] = ()

    @property
    def message(self) -> str:
        return self.response.get("Message")

    def get(self, name: str) -> str:
        return self.response.get(name)


@dataclass(slots=True)
class Pending:
    """An action on its way. `response` is set once a list has begun."""

    id: str
    action: str
    empty: str
    future: asyncio.Future[Reply]
    response: Message | None = None
    items: list[Message] = field(default_factory=list)

    def take(self, message: Message) -> bool:
        """Take a message that carries our id; False when it is not part of the answer."""
        if self.response is None:
            if message.name:
                return False  # OriginateResponse and UserEvent carry the id of what caused them
            self._answer(message)
        elif message.get("EventList").lower() == "complete":
            self._done(Reply(self.response, tuple(self.items)))
        elif message.get("EventList").lower() == "cancelled":
            self.fail(ActionRefused(f"{self.action}: Asterisk called the list off."))
        elif message.name:
            self.items.append(message)
        return True

    def _answer(self, message: Message) -> None:
        said = message.get("Message")
        if message.get("Response").lower() not in ("success", "goodbye"):
            if self.empty and said.startswith(self.empty):
                self._done(Reply(message))
            else:
                said = " ".join((said, *message.all("Output"))).strip()
                self.fail(ActionRefused(f"{self.action}: Asterisk said: {said or 'no'}"))
        elif message.get("EventList").lower() == "start":
            self.response = message
        else:
            self._done(Reply(message))

    def _done(self, reply: Reply) -> None:
        if not self.future.done():
            self.future.set_result(reply)

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)
            self.future.exception()  # nobody need be waiting any more


class SafeProtocol(asyncio.Protocol):
    """One connection. `on_event` gets every event that is not part of an answer, at once.

    The attributes in the second half are what panoramisk's Manager sets and reads.
    """

    def __init__(self, on_event: Callable[[Message], None]) -> None:
        self._on_event = on_event
        self._framer = Framer()
        self._pending: dict[str, Pending] = {}
        self._transport: asyncio.Transport | None = None
        self._ping: asyncio.Future[Reply] | None = None
        self.closed = True

        self.factory: Any = None
        self.queue: Any = None
        self.responses: Any = {}
        self.log: Any = log
        self.config: Any = None
        self.encoding = "utf-8"

    # --- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of none of asyncio's classes: no isinstance here
        self._transport = cast(asyncio.Transport, transport)
        self.closed = False

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._framer.feed(data)
        except BadAmi as error:
            log.error("Manager: %s", error)
            self.abort()
            return
        for message in messages:
            pending = self._pending.get(message.action_id) if self._pending else None
            if pending is not None and pending.take(message):
                if pending.future.done():
                    self._pending.pop(pending.id, None)
            elif message.name:
                self._on_event(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self._give_up(f"the connection broke ({exc or 'closed by Asterisk'})")
        told = self.closed
        self.closed = True
        if self.factory is not None and not told:
            self.factory.connection_lost(exc)

    def _give_up(self, why: str) -> None:
        pending, self._pending = self._pending, {}
        for action in pending.values():
            action.fail(LineLost(f"{action.action}: {why} before the answer; outcome unknown."))

    # --- actions

    @property
    def version(self) -> str:
        return self._framer.version

    def request(self, action: Action) -> Pending:
        """Send now. The caller sees to the deadline, and to `forget` when it passes.

        Raises `BadInput` for values that must not be sent and `ActionNotSent` with no connection.
        """
        return self._write(action.name, action.headers(), action.empty)

    def forget(self, pending: Pending) -> None:
        self._pending.pop(pending.id, None)

    def _write(self, name: str, headers: Headers, empty: str = "") -> Pending:
        number = f"santral-{next(_numbers)}"
        data = encode((("Action", name), ("ActionID", number), *headers))
        if self.closed or self._transport is None or self._transport.is_closing():
            raise ActionNotSent(f"{name}: there is no connection to the Manager; nothing was sent.")
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        pending = self._pending[number] = Pending(number, name, empty, future)
        self._transport.write(data)
        return pending

    # --- what panoramisk's Manager calls

    def send(self, data: Mapping[str, str], as_list: bool | None = None) -> asyncio.Future[Reply]:
        """panoramisk's ping, and nothing else. A ping without an answer ends the connection."""
        del as_list
        if self._ping is not None and not self._ping.done():
            log.warning("Manager: no answer to a ping; the connection is dropped.")
            self.abort()
            return self._ping
        try:
            self._ping = self._write(data["Action"], ()).future
        except ActionNotSent as error:
            self._ping = asyncio.get_running_loop().create_future()
            self._ping.set_exception(error)
            self._ping.exception()
        return self._ping

    def abort(self) -> None:
        """Drop the connection as if it had broken; panoramisk then reconnects."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """End the connection on purpose; nobody reconnects."""
        self._give_up("the connection was closed")
        self.closed = True
        if self._transport is not None:
            self._transport.close()
