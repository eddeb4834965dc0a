import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest
from pydantic import SecretStr

from cti.ami import actions, events
from cti.ami.bridge import Account, Bridge, delays
from cti.ami.events import UNREAD
from ivr.errors import ActionNotSent, ActionRefused, BadInput, LineLost, ReplyOverdue
from tests.fakes.manager import FakeManager, Member, event, fake_manager

E = TypeVar("E", bound=events.Event)


class Sink(list[events.Event]):
    """Takes events; `until` waits for one of a kind."""

    def __init__(self) -> None:
        self.news = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, event: events.Event) -> None:
        self.append(event)
        task = asyncio.ensure_future(self._tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self) -> None:
        async with self.news:
            self.news.notify_all()

    async def until(self, kind: type[E], count: int = 1) -> E:
        async with asyncio.timeout(5), self.news:
            await self.news.wait_for(lambda: len(self.of(kind)) >= count)
        return self.of(kind)[count - 1]

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self if type(event) is kind]


def account(fake: FakeManager, secret: str = "") -> Account:
    return Account(fake.user, SecretStr(secret or fake.secret), port=fake.port)


@asynccontextmanager
async def connected(fake: FakeManager) -> AsyncIterator[tuple[Bridge, Sink]]:
    sink = Sink()
    async with Bridge(account(fake), sink) as bridge:
        await bridge.ready(5)
        yield bridge, sink


async def test_it_logs_in_without_sending_the_secret_and_reads_the_state_first() -> None:
    async with fake_manager() as fake:
        fake.queues["destek"]["PJSIP/ayse"] = Member("PJSIP/ayse", "Ayşe", penalty=2)
        fake.contacts.append("ayse")
        fake.channels.append(
            event("CoreShowChannel", ("Channel", "PJSIP/a-1"), ("Uniqueid", "1.1"))
        )
        async with connected(fake) as (_, sink):
            snapshot = sink[0]
            assert isinstance(snapshot, events.Snapshot)
            assert [channel.channel.unique_id for channel in snapshot.channels] == ["1.1"]
            assert [queue.queue for queue in snapshot.queues] == ["destek"]
            assert [(m.member_name, m.penalty) for m in snapshot.members] == [("Ayşe", 2)]
            assert snapshot.devices is not None
            assert [phone.device for phone in snapshot.devices] == ["PJSIP/ayse"]
        assert all(fake.secret not in action["_raw"] for action in fake.received)
        assert fake.actions("Filter") == []


async def test_what_asterisk_can_keep_back_it_is_asked_to() -> None:
    async with fake_manager() as fake:
        async with Bridge(account(fake), Sink(), unread=UNREAD) as bridge:
            await bridge.ready(5)
        assert [action["MatchCriteria"] for action in fake.actions("Filter")] == [
            f"name({name}),action(exclude)" for name in UNREAD
        ]


async def test_without_the_permission_it_does_without_filters_and_devices() -> None:
    refuse = {"Filter": "Permission denied", "DeviceStateList": "Invalid/unknown command"}
    sink = Sink()
    async with fake_manager(refuse=refuse) as fake:
        async with Bridge(account(fake), sink, unread=UNREAD) as bridge:
            await bridge.ready(5)
        assert len(fake.actions("Filter")) == 1
    snapshot = sink.of(events.Snapshot)[0]
    assert snapshot.devices is None


@pytest.mark.parametrize("piece", [1, 3, 1000])
async def test_letters_cut_in_two_by_the_network_arrive_whole(piece: int) -> None:
    async with fake_manager(piece=piece) as fake, connected(fake) as (bridge, sink):
        await bridge.send(actions.QueueAdd("destek", "PJSIP/ayse", "Müşteri Işık"))
        added = await sink.until(events.QueueMemberAdded)
        assert added.member_name == "Müşteri Işık"


