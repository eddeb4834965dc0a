"""Queues given to a running Asterisk, and the whole floor on it: agents, queues, pops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from cti.agents import Agents, Person, Seat, State
from cti.ami import actions
from cti.ami import events as ami
from cti.ami.actions import Listening
from cti.ami.bridge import Account, Bridge
from cti.asterisk import Installation
from cti.bus import LocalBus
from cti.desk import Desk
from cti.floor import Floor
from cti.queues import AgentSkills, Files, Queues, apply, penalty, personal_queue
from cti.screenpop import Card, Pop, PopState
from ivr import events as ivr
from ivr.errors import ActionRefused, BadInput
from tests.cti.ami.test_bridge import Sink
from tests.fakes.asterisk_lab import USER, Lab, lab
from tests.fakes.sip_phone import ANSWER, RING, SipPhone

pytestmark = pytest.mark.asterisk


@pytest.fixture
async def asterisk(tmp_path: Path, installation: Installation) -> AsyncIterator[Lab]:
    async with lab(tmp_path, installation, ring=3) as running:
        yield running


def account(asterisk: Lab) -> Account:
    return Account(USER, SecretStr(asterisk.secret), port=asterisk.manager)


def queues(**given: dict[str, object]) -> Queues:
    return Queues.model_validate({"queues": given})


async def names(bridge: Bridge) -> set[str]:
    status = await bridge.send(actions.QueueStatus())
    return {item.get("Queue") for item in status.items}


def phone(asterisk: Lab, user: str, behaviour: str = ANSWER) -> asyncio.Future[SipPhone]:
    return asyncio.ensure_future(SipPhone.open(user, ("127.0.0.1", asterisk.sip), behaviour))


async def test_queues_change_without_a_restart_and_nobody_is_lost(asterisk: Lab) -> None:
    sink = Sink()
    files = Files(asterisk.home / "etc")
    async with Bridge(account(asterisk), sink) as bridge:
        await bridge.ready(10)
        assert await apply(files, bridge, queues(destek={}, eski={}), ["ayse"])
        assert await names(bridge) == {"destek", "eski", personal_queue("ayse")}
        await bridge.send(actions.QueueAdd("destek", "PJSIP/ayse", "Ayşe", 2))
        caller = await phone(asterisk, "musteri")
        await caller.call("850")
        await sink.until(ami.QueueCallerJoin)
        assert await apply(files, bridge, queues(destek={"strategy": "ring_all"}, yeni={}))
        status = await bridge.send(actions.QueueStatus())
        told = [(item.name, item.get("Queue"), item.get("Strategy")) for item in status.items]
        assert told == [
            ("QueueParams", "destek", "ringall"),
            ("QueueMember", "destek", ""),
            ("QueueEntry", "destek", ""),
            ("QueueParams", "yeni", "leastrecent"),
        ]
        assert not await apply(files, bridge, queues(destek={"strategy": "ring_all"}, yeni={}))
        caller.close()


async def test_an_asterisk_that_was_up_before_the_files_were_written_reads_them(
    asterisk: Lab,
) -> None:
    files = Files(asterisk.home / "etc")
    async with Bridge(account(asterisk), Sink()) as bridge:
        await bridge.ready(10)
        assert files.write(queues(yeni={}))
        assert "yeni" not in await names(bridge)
        assert not await apply(files, bridge, queues(yeni={}))
        assert await names(bridge) == {"yeni"}


async def test_an_asterisk_that_does_not_include_them_is_told(asterisk: Lab) -> None:
    (asterisk.home / "etc/queues.conf").write_text("[general]\n")
    async with Bridge(account(asterisk), Sink()) as bridge:
        await bridge.ready(10)
        with pytest.raises(ActionRefused, match=r"does its queues\.conf include"):
            await apply(Files(asterisk.home / "etc"), bridge, queues(yeni={}))


async def test_skills_relax_with_time(asterisk: Lab) -> None:
    """Who falls short by one rings only after two seconds."""
    made = queues(
        destek={"skills": {"english": 3}, "relax": [{"after": "2s", "by": 1}], "ring": "10s"}
    )
    sink = Sink()
    async with Bridge(account(asterisk), sink) as bridge:
        await bridge.ready(10)
        await apply(Files(asterisk.home / "etc"), bridge, made)
        short = penalty(made.queues["destek"], AgentSkills("ayse", {"english": 2}))
        desk = await phone(asterisk, "ayse", RING)
        await desk.register()
        await bridge.send(actions.QueueAdd("destek", "PJSIP/ayse", "Ayşe", short))
        await bridge.send(
            actions.Originate(
                "Local/854@entry", "entry", "850", id="skilled",
                variables={"QUEUE_MAX_PENALTY": "0"},
            )
        )  # fmt: skip
        joined = await sink.until(ami.QueueCallerJoin)
        called = await sink.until(ami.AgentCalled)
        assert called.at - joined.at >= 1.9
        desk.close()


async def test_an_empty_limit_is_no_limit(asterisk: Lab) -> None:
    """The dialplan sets QUEUE_MAX_PENALTY from a variable that is empty for most queues."""
    sink = Sink()
    async with Bridge(account(asterisk), sink) as bridge:
        await bridge.ready(10)
        await apply(Files(asterisk.home / "etc"), bridge, queues(destek={}))
        desk = await phone(asterisk, "ayse", RING)
        await desk.register()
        await bridge.send(actions.QueueAdd("destek", "PJSIP/ayse", "Ayşe", 5))
        await bridge.send(
            actions.Originate(
                "Local/854@entry", "entry", "850", variables={"QUEUE_MAX_PENALTY": ""}
            )
        )
        await sink.until(ami.AgentCalled)
        desk.close()


@pytest.mark.parametrize("busy", [False, True])
async def test_the_last_agent_is_tried_only_while_free(asterisk: Lab, busy: bool) -> None:
    sink = Sink()
    queue = personal_queue("ayse")
    async with Bridge(account(asterisk), sink) as bridge:
        await bridge.ready(10)
        await apply(Files(asterisk.home / "etc"), bridge, queues(destek={}), ["ayse"])
        desk = await phone(asterisk, "ayse", RING)
        await desk.register()
        await bridge.send(actions.QueueAdd(queue, "PJSIP/ayse", "Ayşe", paused=busy, reason="x"))
        await bridge.send(
            actions.Originate("Local/854@entry", application="Queue", data=f"{queue},c,,,5", id="l")
        )
        if busy:
            await sink.until(ami.Hangup, 2)
            assert sink.of(ami.QueueCallerJoin) == []
        else:
            assert (await sink.until(ami.AgentCalled)).queue == queue
        desk.close()


# --- the whole floor


class Shop:
    async def card(self, phone: str) -> Card:
        return Card(True, {"name": "Müşteri Işık", "phone": phone}, "gold")


async def no_history(_: str) -> list[ivr.Entry]:
    return []


@dataclass
class Room:
    asterisk: Lab
    bridge: Bridge
    floor: Floor
    agents: Agents
    pops: list[Pop]
    seen: Sink

    async def until(self, login: str, *states: State) -> None:
        async with asyncio.timeout(10):
            while self.agents.presence(login).state not in states:
                await asyncio.sleep(0.01)

    async def agrees(self) -> None:
        """Asterisk's own list of members says what the presences say."""
        async with asyncio.timeout(10):
            while not await self._same():
                await asyncio.sleep(0.05)

    async def _same(self) -> bool:
        status = await self.bridge.send(actions.QueueStatus("destek"))
        there = {
            item.get("Location"): (item.get("Paused") == "1", item.get("PausedReason"))
            for item in status.items
            if item.name == "QueueMember"
        }
        want = {
            here.interface: here.paused
            for here in self.agents.everybody().values()
            if here.state != State.SIGNED_OUT
        }
        return there == want


