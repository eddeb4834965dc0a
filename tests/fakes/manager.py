"""A fake Asterisk Manager: it speaks the bytes of Asterisk 22 on a real socket.

Queues, channels and contacts are what the test puts there; queue actions change them as Asterisk
would. With `takes_all` it has every channel it is asked about. The manners can be bad on request: bytes in pieces, no answer, a cut connection.
`tests/cti/ami/test_fake_manager.py` checks it with pyst2 and against captures of the real one.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

VERSION = "11.0.0"
Action = dict[str, str]
TAKEN = {
    "Hangup",
    "BlindTransfer",
    "Atxfer",
    "CancelAtxfer",
    "PlayDTMF",
    "MixMonitorMute",
    "Setvar",
}


def event(name: str, *headers: tuple[str, object]) -> str:
    """An event as Asterisk writes it."""
    lines = "".join(f"{header}: {value}\r\n" for header, value in headers)
    return f"Event: {name}\r\nPrivilege: agent,all\r\n{lines}\r\n"


@dataclass
class Member:
    interface: str
    name: str
    penalty: int = 0
    paused: bool = False
    reason: str = ""
    status: int = 1
    last_call: int = 0
    last_pause: int = 0
    login: int = 0

    def headers(self, queue: str, *, listed: bool) -> list[tuple[str, object]]:
        names = ("Name", "Location") if listed else ("MemberName", "Interface")
        more = [] if listed else [("Ringinuse", 0)]
        return [
            ("Queue", queue),
            (names[0], self.name),
            (names[1], self.interface),
            ("StateInterface", self.interface),
            ("Membership", "dynamic"),
            ("Penalty", self.penalty),
            ("CallsTaken", 0),
            ("LastCall", self.last_call),
            ("LastPause", self.last_pause),
            ("LoginTime", self.login),
            ("InCall", 0),
            ("Status", self.status),
            ("Paused", int(self.paused)),
            ("PausedReason", self.reason),
            *more,
            ("Wrapuptime", 0),
        ]


@dataclass
class FakeManager:
    """`received` holds every action in order; `deaf` names actions that get no answer."""

    user: str = "santral"
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(8))
    port: int = 0
    booted: bool = True
    queues: dict[str, dict[str, Member]] = field(default_factory=lambda: {"destek": {}})
    channels: list[str] = field(default_factory=list)
    contacts: list[str] = field(default_factory=list)
    received: list[Action] = field(default_factory=list)
    deaf: set[str] = field(default_factory=set)
    refuse: dict[str, str] = field(default_factory=dict)
    extensions: set[str] = field(default_factory=set)
    context_of: dict[str, str] = field(default_factory=dict)
    """In which context an extension stands, when not in the one that is asked."""
    takes_all: bool = False
    piece: int = 0
    before_list_end: Callable[[Action], str] | None = None
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    connections: int = 0
    _server: asyncio.Server | None = None
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    # --- what a test does

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """As when Asterisk dies: the port is closed and every connection breaks."""
        assert self._server
        self._server.close()
        self.drop()
        await self._server.wait_closed()

    def drop(self) -> None:
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()

    def say(self, text: str | bytes) -> None:
        """Send bytes to everyone, whatever they are."""
        data = text.encode() if isinstance(text, str) else text
        for writer in self.writers:
            self._write(writer, data)

    def actions(self, name: str) -> list[Action]:
        return [action for action in self.received if action["Action"] == name]

    async def got(self, name: str, count: int = 1) -> list[Action]:
        """Wait until `count` actions of a name were received."""
        async with asyncio.timeout(5), self._news:
            await self._news.wait_for(lambda: len(self.actions(name)) >= count)
        return self.actions(name)

    # --- the wire

    def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)

    async def _send(self, writer: asyncio.StreamWriter, text: str) -> None:
        data = text.encode()
        step = self.piece or len(data) or 1
        for start in range(0, len(data), step):
            writer.write(data[start : start + step])
            await writer.drain()
            if self.piece:
                await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        session = _Session()
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._send(writer, f"Asterisk Call Manager/{VERSION}\r\n")
            while not session.over:
                text = (await reader.readuntil(b"\r\n\r\n")).decode()
                action: Action = {}
                for line in text.strip().split("\r\n"):
                    name, _, value = line.partition(":")
                    action.setdefault(name, value.strip())
                action["_raw"] = text
                async with self._news:
                    self.received.append(action)
                    self._news.notify_all()
                if action.get("Action") not in self.deaf:
                    await self._send(writer, self._answer(session, action, writer))
            writer.close()

    def _answer(self, session: _Session, action: Action, writer: asyncio.StreamWriter) -> str:
        name = action.get("Action", "")
        said = self.refuse.get(name)
        if said is not None:
            return _reply(action, "Error", said)
        if not session.known:
            return self._log_in(session, action, writer)
        do = getattr(self, f"_do_{name.lower()}", None)
        if self.takes_all and name in TAKEN:
            return _reply(action, "Success", "")
        if do is None:
            return _reply(
                action,
                "Error",
                f"Invalid/unknown command: {name}. "
                "Use Action: ListCommands to show available commands.",
            )
        if name == "Logoff":
            session.over = True
        return str(do(action))

    def _log_in(self, session: _Session, action: Action, writer: asyncio.StreamWriter) -> str:
        name = action.get("Action", "").lower()
        if name == "challenge":
            session.challenge = str(secrets.randbelow(10**9))
            return _reply(action, "Success", "", f"Challenge: {session.challenge}\r\n")
        key = hashlib.md5((session.challenge + self.secret).encode()).hexdigest()
        good = action.get("Secret") == self.secret or (
            bool(session.challenge) and action.get("Key") == key
        )
        if name != "login":
            return _reply(action, "Error", "Permission denied")
        if action.get("Username") != self.user or not good:
            session.over = True
            return _reply(action, "Error", "Authentication failed")
        session.known = True
        self.writers.append(writer)
        booted = event("FullyBooted", ("Status", "Fully Booted"), ("Uptime", 1), ("LastReload", 1))
        return _reply(action, "Success", "Authentication accepted") + (
            booted if self.booted else ""
        )

    # --- actions

    def _do_ping(self, action: Action) -> str:
        stamp = f"Ping: Pong\r\nTimestamp: {time.time():.6f}\r\n"
        return _reply(action, "Success", "", stamp)

    def _do_logoff(self, action: Action) -> str:
        return _reply(action, "Goodbye", "Thanks for all the fish.")

    def _do_command(self, action: Action) -> str:
        words = action["Command"]
        help_ = "(type 'core show help nonsense' for other possible commands)"
        return _reply(
            action,
            "Error",
            "Command output follows",
            f"Output: No such command '{words}' {help_}\r\n".replace("nonsense'", f"{words}'"),
        )

    def _do_filter(self, action: Action) -> str:
        return _reply(action, "Success", "Success")

    def _do_originate(self, action: Action) -> str:
        return _reply(action, "Success", "Originate successfully queued")

    def _do_hangup(self, action: Action) -> str:
        return _reply(action, "Error", "No such channel")

    def _do_setvar(self, action: Action) -> str:
        return _reply(action, "Success", "Variable Set")

    def _do_queuereload(self, action: Action) -> str:
        return _reply(action, "Success", "Queue reloaded successfully")

    def _do_queueadd(self, action: Action) -> str:
        members = self.queues.get(action["Queue"])
        interface = action["Interface"]
        if members is None:
            return _reply(action, "Error", "Unable to add interface to queue: No such queue")
        if interface in members:
            return _reply(action, "Error", "Unable to add interface: Already there")
        member = members[interface] = Member(
            interface,
            action.get("MemberName", interface),
            int(action.get("Penalty") or 0),
            action.get("Paused") == "true",
            action.get("Reason", ""),
            login=int(time.time()),
        )
        return _reply(action, "Success", "Added interface to queue") + event(
            "QueueMemberAdded", *member.headers(action["Queue"], listed=False)
        )

    def _do_queueremove(self, action: Action) -> str:
        member = self.queues.get(action["Queue"], {}).pop(action["Interface"], None)
        if member is None:
            return _reply(action, "Error", "Unable to remove interface: Not there")
        return _reply(action, "Success", "Removed interface from queue") + event(
            "QueueMemberRemoved", *member.headers(action["Queue"], listed=False)
        )

    def _do_queuepause(self, action: Action) -> str:
        paused = action["Paused"] == "true"
        found = ""
        for queue, members in self.queues.items():
            member = members.get(action["Interface"])
            if member and action.get("Queue") in (None, queue):
                member.paused, member.reason = paused, action.get("Reason", "") if paused else ""
                member.last_pause = int(time.time()) if paused else member.last_pause
                found += event("QueueMemberPause", *member.headers(queue, listed=False))
        if not found:
            return _reply(action, "Error", "Interface not found")
        word = "paused" if paused else "unpaused"
        return _reply(action, "Success", f"Interface {word} successfully") + found

    def _do_queuepenalty(self, action: Action) -> str:
        found = ""
        for queue, members in self.queues.items():
            member = members.get(action["Interface"])
            if member and action.get("Queue") in (None, queue):
                member.penalty = int(action["Penalty"])
                found += event("QueueMemberPenalty", *member.headers(queue, listed=False))
        if not found:
            return _reply(action, "Error", "Invalid interface")
        return _reply(action, "Success", "Interface penalty set successfully") + found

    def _do_queuestatus(self, action: Action) -> str:
        items = []
        for queue, members in self.queues.items():
            items.append(_params(queue))
            items += [
                event("QueueMember", *member.headers(queue, listed=True))
                for member in members.values()
            ]
        return self._list(action, "Queue status will follow", "QueueStatusComplete", items)

    def _do_coreshowchannels(self, action: Action) -> str:
        return self._list(action, "Channels will follow", "CoreShowChannelsComplete", self.channels)

    def _do_pjsipshowcontacts(self, action: Action) -> str:
        if not self.contacts:
            return _reply(action, "Error", "No Contacts found\n")
        said = "A listing of Contacts follows, presented as ContactList events"
        items = [
            event("ContactList", ("ObjectName", f"{name};@1"), ("Endpoint", name),
                  ("Uri", f"sip:{name}@127.0.0.1"), ("Status", "NonQualified"))
            for name in self.contacts
        ]  # fmt: skip
        return self._list(action, said, "ContactListComplete", items)

    def _do_showdialplan(self, action: Action) -> str:
        exten, context = action["Extension"], action["Context"]
        if exten not in self.extensions:
            return _reply(action, "Error", f"Did not find extension {exten}@{context}")
        context = self.context_of.get(exten, context)
        item = event("ListDialplan", ("Context", context), ("Extension", exten), ("Priority", 1))
        return self._list(action, "DialPlan list will follow", "ShowDialPlanComplete", [item])

    def _do_devicestatelist(self, action: Action) -> str:
        items = [
            event("DeviceStateChange", ("Device", f"PJSIP/{name}"), ("State", "NOT_INUSE"))
            for name in self.contacts
        ]
        said = "Device State Changes will follow"
        return self._list(action, said, "DeviceStateListComplete", items)

    def _list(self, action: Action, said: str, end: str, items: Iterable[str]) -> str:
        number = _number(action)
        listed = [
            re.sub(r"Privilege: .*\r\n", "", item).removesuffix("\r\n") + f"{number}\r\n"
            for item in items
        ]
        meanwhile = self.before_list_end(action) if self.before_list_end else ""
        done = f"Event: {end}\r\n{number}EventList: Complete\r\nListItems: {len(listed)}\r\n\r\n"
        head = f"Response: Success\r\n{number}EventList: start\r\nMessage: {said}\r\n\r\n"
        return head + "".join(listed) + meanwhile + done


@dataclass
class _Session:
    known: bool = False
    over: bool = False
    challenge: str = ""


def _number(action: Action) -> str:
    return f"ActionID: {action['ActionID']}\r\n" if "ActionID" in action else ""


def _reply(action: Action, response: str, message: str, more: str = "") -> str:
    said = f"Message: {message}\r\n" if message else ""
    return f"Response: {response}\r\n{_number(action)}{said}{more}\r\n"


def _params(queue: str) -> str:
    return event(
        "QueueParams", ("Queue", queue), ("Max", 0), ("Strategy", "rrmemory"), ("Calls", 0),
        ("Holdtime", 0), ("TalkTime", 0), ("Completed", 0), ("Abandoned", 0), ("ServiceLevel", 0),
        ("ServicelevelPerf", "0.0"), ("ServicelevelPerf2", "0.0"), ("Weight", 0),
    )  # fmt: skip


@asynccontextmanager
async def fake_manager(**settings: object) -> AsyncIterator[FakeManager]:
    manager = FakeManager(**settings)  # type: ignore[arg-type]
    await manager.start()
    try:
        yield manager
    finally:
        await manager.stop()