async def test_queue_add_is_answered_once_and_soon() -> None:
    async with fake_manager() as fake, connected(fake) as (bridge, _):
        reply = await bridge.send(actions.QueueAdd("destek", "PJSIP/ayse"), deadline=2)
        assert reply.message == "Added interface to queue"
        reply = await bridge.send(actions.Originate("PJSIP/a", application="Echo"), deadline=2)
        assert reply.message == "Originate successfully queued"


async def test_a_refusal_says_what_asterisk_said() -> None:
    async with fake_manager() as fake, connected(fake) as (bridge, _):
        with pytest.raises(ActionRefused, match="No such queue"):
            await bridge.send(actions.QueueAdd("yok", "PJSIP/ayse"))
        with pytest.raises(ActionRefused, match="Interface not found"):
            await bridge.send(actions.QueuePause("PJSIP/ayse", True))


async def test_line_breaks_never_reach_the_wire() -> None:
    async with fake_manager() as fake, connected(fake) as (bridge, _):
        before = len(fake.received)
        with pytest.raises(BadInput):
            await bridge.send(actions.Hangup("x\r\n\r\nAction: Reload"))
        with pytest.raises(BadInput):
            await bridge.send(
                actions.Originate("PJSIP/a", application="Echo", variables={"A": "1\nB: 2"})
            )
        await bridge.send(actions.Ping())
        assert [action["Action"] for action in fake.received[before:]] == ["Ping"]


async def test_an_unanswered_action_fails_in_time_and_its_late_answer_harms_nobody() -> None:
    async with fake_manager(deaf={"Hangup"}) as fake, connected(fake) as (bridge, _):
        with pytest.raises(ReplyOverdue, match=r"Hangup.*0\.01 s"):
            await bridge.send(actions.Hangup("PJSIP/a-1"), deadline=0.01)
        number = fake.actions("Hangup")[0]["ActionID"]
        fake.say(f"Response: Success\r\nActionID: {number}\r\nMessage: late\r\n\r\n")
        assert (await bridge.send(actions.Ping())).get("Ping") == "Pong"


async def test_an_action_is_never_sent_again_after_a_reconnect() -> None:
    async with fake_manager(deaf={"Originate"}) as fake, connected(fake) as (bridge, sink):
        call = asyncio.ensure_future(bridge.send(actions.Originate("PJSIP/a", application="Echo")))
        await fake.got("Originate")
        fake.drop()
        with pytest.raises(LineLost, match="outcome unknown"):
            await call
        await sink.until(events.Snapshot, 2)
        fake.deaf.clear()
        await bridge.send(actions.Ping())
        assert len(fake.actions("Originate")) == 1


async def test_after_a_restart_of_asterisk_the_state_is_read_again() -> None:
    async with fake_manager() as fake, connected(fake) as (bridge, sink):
        fake.queues["destek"]["PJSIP/ayse"] = Member("PJSIP/ayse", "Ayşe")
        await fake.stop()
        await sink.until(events.Disconnected)
        assert not bridge.connected
        with pytest.raises(ActionNotSent):
            await bridge.send(actions.Ping())
        fake.queues = {"destek": {}, "satis": {}}
        await fake.start()
        snapshot = await sink.until(events.Snapshot, 2)
        assert [queue.queue for queue in snapshot.queues] == ["destek", "satis"]
        assert snapshot.members == ()
        assert [type(found) for found in sink[1:3]] == [events.Disconnected, events.Snapshot]


async def test_events_during_the_reading_follow_the_snapshot() -> None:
    def meanwhile(action: dict[str, str]) -> str:
        if action["Action"] != "CoreShowChannels":
            return ""
        return event("Newchannel", ("Channel", "PJSIP/b-2"), ("Uniqueid", "2.2"))

    async with (
        fake_manager(before_list_end=meanwhile) as fake,
        connected(fake) as (_, sink),
    ):
        assert [type(found) for found in sink] == [
            events.Snapshot,
            events.Newchannel,
        ]


async def test_it_waits_for_the_end_of_the_boot() -> None:
    async with fake_manager(booted=False) as fake:
        sink = Sink()
        async with Bridge(account(fake), sink) as bridge:
            await fake.got("Login")
            with pytest.raises(ActionNotSent):
                await bridge.ready(0.05)
            assert fake.actions("QueueStatus") == []
            fake.say(event("FullyBooted", ("Uptime", 3)))
            await bridge.ready(5)


