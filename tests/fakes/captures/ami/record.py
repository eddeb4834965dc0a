"""Records the captures in this directory from a real Asterisk.

Run it with `python -m tests.fakes.captures.ami.record`.
Each scenario is one run of a fresh Asterisk (`tests/fakes/asterisk_lab.py`) with SIP phones that do
what people do. What Asterisk sent on the Manager connection is stored byte for byte, from its
greeting on, as NAME.ami; nothing we sent (the secret is among it) is stored.
Names given on the command line record only those scenarios.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from cti.asterisk import find_asterisk
from cti.settings import Settings
from tests.fakes.asterisk_lab import USER, Lab, lab
from tests.fakes.sip_phone import ANSWER, BUSY, RING, Dialog, SipPhone

HERE = Path(__file__).parent
MASK = "system,call,agent,user,dtmf"


class Wire:
    """A Manager connection that keeps every byte it got."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.got = b""
        self.news = asyncio.Event()
        self.task = asyncio.ensure_future(self._read())
        self._seen = 0

    @classmethod
    async def open(cls, asterisk: Lab, mask: str = MASK) -> Wire:
        wire = cls(*await asyncio.open_connection("127.0.0.1", asterisk.manager))
        await wire.act(Action="Login", Username=USER, Secret=asterisk.secret, Events=mask)
        await wire.until("Event: FullyBooted")
        return wire

    async def _read(self) -> None:
        while data := await self.reader.read(65536):
            self.got += data
            self.news.set()

    async def act(self, **headers: str) -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.writer.write(f"{lines}\r\n".encode())
        await self.writer.drain()

    async def until(self, pattern: str, timeout: float = 20) -> re.Match[str]:
        """Wait for something new that matches inside one message; give back the match."""
        async with asyncio.timeout(timeout):
            while True:
                text = self.got[self._seen :].decode(errors="replace")
                if found := re.search(pattern, text):
                    self._seen += len(text[: found.end()].encode())
                    return found
                self.news.clear()
                await self.news.wait()

    async def channel(self, name: str) -> str:
        """The full name of the newest channel of an endpoint."""
        found = re.findall(rf"\r\nChannel: (PJSIP/{name}-\w+)\r\n", self.got.decode())
        return str(found[-1])


class Floor:
    """What a scenario works with: Asterisk, the wire, a caller and two agents in queue `destek`."""

    def __init__(self, asterisk: Lab, wire: Wire) -> None:
        self.asterisk, self.wire = asterisk, wire
        self.phones: list[SipPhone] = []

    async def phone(self, user: str, behaviour: str = ANSWER, register: bool = True) -> SipPhone:
        phone = await SipPhone.open(user, ("127.0.0.1", self.asterisk.sip), behaviour)
        self.phones.append(phone)
        if register:
            await phone.register()
        return phone

    async def agent(self, user: str, behaviour: str = ANSWER, **more: str) -> SipPhone:
        phone = await self.phone(user, behaviour)
        names = {"ayse": "Ayşe", "bora": "Bora"}
        interface = f"PJSIP/{user}"
        await self.wire.act(
            Action="QueueAdd", ActionID=f"add-{user}", Queue="destek", Interface=interface,
            MemberName=names[user], **more,
        )  # fmt: skip
        await self.wire.until("Event: QueueMemberAdded")
        return phone

    async def talk(self) -> tuple[SipPhone, SipPhone, Dialog]:
        """A caller who talks to Ayşe."""
        ayse = await self.agent("ayse")
        caller = await self.phone("musteri", register=False)
        dialog = await caller.call("850")
        await self.wire.until("Event: AgentConnect")
        await asyncio.sleep(0.5)
        return ayse, caller, dialog


async def answered(floor: Floor) -> None:
    _, caller, dialog = await floor.talk()
    await caller.hangup(dialog)
    await floor.wire.until("Event: AgentComplete")
    await asyncio.sleep(1.5)


