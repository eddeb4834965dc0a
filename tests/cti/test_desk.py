from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from pydantic import SecretStr

from cti.ami import events as ami
from cti.ami.actions import Listening
from cti.ami.bridge import Account, Bridge
from cti.bus import LocalBus
from cti.desk import Desk, Router
from cti.floor import Floor
from cti.queues import Queues
from cti.screenpop import Card
from ivr import events as ivr
from ivr.errors import BadInput
from tests.cti.agents.test_service import no_history
from tests.cti.ami import captures
from tests.cti.test_floor import quiet
from tests.fakes.manager import FakeManager

CALL = "lab-850-05321112233"
AYSE, BORA = "PJSIP/ayse", "PJSIP/bora"


class Shop:
    async def card(self, phone: str) -> Card:
        return Card(True, {"phone": phone}, "gold", last_agent="bora", last_spoke=990.0)


@dataclass
class Room:
    fake: FakeManager
    floor: Floor
    desk: Desk

    def sent(self) -> list[tuple[str, str]]:
        """Everything that acts on a call."""
        reading = {"Challenge", "Login", "CoreShowChannels", "QueueStatus", "DeviceStateList"}
        return [
            (action["Action"], action.get("Channel", ""))
            for action in self.fake.received
            if action["Action"] not in reading | {"ShowDialPlan"}
        ]


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    """Ayşe talks to a caller; the Manager takes every command."""
    fake = FakeManager(extensions={"102", "bora", "05321112233"}, takes_all=True)
    await fake.start()
    floor = Floor(LocalBus(), Shop(), no_history)  # type: ignore[arg-type]
    account = Account(fake.user, SecretStr(fake.secret), port=fake.port)
    async with Bridge(account, lambda event: None) as bridge:
        await bridge.ready(5)
        events = captures.events("answered")
        talk = next(n for n, event in enumerate(events) if isinstance(event, ami.AgentComplete))
        for event in events[:talk]:
            floor.on_event(event)
        yield Room(fake, floor, Desk(bridge, floor))
    await floor.close()
    await fake.stop()


async def test_an_agent_hands_their_own_caller_on(room: Room) -> None:
    await room.desk.transfer(AYSE, CALL, "102")
    await room.desk.consult(AYSE, CALL, "bora")
    await room.desk.back(AYSE, CALL)
    await room.desk.three_way(AYSE, CALL)
    await room.desk.keep_off_record(AYSE, CALL, True)
    leg = room.floor.live.leg_of(CALL, AYSE)
    assert leg is not None
    await room.desk.hang_up(AYSE, CALL)
    own = "PJSIP/ayse-00000001"
    assert room.sent() == [
        ("BlindTransfer", own), ("Setvar", own), ("Atxfer", own), ("CancelAtxfer", own),
        ("PlayDTMF", own), ("PlayDTMF", own), ("MixMonitorMute", "PJSIP/musteri-00000000"), ("Hangup", leg.id),
    ]  # fmt: skip


async def test_a_caller_is_not_handed_to_a_desk_where_nobody_is(room: Room) -> None:
    """The dialplan's pattern for desks takes every name there could be."""
    room.fake.extensions |= {"nobody"}
    room.fake.context_of |= {"nobody": "santral-desk-phones", "bora": "santral-desk-phones"}
    for act in (
        room.desk.transfer(AYSE, CALL, "nobody"),
        room.desk.consult(AYSE, CALL, "nobody"),
        room.desk.dial(AYSE, "nobody"),
    ):
        with pytest.raises(BadInput, match="no desk where somebody is"):
            await act
    assert room.sent() == []


async def test_nobody_acts_on_another_agents_call(room: Room) -> None:
    for act in (
        room.desk.hang_up(BORA, CALL),
        room.desk.transfer(BORA, CALL, "102"),
        room.desk.consult(BORA, CALL, "102"),
        room.desk.back(BORA, CALL),
        room.desk.three_way(BORA, CALL),
        room.desk.keep_off_record(BORA, CALL, True),
        room.desk.hang_up(AYSE, "another"),
        room.desk.listen("PJSIP/sema", CALL, BORA, Listening.LISTEN),
        room.desk.end_listening("1.1"),
    ):
        with pytest.raises(BadInput):
            await act
    assert room.sent() == []


@pytest.mark.parametrize(
    "to", ["", "4711", "1\r\nAction: Reload", "a b", "102,x", "${X}", "102&103", "0" * 21]
)
async def test_a_target_that_is_none_drops_nobody(room: Room, to: str) -> None:
    for act in (
        room.desk.transfer(AYSE, CALL, to),
        room.desk.consult(AYSE, CALL, to),
        room.desk.dial(AYSE, to),
    ):
        with pytest.raises(BadInput):
            await act
    assert room.sent() == []


async def test_click_to_dial_rings_their_own_phone_first(room: Room) -> None:
    call = await room.desk.dial(AYSE, "05321112233")
    (sent,) = room.fake.actions("Originate")
    assert (sent["Channel"], sent["Context"], sent["Exten"]) == (
        AYSE, "santral-desk", "05321112233",
    )  # fmt: skip
    assert sent["ChannelId"] == call
    assert sent["Variable"] == f"__SANTRAL_CALL={call}"


async def test_a_supervisor_listens_and_stops(room: Room) -> None:
    id = await room.desk.listen("PJSIP/sema", CALL, AYSE, Listening.WHISPER)
    (sent,) = room.fake.actions("Originate")
    assert (sent["Channel"], sent["Data"]) == ("PJSIP/sema", "PJSIP/ayse-00000001,qwES")
    with pytest.raises(BadInput):
        await room.desk.listen("PJSIP/sema", CALL, AYSE, "qo")
    spyer = ami.Channel("PJSIP/sema-00000009", id, id, 6)
    leg = room.floor.live.leg_of(CALL, AYSE)
    assert leg is not None
    spyee = ami.Channel(leg.name, leg.id, leg.linked, 6, variables={"SANTRAL_CALL": CALL})
    room.floor.on_event(ami.ChanSpyStart(1.0, spyer, spyee))
    await room.desk.end_listening(id)
    assert room.fake.actions("Hangup")[-1]["Channel"] == id


async def test_routing_adds_what_the_customer_and_the_queue_say(room: Room) -> None:
    queues = Queues.model_validate(
        {"queues": {"support": {"priority": {"gold": 20}, "last_agent": {"wait": "9s"}}}}
    )
    router = Router(lambda: queues, room.floor, clock=lambda: 1000.0)
    assert router.options("c9", "support", {"back": "1"}) == {"back": "1"}  # nobody is known yet
    started = ivr.CallStarted("shop", "v", "tr", caller="+905321112233")
    room.floor.on_entry(ivr.Entry("c9", 1, 1.0, started))
    await quiet()
    known = {"agent": "santral-agent-bora", "agent_wait": "9", "back": "1"}
    assert router.options("c9", "support", {"back": "1"}) == known | {"priority": "20"}
    more = router.options("c9", "support", {"back": "1", "priority": "50"})
    assert more == known | {"priority": "50"}
    assert router.options("c9", "elsewhere", {"back": "1"}) == {"back": "1"}