async def test_a_wrong_secret_is_told_and_not_hammered(caplog: pytest.LogCaptureFixture) -> None:
    async with fake_manager() as fake:
        async with Bridge(account(fake, "wrong"), Sink()) as bridge:
            with caplog.at_level(logging.WARNING), pytest.raises(ActionNotSent) as refused:
                await bridge.ready(0.7)
        assert "Authentication failed" in str(refused.value)
        assert len(fake.actions("Login")) <= 5
        assert "wrong" not in caplog.text
        assert caplog.text.count("Authentication failed") == 1


async def test_nobody_there_is_told() -> None:
    async with fake_manager() as fake:
        pass
    async with Bridge(account(fake), Sink()) as bridge:
        with pytest.raises(ActionNotSent, match=str(fake.port)):
            await bridge.ready(0.2)


async def test_another_protocol_is_left_alone() -> None:
    async def ssh(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")

    server = await asyncio.start_server(ssh, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Bridge(Account("a", SecretStr("b"), port=port), Sink()) as bridge:
        with pytest.raises(ActionNotSent):
            await bridge.ready(0.2)


async def test_a_connection_that_no_longer_answers_is_dropped() -> None:
    async with fake_manager() as fake, connected(fake) as (bridge, sink):
        fake.deaf.add("Ping")
        assert bridge._manager is not None
        bridge._manager.ping()  # panoramisk's own timer does this every ten seconds
        bridge._manager.ping()
        await sink.until(events.Disconnected)
        fake.deaf.clear()
        await sink.until(events.Snapshot, 2)


async def test_nothing_happens_after_the_end() -> None:
    async with fake_manager() as fake:
        async with connected(fake) as (bridge, sink):
            pass
        seen = len(sink)
        connections = fake.connections
        fake.drop()
        await asyncio.sleep(0.3)
        assert len(sink) == seen
        assert fake.connections == connections
        with pytest.raises(ActionNotSent):
            await bridge.send(actions.Ping())


async def test_closed_while_it_waits_to_reconnect_it_stays_closed() -> None:
    async with fake_manager() as fake:
        async with connected(fake) as (_, sink):
            await fake.stop()
            await sink.until(events.Disconnected)
        await fake.start()
        connections = fake.connections
        await asyncio.sleep(0.4)
        assert fake.connections == connections


def test_it_can_be_made_outside_a_running_loop() -> None:
    assert not Bridge(Account("a", SecretStr("b")), Sink()).connected


async def test_an_answer_that_is_an_event_of_another_kind_is_not_taken_for_one() -> None:
    """OriginateResponse carries the ActionID and a Response header; so does a UserEvent."""
    async with fake_manager(deaf={"Originate"}) as fake, connected(fake) as (bridge, sink):
        call = asyncio.ensure_future(bridge.send(actions.Originate("PJSIP/a", application="Echo")))
        (sent,) = await fake.got("Originate")
        number = sent["ActionID"]
        fake.say(
            event("OriginateResponse", ("ActionID", number), ("Response", "Failure"))
            + f"Response: Success\r\nActionID: {number}\r\nMessage: queued\r\n\r\n"
        )
        assert (await call).message == "queued"
        assert (await sink.until(events.OriginateResponse)).response == "Failure"


async def test_an_error_that_means_none_is_an_empty_list() -> None:
    said = {"ShowDialPlan": "Did not find extension 4711@xfer"}
    async with fake_manager(refuse=said) as fake, connected(fake) as (bridge, _):
        assert (await bridge.send(actions.ShowDialPlan("xfer", "4711"))).items == ()


def test_waits_grow_to_about_a_second() -> None:
    waits = delays()
    found = [next(waits) for _ in range(8)]
    assert 0.08 <= found[0] <= 0.12
    assert 0.8 <= found[-1] <= 1.2