@asynccontextmanager
async def room(asterisk: Lab) -> AsyncIterator[Room]:
    bus, pops, seen = LocalBus(), list[Pop](), Sink()
    floor = Floor(bus, Shop(), no_history, [pops.append])
    people = [
        Person("ayse", "Ayşe", "PJSIP/ayse", (Seat("destek"),)),
        Person("bora", "Bora", "PJSIP/bora", (Seat("destek"),)),
    ]
    holder: list[Agents] = []

    def sink(event: ami.Event) -> None:
        floor.on_event(event)
        holder[0].on_event(event)
        seen(event)

    bridge = Bridge(account(asterisk), sink)
    holder.append(Agents(bridge, floor, bus, people, lambda queue: 0.5 if queue else 0.0))
    async with bridge:
        await bridge.ready(10)
        yield Room(asterisk, bridge, floor, holder[0], pops, seen)
        await holder[0].close()
        await floor.close()


async def test_a_day_at_the_desk(asterisk: Lab) -> None:
    async with room(asterisk) as here:
        ayse = await phone(asterisk, "ayse", RING)
        bora = await phone(asterisk, "bora")
        for desk in (ayse, bora):
            await desk.register()
        await here.seen.until(ami.ContactStatus, 2)
        here.agents.sign_in("ayse")
        await here.agrees()

        caller = await phone(asterisk, "musteri")  # it rings at Ayşe, who does not answer
        dialog = await caller.call("850")
        await here.until("ayse", State.RINGING)
        assert here.pops[0].state == PopState.RINGING
        await here.until("ayse", State.PAUSED)
        assert here.agents.presence("ayse").reason == "missed"
        await here.agrees()

        here.agents.sign_in("bora")  # Bora comes and takes the call
        await here.until("bora", State.TALKING)
        assert [pop.state for pop in here.pops if pop.agent == "PJSIP/bora"][-1] == "answered"
        here.agents.pause("bora", "öğle yemeği")
        await here.agrees()
        assert here.agents.presence("bora").state == State.TALKING

        await caller.hangup(dialog)
        await here.until("bora", State.WRAP_UP)
        await here.agrees()
        await here.until("bora", State.PAUSED)
        assert here.agents.presence("bora").reason == "öğle yemeği"
        await here.agrees()
        assert here.floor.live.calls == {}
        for desk in (ayse, bora, caller):
            desk.close()