async def abandoned(floor: Floor) -> None:
    await floor.agent("ayse", RING)
    caller = await floor.phone("musteri", register=False)
    dialog = await caller.call("850")
    await floor.wire.until("Event: AgentCalled")
    await asyncio.sleep(1)
    await caller.hangup(dialog)
    await floor.wire.until("Event: QueueCallerAbandon")
    await asyncio.sleep(1)


async def no_answer(floor: Floor) -> None:
    """Ayşe lets it ring, then Bora answers."""
    await floor.agent("ayse", RING)
    caller = await floor.phone("musteri", register=False)
    dialog = await caller.call("850")
    await floor.wire.until("Event: AgentCalled")
    await floor.agent("bora", Penalty="0")
    await floor.wire.until("Event: AgentRingNoAnswer")
    await floor.wire.until("Event: AgentConnect")
    await asyncio.sleep(0.5)
    await caller.hangup(dialog)
    await floor.wire.until("Event: AgentComplete")
    await asyncio.sleep(1)


async def blind_transfer(floor: Floor) -> None:
    """Ayşe sends her caller on to Bora's extension."""
    await floor.phone("bora")
    _, caller, dialog = await floor.talk()
    channel = await floor.wire.channel("ayse")
    await floor.wire.act(
        Action="BlindTransfer", ActionID="blind", Channel=channel, Exten="102", Context="xfer"
    )
    await floor.wire.until("Event: DialEnd")
    await asyncio.sleep(1)
    await caller.hangup(dialog)
    await asyncio.sleep(1)


async def attended_transfer(floor: Floor) -> None:
    """Ayşe asks Bora first, then hangs up: the caller is with Bora."""
    await floor.phone("bora")
    ayse, caller, dialog = await floor.talk()
    channel = await floor.wire.channel("ayse")
    await floor.wire.act(
        Action="Atxfer", ActionID="ask", Channel=channel, Exten="102", Context="xfer"
    )
    await floor.wire.until("Event: DialEnd")
    await asyncio.sleep(1.5)
    await ayse.hangup(ayse.calls[-1])
    await floor.wire.until("Event: AttendedTransfer")
    await asyncio.sleep(1)
    await caller.hangup(dialog)
    await asyncio.sleep(1)


async def transfer_called_off(floor: Floor) -> None:
    await floor.phone("bora", RING)
    _, caller, dialog = await floor.talk()
    channel = await floor.wire.channel("ayse")
    await floor.wire.act(
        Action="Atxfer", ActionID="ask", Channel=channel, Exten="102", Context="xfer"
    )
    await floor.wire.until("DialStatus: RINGING")
    await asyncio.sleep(0.5)
    await floor.wire.act(Action="CancelAtxfer", ActionID="back", Channel=channel)
    await asyncio.sleep(2)
    await caller.hangup(dialog)
    await asyncio.sleep(1)


async def hold(floor: Floor) -> None:
    ayse, caller, dialog = await floor.talk()
    await ayse.reinvite(ayse.calls[-1], "sendonly")
    await floor.wire.until("Event: Hold")
    await asyncio.sleep(0.5)
    await ayse.reinvite(ayse.calls[-1], "sendrecv")
    await floor.wire.until("Event: Unhold")
    await caller.hangup(dialog)
    await floor.wire.until("Event: AgentComplete")
    await asyncio.sleep(1)


async def page_closed(floor: Floor) -> None:
    """The agent's phone goes away in mid-call: contact removed, then we hang the leg up."""
    ayse, _, _ = await floor.talk()
    channel = await floor.wire.channel("ayse")
    await ayse.register(expires=0)
    await floor.wire.until("ContactStatus: Removed")
    await floor.wire.act(Action="Hangup", ActionID="gone", Channel=channel, Cause="16")
    await floor.wire.until("Event: AgentComplete")
    await asyncio.sleep(1.5)


