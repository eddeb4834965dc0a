"""The service on a Manager that speaks real bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from pydantic import SecretStr

from cti.agents import Agents, Person, Presence, Seat, State
from cti.ami import events as ami
from cti.ami.bridge import Account, Bridge
from cti.bus import Item, LocalBus
from cti.floor import FLOOR, Floor, agent_topic
from cti.screenpop import Card
from ivr.errors import BadInput
from tests.fakes.manager import FakeManager, Member, event

AYSE = "PJSIP/ayse"
PEOPLE = (Person("ayse", "Ayşe", AYSE, (Seat("destek"), Seat("satis", 2))),)


class NoRecords:
    async def card(self, phone: str) -> Card:
        return Card()


async def no_history(_: str) -> list[object]:
    return []


@dataclass
class Room:
    fake: FakeManager
    bridge: Bridge
    floor: Floor
    bus: LocalBus
    agents: Agents
    changes: list[tuple[State, State]]

    def members(self, queue: str = "destek") -> dict[str, Member]:
        return self.fake.queues[queue]

    async def until(self, *states: State) -> Presence:
        async with asyncio.timeout(5):
            while (now := self.agents.presence("ayse")).state not in states:
                await asyncio.sleep(0.005)
        return now

    async def agrees(self) -> Member:
        """Wait until Asterisk's queue is as the presence wants it."""
        async with asyncio.timeout(5):
            while True:
                await self.agents.settled("ayse")
                paused = self.agents.presence("ayse").paused
                member = self.members().get(AYSE)
                if member and (member.paused, member.reason if member.paused else "") == paused:
                    return member
                await asyncio.sleep(0.005)

    def say(self, *events: str) -> None:
        self.fake.say("".join(events))


@asynccontextmanager
async def room(fake: FakeManager, wrap_up: float = 0.05) -> AsyncIterator[Room]:
    bus = LocalBus()
    floor = Floor(bus, NoRecords(), no_history)  # type: ignore[arg-type]
    changes: list[tuple[State, State]] = []
    holder: list[Agents] = []

    def sink(told: ami.Event) -> None:
        floor.on_event(told)
        holder[0].on_event(told)

    bridge = Bridge(Account(fake.user, SecretStr(fake.secret), port=fake.port), sink)
    holder.append(
        Agents(
            bridge, floor, bus, PEOPLE, lambda queue: wrap_up if queue else 0.0,
            [lambda before, now: changes.append((before.state, now.state))],
        )
    )  # fmt: skip
    async with bridge:
        await bridge.ready(5)
        yield Room(fake, bridge, floor, bus, holder[0], changes)
        await holder[0].close()
        await floor.close()


def fake() -> FakeManager:
    return FakeManager(queues={"destek": {}, "satis": {}}, contacts=["ayse"])


@pytest.fixture
async def floor() -> AsyncIterator[Room]:
    made = fake()
    await made.start()
    async with room(made) as opened:
        yield opened
    await made.stop()


CALLER = [("Channel", "PJSIP/t-1"), ("Uniqueid", "1.1"), ("Linkedid", "1.1"), ("ChannelState", 6)]
AGENT = [("DestChannel", "PJSIP/ayse-2"), ("DestUniqueid", "1.2"), ("DestLinkedid", "1.1")]
QUEUE = [("Queue", "destek"), ("Interface", AYSE), ("MemberName", "Ayşe")]
OWN = [("Channel", "PJSIP/ayse-2"), ("Uniqueid", "1.2"), ("Linkedid", "1.1")]


def called() -> str:
    return event("AgentCalled", *CALLER, *AGENT, *QUEUE)


def connected() -> str:
    return event("AgentConnect", *CALLER, *AGENT, *QUEUE, ("HoldTime", 3))


def hung_up() -> str:
    return event("Hangup", *OWN, ("Cause", 16))


async def test_signing_in_puts_them_into_their_queues_and_out_again(floor: Room) -> None:
    assert floor.agents.sign_in("ayse").state == State.READY
    await floor.agents.settled("ayse")
    assert floor.members()[AYSE].name == "Ayşe"
    assert floor.members("satis")[AYSE].penalty == 2
    floor.agents.sign_out("ayse")
    await floor.agents.settled("ayse")
    assert floor.members() == floor.members("satis") == {}


async def test_a_pause_and_its_reason_reach_every_queue_at_once(floor: Room) -> None:
    floor.agents.sign_in("ayse")
    await floor.agents.settled("ayse")
    floor.agents.pause("ayse", "öğle yemeği")
    await floor.agrees()
    assert all(floor.members(q)[AYSE].reason == "öğle yemeği" for q in ("destek", "satis"))
    assert len(floor.fake.actions("QueuePause")) == 1
    floor.agents.ready("ayse")
    assert not (await floor.agrees()).paused


async def test_a_queue_call_from_ring_to_wrap_up_to_ready(floor: Room) -> None:
    floor.agents.sign_in("ayse")
    await floor.agents.settled("ayse")
    floor.say(called())
    await floor.until(State.RINGING)
    floor.say(connected())
    talking = await floor.until(State.TALKING)
    assert (talking.call, talking.queue) == ("1.1", "destek")
    floor.say(hung_up())
    await floor.until(State.WRAP_UP, State.READY)
    await floor.until(State.READY)
    await floor.agrees()
    reasons = [action.get("Reason", "") for action in floor.fake.actions("QueuePause")]
    assert reasons == ["wrap_up", ""]
    assert [now for _, now in floor.changes] == [
        State.READY, State.RINGING, State.TALKING, State.WRAP_UP, State.READY,
    ]  # fmt: skip