async def test_page_closed_and_asterisk_restarted(asterisk: Lab) -> None:
    async with room(asterisk) as here:
        ayse = await phone(asterisk, "ayse")
        await ayse.register()
        await here.seen.until(ami.ContactStatus)
        here.agents.sign_in("ayse")
        await here.agrees()
        caller = await phone(asterisk, "musteri")
        dialog = await caller.call("850")
        await here.until("ayse", State.TALKING)

        await ayse.register(expires=0)  # the page is closed in mid-call
        await here.until("ayse", State.OFFLINE)
        async with asyncio.timeout(2):
            await dialog.over.wait()  # the caller is not left in silence
        await here.agrees()

        await ayse.register()
        await here.until("ayse", State.READY)
        await caller.call("850")
        await here.until("ayse", State.TALKING)
        await asterisk.stop(kill=True)
        await here.seen.until(ami.Disconnected)
        await asterisk.start()
        await here.seen.until(ami.Snapshot, 2)
        await here.until("ayse", State.WRAP_UP, State.READY, State.OFFLINE)
        await here.agrees()
        assert here.floor.live.calls == {}
        ayse.close()
        caller.close()


async def test_listening_in_and_handing_on(asterisk: Lab) -> None:
    async with room(asterisk) as here:
        desk = Desk(here.bridge, here.floor, context="xfer")
        ayse = await phone(asterisk, "ayse")
        sema = await phone(asterisk, "bora")  # the supervisor sits at Bora's phone
        for one in (ayse, sema):
            await one.register()
        await here.seen.until(ami.ContactStatus, 2)
        here.agents.sign_in("ayse")
        await here.agrees()
        caller = await phone(asterisk, "musteri")
        dialog = await caller.call("850")
        await here.until("ayse", State.TALKING)
        await here.seen.until(ami.BridgeEnter, 2)
        call = here.agents.presence("ayse").call

        listening = await desk.listen("PJSIP/bora", call, "PJSIP/ayse", Listening.LISTEN)
        await here.seen.until(ami.ChanSpyStart)
        assert here.floor.live.calls[call].listeners == ("PJSIP/bora",)
        await desk.end_listening(listening)
        await here.seen.until(ami.ChanSpyStop)
        assert here.floor.live.calls[call].listeners == ()
        await sema.calls[-1].over.wait()

        with pytest.raises(BadInput, match="cannot be dialled"):
            await desk.transfer("PJSIP/ayse", call, "4711")
        assert here.floor.live.calls[call].phase == "talking"
        await desk.transfer("PJSIP/ayse", call, "102")
        await here.until("ayse", State.WRAP_UP, State.READY)
        async with asyncio.timeout(5):
            while here.floor.live.calls[call].agent != "PJSIP/bora":
                await asyncio.sleep(0.01)
        assert here.pops[-1].agent == "PJSIP/bora"
        await caller.hangup(dialog)
        for one in (ayse, sema, caller):
            one.close()
