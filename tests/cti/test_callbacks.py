"""The service on a Manager that speaks real bytes; the decisions have their own tests."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from cti.ami import events as ami
from cti.ami.bridge import Account, Bridge
from cti.bus import LocalBus
from cti.callbacks import Callbacks, KeepInFile
from cti.floor import Floor
from cti.queues import Callback, Queues, State
from cti.screenpop import Pop
from ivr import events as ivr
from ivr.errors import BadInput
from tests.cti.agents.test_service import NoRecords
from tests.fakes.manager import FakeManager, Member, event

QUEUES = Queues.model_validate(
    {"queues": {"destek": {"callback": {"key": "1", "tries": 2, "retry": "0s"}}, "satis": {}}}
)
AYSE = "PJSIP/ayse"


def channel_for(number: str) -> str:
    if not number.startswith("+90"):
        raise BadInput("not that number")
    return f"PJSIP/{number}@trunk"


@dataclass
class Room:
    fake: FakeManager
    bridge: Bridge
    floor: Floor
    callbacks: Callbacks
    path: Path
    pops: list[Pop]

    async def until(self, state: State) -> Callback:
        async with asyncio.timeout(5):
            while True:
                found = [one for one in self.callbacks.waiting() if one.state == state]
                if found:
                    return found[0]
                await asyncio.sleep(0.005)

    async def gone(self) -> None:
        async with asyncio.timeout(5):
            while self.callbacks.waiting():
                await asyncio.sleep(0.005)

    def answer(self, attempt: str, response: str) -> None:
        leg = [("Channel", "PJSIP/t-7"), ("Uniqueid", attempt), ("Linkedid", attempt),
               ("ChanVariable", f"SANTRAL_CALL={attempt}")]  # fmt: skip
        self.fake.say(
            event("Newchannel", *leg)
            + event("OriginateResponse", ("Response", response), ("Uniqueid", attempt))
        )


@asynccontextmanager
async def room(path: Path, fake: FakeManager) -> AsyncIterator[Room]:
    bus, pops = LocalBus(), list[Pop]()
    story = [
        ivr.Entry("c1", 1, 10.0, ivr.CallStarted("shop", "v", "tr", caller="+905321112233")),
        ivr.Entry("c1", 2, 11.0, ivr.StepEntered("shop", "menu", "menu")),
        ivr.Entry("c1", 3, 12.0, ivr.CallEnded("transfer")),
    ]

    async def history(call: str) -> list[ivr.Entry]:
        return story if call == "c1" else []

    floor = Floor(bus, NoRecords(), history, [pops.append])
    holder: list[Callbacks] = []

    def sink(told: ami.Event) -> None:
        floor.on_event(told)
        holder[0].on_event(told)

    account = Account(fake.user, SecretStr(fake.secret), port=fake.port)
    bridge = Bridge(account, sink)
    holder.append(Callbacks(bridge, floor, bus, lambda: QUEUES, channel_for, KeepInFile(path)))
    async with bridge:
        await bridge.ready(5)
        yield Room(fake, bridge, floor, holder[0], path, pops)
        await holder[0].close()
        await floor.close()


@pytest.fixture
async def fake() -> AsyncIterator[FakeManager]:
    made = FakeManager(queues={"destek": {}, "satis": {}}, contacts=["ayse"])
    made.queues["destek"][AYSE] = Member(AYSE, "Ayşe")
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def floor(tmp_path: Path, fake: FakeManager) -> AsyncIterator[Room]:
    async with room(tmp_path / "callbacks.json", fake) as opened:
        yield opened


NUMBER = "+905321112233"


async def test_whose_turn_it_is_is_called_and_goes_to_the_front(floor: Room) -> None:
    floor.callbacks.ask("c1", "destek", NUMBER, joined=50.0, priority=20)
    (sent,) = await floor.fake.got("Originate")
    assert (sent["Channel"], sent["Context"], sent["Exten"]) == (
        f"PJSIP/{NUMBER}@trunk", "santral-done", "queue",
    )  # fmt: skip
    for text in ("SANTRAL_TO=destek", "SANTRAL_POSITION=1", "SANTRAL_PRIORITY=20"):
        assert f"Variable: {text}\r\n" in sent["_raw"]
    attempt = (await floor.until(State.DIALLING)).attempt
    assert sent["ChannelId"] == attempt
    floor.answer(attempt, "Success")
    await floor.until(State.QUEUED)
    caller = [("Channel", "PJSIP/t-7"), ("Uniqueid", attempt), ("Linkedid", attempt),
              ("ChanVariable", f"SANTRAL_CALL={attempt}")]  # fmt: skip
    agent = [("DestChannel", "PJSIP/ayse-2"), ("DestUniqueid", "9.2"), ("DestLinkedid", attempt)]
    queue = [("Queue", "destek"), ("Interface", AYSE), ("MemberName", "Ayşe")]
    floor.fake.say(event("AgentCalled", *caller, *agent, *queue))
    floor.fake.say(event("AgentConnect", *caller, *agent, *queue))
    await floor.gone()
    assert [station.step for station in floor.pops[0].path] == [
        "menu"
    ]  # the story of the first call
    assert len(floor.fake.actions("Originate")) == 1


async def test_not_answered_is_tried_as_often_as_the_queue_says(floor: Room) -> None:
    floor.callbacks.ask("c1", "destek", NUMBER, joined=50.0)
    for number in (1, 2):
        await floor.fake.got("Originate", number)
        floor.answer(floor.fake.actions("Originate")[-1]["ChannelId"], "Failure")
    await floor.gone()
    await asyncio.sleep(0.02)
    assert len(floor.fake.actions("Originate")) == 2


async def test_nobody_is_called_while_nobody_works_and_then_they_are(
    floor: Room, fake: FakeManager
) -> None:
    member = fake.queues["destek"][AYSE]
    member.paused = True
    fake.say(event("QueueMemberPause", *member.headers("destek", listed=False)))
    async with asyncio.timeout(5):
        while not floor.floor.live.agents[AYSE].memberships["destek"].paused:
            await asyncio.sleep(0.005)
    floor.callbacks.ask("c1", "destek", NUMBER, joined=50.0)
    await floor.callbacks.settled()
    assert fake.actions("Originate") == []
    member.paused = False
    fake.say(event("QueueMemberPause", *member.headers("destek", listed=False)))
    await fake.got("Originate")


async def test_asked_for_in_the_queue_with_the_place_it_had(floor: Room) -> None:
    caller = [("Channel", "PJSIP/t-1"), ("Uniqueid", "1.1"), ("Linkedid", "1.1"),
              ("ChanVariable", "SANTRAL_CALL=c1")]  # fmt: skip
    floor.floor.on_entry(
        ivr.Entry("c1", 1, 10.0, ivr.CallStarted("shop", "v", "tr", caller=NUMBER))
    )
    floor.fake.say(
        event("QueueCallerJoin", *caller, ("Queue", "destek"), ("Position", 1),
              ("Timestamp", "1700000000.5"))
        + event("QueueCallerLeave", *caller, ("Queue", "destek"), ("Position", 1))
        + event("UserEvent", *caller, ("UserEvent", "SantralCallback"), ("Queue", "destek"),
                ("Number", "0532"), ("QueuePriority", "020"))
    )  # fmt: skip
    one = await floor.until(State.DIALLING)
    assert (one.joined, one.priority, one.number) == (1700000000.5, 20, NUMBER)
    assert one.language == "tr"


async def test_asking_twice_is_asking_once(floor: Room) -> None:
    first = floor.callbacks.ask("c1", "destek", NUMBER, joined=50.0)
    assert floor.callbacks.ask("c1", "destek", NUMBER, joined=60.0).id == first.id
    assert floor.callbacks.ask("c2", "destek", NUMBER, joined=60.0).id == first.id
    assert len(floor.callbacks.waiting()) == 1


@pytest.mark.parametrize(
    ("queue", "number"), [("satis", NUMBER), ("yok", NUMBER), ("destek", "112")]
)
async def test_what_cannot_be_called_back_is_refused(floor: Room, queue: str, number: str) -> None:
    with pytest.raises(BadInput):
        floor.callbacks.ask("c1", queue, number, joined=50.0)


async def test_it_survives_a_restart_of_ours_and_is_not_dialled_twice(
    tmp_path: Path, fake: FakeManager
) -> None:
    path = tmp_path / "callbacks.json"
    async with room(path, fake) as first:
        first.callbacks.ask("c1", "destek", NUMBER, joined=50.0)
        attempt = (await first.until(State.DIALLING)).attempt
        await fake.got("Originate")
        await first.callbacks.settled()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    leg = [("Channel", "PJSIP/t-7"), ("Uniqueid", attempt), ("Linkedid", attempt)]
    fake.channels.append(event("CoreShowChannel", *leg))
    async with room(path, fake) as second:
        (one,) = second.callbacks.waiting()
        assert (one.state, one.attempt, one.joined) == (State.DIALLING, attempt, 50.0)
        await second.callbacks.settled()
        assert len(fake.actions("Originate")) == 1
    fake.channels.clear()  # and once that attempt's leg is gone, it is tried again
    async with room(path, fake):
        await fake.got("Originate", 2)


async def test_an_originate_whose_fate_is_unknown_counts_as_a_try(floor: Room) -> None:
    floor.fake.deaf.add("Originate")
    floor.callbacks.ask("c1", "destek", NUMBER, joined=50.0)
    await floor.fake.got("Originate")
    floor.fake.drop()
    floor.fake.deaf.clear()
    await floor.fake.got("Originate", 2)
    assert floor.callbacks.waiting()[0].tries == 2


def test_a_broken_file_is_no_callbacks(tmp_path: Path) -> None:
    path = tmp_path / "callbacks.json"
    path.write_text("{")
    assert KeepInFile(path).load() == ()
