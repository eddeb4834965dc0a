"""Routing in queues, on the configuration that ships: what the dialplan does with our options."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import SecretStr

from cti import floor as the_floor
from cti.ami import actions
from cti.ami import events as ami
from cti.ami.bridge import Account, Bridge
from cti.asterisk import Asterisk, Installation, InstanceSettings
from cti.bus import LocalBus
from cti.callbacks import Callbacks, KeepInFile
from cti.queues import Files, Queues, State, options, personal_queue
from cti.queues.routing import Caller
from cti.softphone import Phone
from ivr.errors import CallOver
from ivr.events import Entry
from tests.cti.agents.test_service import NoRecords
from tests.cti.ami.test_bridge import Sink
from tests.e2e.conftest import instance_defaults
from tests.e2e.scripted_engine import ScriptedEngine, Visit
from tests.e2e.test_dialplan import caller

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]

QUEUES = Queues.model_validate(
    {
        "queues": {
            "first": {"overflow": {"to": "second", "after": "1s"}, "callback": {"key": "1"}},
            "second": {"overflow": {"to": "third", "after": "1s"}, "when_empty": "leave"},
            "third": {"strategy": "ring_all", "last_agent": {"within": "10s", "wait": "1s"}},
            "skilled": {"skills": {"english": 2}},
        }
    }
)
NOBODY = Caller()
# An agent who is no telephone.
AGENT = """
[test-agent]
exten => silent,1,Wait(60)
exten => answers,1,Answer()
 same => n,Wait(60)
exten => talks,1,Answer()
 same => n,Wait(2)
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def line(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Asterisk]:
    settings = InstanceSettings.fresh(
        tmp_path_factory.mktemp("routing"),
        **instance_defaults(tries=1, wait=0.1, queues=(), extra={"extensions.conf": AGENT}),
    )
    settings.etc.mkdir(parents=True)
    Files(settings.etc).write(QUEUES, ["ayse"])
    async with Asterisk(installation, settings) as running:
        yield running


@dataclass
class Floor:
    line: Asterisk
    bridge: Bridge
    seen: Sink
    phone: Phone

    def engine(self, behave: Callable[[Visit], Awaitable[None]]) -> ScriptedEngine:
        return ScriptedEngine(self.line.settings.agi_url, behave)


@asynccontextmanager
async def opened(line: Asterisk) -> AsyncIterator[Floor]:
    seen = Sink()
    settings = line.settings
    account = Account(settings.ami_user, SecretStr(settings.ami_secret), port=settings.ami_port)
    async with Bridge(account, seen) as bridge, caller(line, "demo") as phone:
        await bridge.ready(10)
        yield Floor(line, bridge, seen, phone)


def into(queue: str, who: Caller = NOBODY, **more: str) -> Callable[[Visit], Awaitable[None]]:
    """An engine that puts the caller into a queue as routing says, and ends when they come back."""

    async def behave(visit: Visit) -> None:
        await visit.command("ANSWER")
        if visit.number > 1:
            await visit.leave(done="hangup")
            return
        told = options(QUEUES, queue, who, 1000.0)
        await visit.leave(done="queue", to=queue, **(told | more))

    return behave


async def test_the_shipped_account_may_read_the_state_and_is_spared_the_rest(
    line: Asterisk,
) -> None:
    async with opened(line) as floor, floor.engine(into("third")):
        snapshot = floor.seen.of(ami.Snapshot)[0]
        assert snapshot.devices is not None
        devices = {item.device: item.state for item in snapshot.devices}
        assert devices["PJSIP/desk1"] == "UNAVAILABLE"
        names = {queue.queue for queue in snapshot.queues}
        assert names >= {"first", "second", "third", personal_queue("ayse"), "santral-fallback"}
        messages: list[str] = []
        take = floor.bridge._on_message
        floor.bridge._on_message = lambda message: (messages.append(message.name), take(message))[1]  # type: ignore[method-assign,func-returns-value]
        protocol = floor.bridge._manager.protocol  # type: ignore[union-attr]
        protocol._on_event = floor.bridge._on_message
        call = await floor.phone.dial("4000")
        await floor.seen.until(ami.QueueCallerJoin)
        await call.hangup()
        await floor.seen.until(ami.Hangup)
        assert set(messages) >= {"Newchannel", "QueueCallerJoin", "Hangup"}
        assert not set(messages) & set(ami.UNREAD)


async def test_who_is_not_served_goes_on_from_queue_to_queue(line: Asterisk) -> None:
    async with opened(line) as floor, floor.engine(into("first")):
        call = await floor.phone.dial("4000")
        last = await floor.seen.until(ami.QueueCallerJoin, 2)
        joined = [event.queue for event in floor.seen.of(ami.QueueCallerJoin)]
        assert joined == ["first", "third"]  # nobody works in the second: it is not even entered
        first = floor.seen.of(ami.QueueCallerJoin)[0]
        assert last.at - first.at >= 0.9
        await call.hangup()


async def test_a_waiting_queue_on_the_way_keeps_its_own_limit(line: Asterisk) -> None:
    async with opened(line) as floor, floor.engine(into("first")):
        silent = actions.QueueAdd("second", "Local/silent@test-agent/n", "Silent")
        await floor.bridge.send(silent)
        call = await floor.phone.dial("4000")
        await floor.seen.until(ami.QueueCallerJoin, 3)
        joined = [(event.queue, event.at) for event in floor.seen.of(ami.QueueCallerJoin)]
        assert [queue for queue, _ in joined] == ["first", "second", "third"]
        await call.hangup()
        await floor.bridge.send(actions.QueueRemove("second", "Local/silent@test-agent/n"))