async def restarted(floor: Floor) -> None:
    """Asterisk dies in mid-call and comes back empty; the second half is a new connection."""
    await floor.talk()
    await floor.wire.act(Action="CoreShowChannels", ActionID="channels-1")
    await floor.wire.until("Event: CoreShowChannelsComplete")
    await floor.wire.act(Action="QueueStatus", ActionID="queues-1")
    await floor.wire.until("Event: QueueStatusComplete")
    await floor.wire.act(Action="DeviceStateList", ActionID="devices-1")
    await floor.wire.until("Event: DeviceStateListComplete")
    await floor.asterisk.stop(kill=True)
    await asyncio.sleep(0.5)
    await floor.asterisk.start()
    again = await Wire.open(floor.asterisk)
    await again.act(Action="CoreShowChannels", ActionID="channels-2")
    await again.until("Event: CoreShowChannelsComplete")
    await again.act(Action="QueueStatus", ActionID="queues-2")
    await again.until("Event: QueueStatusComplete")
    await again.act(Action="DeviceStateList", ActionID="devices-2")
    await again.until("Event: DeviceStateListComplete")
    await asyncio.sleep(0.3)
    floor.wire.got += again.got


async def actions(floor: Floor) -> None:
    """What Asterisk answers to good and bad actions, in and out of a call."""
    act, until = floor.wire.act, floor.wire.until
    for name, more in {
        "unknown": {"Action": "Nonsense"},
        "command": {"Action": "Command", "Command": "core show uptime"},
        "bad-command": {"Action": "Command", "Command": "nonsense"},
        "no-queue": {"Action": "QueueAdd", "Queue": "yok", "Interface": "PJSIP/ayse"},
        "no-member": {"Action": "QueueRemove", "Queue": "destek", "Interface": "PJSIP/ayse"},
        "no-pause": {"Action": "QueuePause", "Interface": "PJSIP/ayse", "Paused": "true"},
        "no-channel": {"Action": "Hangup", "Channel": "PJSIP/none-1"},
        "no-contacts": {"Action": "PJSIPShowContacts"},
        "no-channels": {"Action": "CoreShowChannels"},
        "ping": {"Action": "Ping"},
    }.items():
        await act(ActionID=name, **more)
        await until(f"ActionID: {name}\r\n")
    await floor.talk()
    channel = await floor.wire.channel("ayse")
    caller = await floor.wire.channel("musteri")
    for name, more in {
        "again": {"Action": "QueueAdd", "Queue": "destek", "Interface": "PJSIP/ayse"},
        "pause": {"Action": "QueuePause", "Interface": "PJSIP/ayse", "Paused": "true",
                  "Reason": "öğle yemeği"},
        "unpause": {"Action": "QueuePause", "Interface": "PJSIP/ayse", "Paused": "false"},
        "penalty": {"Action": "QueuePenalty", "Interface": "PJSIP/ayse", "Penalty": "3"},
        "set": {"Action": "Setvar", "Channel": caller, "Variable": "LAB_NOTE",
                "Value": 'a"b\\c\td,ş'},
        "get": {"Action": "Getvar", "Channel": caller, "Variable": "LAB_NOTE"},
        "record": {"Action": "MixMonitor", "Channel": caller, "File": "take.wav"},
        "mute": {"Action": "MixMonitorMute", "Channel": caller, "Direction": "both", "State": "1"},
        "channels": {"Action": "CoreShowChannels"},
        "queues": {"Action": "QueueStatus"},
        "contacts": {"Action": "PJSIPShowContacts"},
        "devices": {"Action": "DeviceStateList"},
        "key": {"Action": "PlayDTMF", "Channel": caller, "Digit": "5", "Receive": "true"},
        "notify": {"Action": "PJSIPNotify", "Channel": channel, "Variable": "Event=talk"},
        "bad-exten": {"Action": "BlindTransfer", "Channel": channel, "Context": "xfer",
                      "Exten": "0000"},
        "listen": {"Action": "Originate", "Channel": "Local/9@xfer", "Application": "ChanSpy",
                   "Data": f"{channel},q", "Async": "true", "ChannelId": "spy-1"},
    }.items():  # fmt: skip
        await act(ActionID=name, **more)
        await until(f"ActionID: {name}\r\n")
        await asyncio.sleep(0.3)
    await asyncio.sleep(0.7)
    await act(Action="Redirect", ActionID="redirect", Channel=caller, Context="entry", Exten="854",
              Priority="1")  # fmt: skip
    await asyncio.sleep(1)
    await act(Action="UserEvent", ActionID="user", UserEvent="SantralTest", Note="ışık")
    await act(Action="Logoff", ActionID="bye")
    await asyncio.sleep(0.5)


