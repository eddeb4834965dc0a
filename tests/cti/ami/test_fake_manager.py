"""The fake against a client that is not ours (pyst2), and against what the real one answered."""

import asyncio
import contextlib
import re
import threading

import pytest
from asterisk.manager import Manager as PystManager
from asterisk.manager import ManagerAuthException, ManagerMsg

from tests.cti.ami import captures
from tests.fakes.manager import FakeManager, event, fake_manager

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # pyst2's own


def pyst2_session(fake: FakeManager) -> tuple[dict[str, str], list[str]]:
    client = PystManager()
    seen: list[str] = []
    whole = threading.Event()

    def note(told: ManagerMsg, _: PystManager) -> None:
        seen.append(told.name)
        if told.name == "CoreShowChannelsComplete":
            whole.set()

    client.register_event("*", note)
    client.connect("127.0.0.1", fake.port)
    client.login(fake.user, fake.secret)
    answers = {
        action: client.send_action({"Action": action, **more}).get_header("Response")
        for action, more in (
            ("Ping", {}),
            ("QueueAdd", {"Queue": "destek", "Interface": "PJSIP/ayse", "MemberName": "Ayse"}),
            ("QueueRemove", {"Queue": "destek", "Interface": "PJSIP/none"}),
            ("CoreShowChannels", {}),
            ("Nonsense", {}),
        )
    }
    whole.wait(5)
    with contextlib.suppress(ValueError):  # its other thread may close the file while it flushes
        client.close()  # logs off first
    return answers, seen


async def test_pyst2_talks_to_it() -> None:
    async with fake_manager() as fake:
        fake.channels.append(event("CoreShowChannel", ("Channel", "PJSIP/a-1")))
        answers, seen = await asyncio.to_thread(pyst2_session, fake)
    assert answers == {
        "Ping": "Success",
        "QueueAdd": "Success",
        "QueueRemove": "Error",
        "CoreShowChannels": "Success",
        "Nonsense": "Error",
    }
    assert seen == [
        "FullyBooted",
        "QueueMemberAdded",
        "CoreShowChannel",
        "CoreShowChannelsComplete",
    ]


async def test_pyst2_is_refused_with_a_wrong_secret() -> None:
    def wrong(fake: FakeManager) -> None:
        client = PystManager()
        client.connect("127.0.0.1", fake.port)
        try:
            client.login(fake.user, "wrong")
        finally:
            client._running.clear()  # its close() fails on a connection that is closed already

    async with fake_manager() as fake:
        with pytest.raises(ManagerAuthException):
            await asyncio.to_thread(wrong, fake)


ASKED = {
    "unknown": {"Action": "Nonsense"},
    "bad-command": {"Action": "Command", "Command": "nonsense"},
    "no-queue": {"Action": "QueueAdd", "Queue": "yok", "Interface": "PJSIP/ayse"},
    "no-member": {"Action": "QueueRemove", "Queue": "destek", "Interface": "PJSIP/ayse"},
    "no-pause": {"Action": "QueuePause", "Interface": "PJSIP/ayse", "Paused": "true"},
    "no-channel": {"Action": "Hangup", "Channel": "PJSIP/none-1"},
    "no-contacts": {"Action": "PJSIPShowContacts"},
    "no-channels": {"Action": "CoreShowChannels"},
    "ping": {"Action": "Ping"},
    "add-ayse": {"Action": "QueueAdd", "Queue": "destek", "Interface": "PJSIP/ayse",
                 "MemberName": "Ayşe"},
    "again": {"Action": "QueueAdd", "Queue": "destek", "Interface": "PJSIP/ayse"},
    "pause": {"Action": "QueuePause", "Interface": "PJSIP/ayse", "Paused": "true",
              "Reason": "öğle yemeği"},
    "unpause": {"Action": "QueuePause", "Interface": "PJSIP/ayse", "Paused": "false"},
    "penalty": {"Action": "QueuePenalty", "Interface": "PJSIP/ayse", "Penalty": "3"},
    "set": {"Action": "Setvar", "Variable": "LAB_NOTE", "Value": "x"},
    "bye": {"Action": "Logoff"},
}  # fmt: skip


async def test_it_answers_as_the_real_one_did_byte_for_byte() -> None:
    real = captures.connections("actions")[0].decode()
    async with fake_manager() as fake:
        reader, writer = await asyncio.open_connection("127.0.0.1", fake.port)
        writer.write(
            f"Action: Login\r\nUsername: {fake.user}\r\nSecret: {fake.secret}\r\n\r\n".encode()
        )
        for number, action in ASKED.items():
            lines = "".join(f"{name}: {value}\r\n" for name, value in action.items())
            writer.write(f"ActionID: {number}\r\n{lines}\r\n".encode())
        said = (await asyncio.wait_for(reader.read(), 5)).decode()
        writer.close()
    for number in ASKED:
        assert _answer(said, number) == _answer(real, number)
    for name in ("QueueMemberAdded", "QueueMemberPause", "QueueMemberPenalty"):
        assert _headers(said, name) == _headers(real, name)


def _answer(text: str, number: str) -> str:
    start = text.index(f"ActionID: {number}\r\n")
    start = text.rindex("Response: ", 0, start)
    found = text[start : text.index("\r\n\r\n", start)]
    return re.sub(r"Timestamp: [\d.]+", "", found)


def _headers(text: str, name: str) -> list[str]:
    found = re.search(rf"Event: {name}\r\n(.*?)\r\n\r\n", text, re.S)
    assert found
    return [
        line.partition(":")[0]
        for line in found[1].split("\r\n")
        if not line.startswith("Timestamp")
    ]