async def test_only_agents_with_the_skill_are_asked_at_first(line: Asterisk) -> None:
    async with opened(line) as floor, floor.engine(into("skilled")):
        for penalty in (2, 0):
            await floor.bridge.send(
                actions.QueueAdd(
                    "skilled", f"Local/silent@test-agent/n{penalty}", f"P{penalty}", penalty
                )
            )
        call = await floor.phone.dial("4000")
        called = await floor.seen.until(ami.AgentCalled)
        assert called.member_name == "P0"
        await call.hangup()


async def test_the_last_agent_first_and_then_the_queue(line: Asterisk) -> None:
    last = Caller(last_agent="ayse", last_spoke=999.0)
    personal = personal_queue("ayse")
    async with opened(line) as floor, floor.engine(into("third", last)):
        await floor.bridge.send(actions.QueueAdd(personal, "Local/silent@test-agent/n", "Ayşe"))
        call = await floor.phone.dial("4000")
        await floor.seen.until(ami.QueueCallerJoin, 2)
        joined = [event.queue for event in floor.seen.of(ami.QueueCallerJoin)]
        assert joined == [personal, "third"]
        assert floor.seen.of(ami.AgentCalled)[0].queue == personal
        await call.hangup()
        await floor.bridge.send(actions.QueuePause("Local/silent@test-agent/n", True))
    async with opened(line) as floor, floor.engine(into("third", last)):
        call = await floor.phone.dial("4000")
        assert (await floor.seen.until(ami.QueueCallerJoin)).queue == "third"
        await call.hangup()


@pytest.mark.parametrize("back", ["", "1"])
async def test_a_key_asks_to_be_called_back(line: Asterisk, back: str) -> None:
    async with opened(line) as floor, floor.engine(into("first", back=back, timeout="9")) as told:
        call = await floor.phone.dial("4000")
        joined = await floor.seen.until(ami.QueueCallerJoin)
        with suppress(CallOver):  # the dialplan acts on the key before it is let go
            await call.press("1")
        asked = await floor.seen.until(ami.UserEvent)
        assert (asked.name, dict(asked.said)) == (
            "SantralCallback",
            {
                "Queue": "first",
                "Number": "",
                "QueuePriority": "0",
            },  # the account's caller id has no digits
        )
        assert asked.channel is not None
        assert asked.channel.call == joined.channel.call != ""
        await call.until_over(5)
    outcomes = [visit.query["outcome"] for visit in told.visits]
    assert outcomes == (["", "callback"] if back else [""])


async def test_a_callback_comes_in_at_the_front(line: Asterisk) -> None:
    async with opened(line) as floor, floor.engine(into("third")):
        waiting = await floor.phone.dial("4000")
        await floor.seen.until(ami.QueueCallerJoin)
        variables = {
            "SANTRAL_DONE": "queue", "SANTRAL_TO": "third", "SANTRAL_POSITION": "1",
            "__SANTRAL_CALL": "callback-1",
        }  # fmt: skip
        await floor.bridge.send(
            actions.Originate(
                "Local/answers@test-agent", "santral-done", "queue", variables=variables
            )
        )
        again = await floor.seen.until(ami.QueueCallerJoin, 2)
        assert (again.position, again.count) == (1, 2)
        assert again.channel.call == "callback-1"
        await waiting.hangup()
        await floor.bridge.send(actions.Hangup(again.channel.unique_id))


async def test_a_callback_from_key_to_talk(line: Asterisk, tmp_path: Path) -> None:
    """They press 1 and are called back when their turn has come; an agent talks to them."""
    bus = LocalBus()

    async def history(_: str) -> list[Entry]:
        return []

    floor = the_floor.Floor(bus, NoRecords(), history)
    async with opened(line) as here, here.engine(into("first", timeout="9")):
        callbacks = Callbacks(
            here.bridge, floor, bus, lambda: QUEUES, lambda _: "Local/answers@test-agent/n",
            KeepInFile(tmp_path / "callbacks.json"),
        )  # fmt: skip

        def take(event: ami.Event) -> None:
            floor.on_event(event)
            callbacks.on_event(event)
            here.seen(event)

        here.bridge._sink = take
        take(here.seen.of(ami.Snapshot)[0])
        await here.bridge.send(
            actions.QueueAdd("first", "Local/talks@test-agent/n", "T", paused=True)
        )
        call = await here.phone.dial("4000")
        await here.seen.until(ami.QueueCallerJoin)
        with suppress(CallOver):
            await call.press("1")
        await here.seen.until(ami.UserEvent)
        await call.until_over(5)
        (asked,) = callbacks.waiting("first")
        assert asked.state == State.WAITING  # everybody is paused
        await here.bridge.send(actions.QueuePause("Local/talks@test-agent/n", False))
        again = await here.seen.until(ami.QueueCallerJoin, 2)
        assert (again.queue, again.position) == ("first", 1)
        connected = await here.seen.until(ami.AgentConnect)
        assert connected.channel.call == again.channel.call != asked.call
        assert callbacks.waiting() == ()
        await callbacks.close()
        await floor.close()