async def test_who_lets_it_ring_is_paused_in_asterisk_too(floor: Room) -> None:
    floor.agents.sign_in("ayse")
    await floor.agents.settled("ayse")
    missed = event("AgentRingNoAnswer", *CALLER, *AGENT, *QUEUE, ("RingTime", 9000))
    floor.say(called(), missed, hung_up())
    now = await floor.until(State.PAUSED)
    assert now.reason == "missed"
    assert (await floor.agrees()).reason == "missed"


async def test_a_closed_page_pauses_and_hangs_up(floor: Room) -> None:
    floor.agents.sign_in("ayse")
    await floor.agents.settled("ayse")
    floor.say(called(), connected())
    await floor.until(State.TALKING)
    status = [("URI", "sip:x"), ("AOR", "ayse"), ("EndpointName", "ayse")]
    floor.say(event("ContactStatus", *status, ("ContactStatus", "Removed")))
    await floor.until(State.OFFLINE)
    (gone,) = await floor.fake.got("Hangup")
    assert gone["Channel"] == "1.2"
    assert (await floor.agrees()).reason == "offline"
    floor.say(event("ContactStatus", *status, ("ContactStatus", "NonQualified")))
    await floor.until(State.READY)
    assert not (await floor.agrees()).paused


async def test_after_a_restart_of_asterisk_everybody_is_where_they_were(floor: Room) -> None:
    floor.agents.sign_in("ayse")
    floor.agents.pause("ayse", "mola")
    await floor.agrees()
    await floor.fake.stop()
    async with asyncio.timeout(5):
        while floor.bridge.connected:
            await asyncio.sleep(0.005)
    floor.fake.queues = {"destek": {}, "satis": {}}
    await floor.fake.start()
    member = await floor.agrees()
    assert (member.paused, member.reason) == (True, "mola")
    assert AYSE in floor.members("satis")


async def test_what_was_asked_for_while_asterisk_was_away_is_done_when_it_is_back(
    floor: Room,
) -> None:
    floor.agents.sign_in("ayse")
    await floor.agrees()
    await floor.fake.stop()
    async with asyncio.timeout(5):
        while floor.bridge.connected:
            await asyncio.sleep(0.005)
    floor.agents.pause("ayse", "mola")
    await floor.fake.start()
    assert (await floor.agrees()).reason == "mola"


async def test_a_talk_that_ended_while_asterisk_was_away_is_over(floor: Room) -> None:
    floor.agents.sign_in("ayse")
    await floor.agrees()
    floor.say(called(), connected())
    await floor.until(State.TALKING)
    await floor.fake.stop()
    await floor.fake.start()
    await floor.until(State.WRAP_UP, State.READY)


async def test_somebody_elses_hands_on_the_queues_are_put_right(floor: Room) -> None:
    floor.agents.sign_in("ayse")
    await floor.agrees()
    member = floor.members()[AYSE]
    member.paused, member.reason = True, "cli"
    floor.say(event("QueueMemberPause", *member.headers("destek", listed=False)))
    await asyncio.sleep(0.02)
    assert not (await floor.agrees()).paused


async def test_after_a_restart_of_ours_they_go_on_working() -> None:
    made = fake()
    made.queues["destek"][AYSE] = Member(AYSE, "Ayşe", paused=True, reason="lunch", last_pause=5)
    await made.start()
    async with room(made) as opened:
        now = opened.agents.presence("ayse")
        assert (now.state, now.reason, now.since) == (State.PAUSED, "lunch", 5.0)
        await opened.agrees()
        assert AYSE in opened.members("satis")  # they belong there, too
    await made.stop()


async def test_a_refusal_is_not_asked_for_again_and_again(
    floor: Room, caplog: pytest.LogCaptureFixture
) -> None:
    del floor.fake.queues["satis"]
    floor.agents.sign_in("ayse")
    await floor.agents.settled("ayse")
    await asyncio.sleep(0.1)
    assert len(floor.fake.actions("QueueAdd")) <= 12
    assert "No such queue" in caplog.text
    assert AYSE in floor.members()


async def test_desk_and_floor_hear_of_every_change(floor: Room) -> None:
    with floor.bus.subscribe([agent_topic(AYSE)]) as desk, floor.bus.subscribe([FLOOR]) as page:
        floor.agents.sign_in("ayse")
        for subscription in (desk, page):
            item = await subscription.next(1)
            assert isinstance(item, Item)
            assert (item.kind, item.key, item.value.state) == ("presence", "ayse", State.READY)


@pytest.mark.parametrize("reason", ["", "  ", "wrap_up", "offline", "missed", "x" * 81])
async def test_a_reason_is_one(floor: Room, reason: str) -> None:
    with pytest.raises(BadInput):
        floor.agents.pause("ayse", reason)


async def test_nobody_unknown(floor: Room) -> None:
    with pytest.raises(BadInput, match="nobody"):
        floor.agents.sign_in("nobody")


async def test_who_is_no_longer_known_is_signed_out(floor: Room) -> None:
    floor.agents.sign_in("ayse")
    await floor.agrees()
    floor.agents.know([])
    await floor.agents.settled("ayse")
    assert floor.members() == {}