async def originate(floor: Floor) -> None:
    """Outbound: answered, busy, no answer, and an extension that is not there."""
    await floor.phone("ayse", ANSWER)
    bora = await floor.phone("bora", BUSY)
    for name, to, more in (
        ("attempt-1", "PJSIP/ayse", {}),
        ("attempt-2", "PJSIP/bora", {}),
        ("attempt-3", "PJSIP/bora", {"Timeout": "1500"}),
        ("attempt-4", "PJSIP/nobody", {}),
    ):
        bora.behaviour = RING if more else BUSY
        await floor.wire.act(
            Action="Originate", ActionID=name, Channel=to, Context="entry", Exten="854",
            Priority="1", Async="true", ChannelId=name, CallerID='"Mağaza" <850>',
            Variable=f"__SANTRAL_CALL={name}", **more,
        )  # fmt: skip
        await floor.wire.until("Event: OriginateResponse")
    await floor.wire.act(Action="Hangup", ActionID="end", Channel="attempt-1")
    await asyncio.sleep(0.5)
    await floor.wire.act(
        Action="Originate", ActionID="attempt-5", Channel="Local/7@entry", Application="Echo"
    )
    await asyncio.sleep(0.5)


async def strange_values(floor: Floor) -> None:
    """A variable with everything in it, an empty last header, a name in Turkish."""
    caller = await floor.phone("musteri", register=False)
    dialog = await caller.call("853")
    await floor.wire.until("UserEvent: Santral")
    channel = await floor.wire.channel("musteri")
    value = 'tab\tquote"back\\slash,eş=it'
    await floor.wire.act(
        Action="Setvar", ActionID="set", Channel=channel, Variable="LAB_NOTE", Value=value
    )
    await floor.wire.act(
        Action="PlayDTMF", ActionID="key", Channel=channel, Digit="5", Receive="true"
    )
    await floor.wire.until("Event: DTMFEnd")
    await caller.hangup(dialog)
    await asyncio.sleep(0.5)


SCENARIOS: dict[str, Callable[[Floor], Awaitable[None]]] = {
    scenario.__name__: scenario
    for scenario in (
        answered, abandoned, no_answer, blind_transfer, attended_transfer, transfer_called_off,
        hold, page_closed, restarted, actions, originate, strange_values,
    )
}  # fmt: skip


async def record(name: str) -> None:
    home = Path(tempfile.mkdtemp(prefix="ami-"))
    installation = await find_asterisk(Settings.from_environment().state, print)
    async with lab(home, installation, ring=3 if name == "no_answer" else 15) as asterisk:
        wire = await Wire.open(asterisk)
        floor = Floor(asterisk, wire)
        try:
            await SCENARIOS[name](floor)
        except TimeoutError:
            print(f"{name}: waited in vain\n{wire.got.decode()[-1500:]}\n{asterisk.log[-3000:]}")
            raise
        finally:
            for phone in floor.phones:
                phone.close()
            (HERE / f"{name}.ami").write_bytes(wire.got)
            print(f"{name}: {len(wire.got)} bytes, {wire.got.count(b'Event: ')} events")


async def main() -> None:
    for name in sys.argv[1:] or SCENARIOS:
        await record(name)


if __name__ == "__main__":
    asyncio.run(main())
