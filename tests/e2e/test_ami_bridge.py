"""The bridge against a real Asterisk."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from cti.ami import actions, events
from cti.ami.bridge import Account, Bridge
from cti.ami.events import UNREAD
from cti.asterisk import Installation
from ivr.errors import ActionNotSent, ActionRefused
from tests.cti.ami.test_bridge import Sink
from tests.fakes.asterisk_lab import USER, Lab, lab
from tests.fakes.sip_phone import RING, SipPhone

pytestmark = pytest.mark.asterisk


@pytest.fixture
async def asterisk(tmp_path: Path, installation: Installation) -> AsyncIterator[Lab]:
    async with lab(tmp_path, installation) as running:
        yield running


def account(asterisk: Lab) -> Account:
    return Account(USER, SecretStr(asterisk.secret), port=asterisk.manager)


async def test_a_queue_call_is_told_and_unread_events_are_not_sent(asterisk: Lab) -> None:
    sink = Sink()
    async with Bridge(account(asterisk), sink, unread=UNREAD) as bridge:
        await bridge.ready(10)
        phone = await SipPhone.open("ayse", ("127.0.0.1", asterisk.sip))
        await phone.register()
        caller = await SipPhone.open("musteri", ("127.0.0.1", asterisk.sip))
        await bridge.send(actions.QueueAdd("destek", "PJSIP/ayse", "Ayşe"))
        dialog = await caller.call("850")
        called = await sink.until(events.AgentCalled)
        assert (called.member_name, called.channel.caller_name) == ("Ayşe", "Müşteri Işık")
        assert called.channel.call == "lab-850-05321112233"
        await sink.until(events.AgentConnect)
        await caller.hangup(dialog)
        assert (await sink.until(events.AgentComplete)).reason == "caller"
        phone.close()
        caller.close()
    assert "is unknown" not in asterisk.log  # Asterisk took every filter


async def test_filters_keep_events_away(asterisk: Lab) -> None:
    seen: list[str] = []
    bridge = Bridge(account(asterisk), Sink(), unread=UNREAD)
    take = bridge._on_message
    bridge._on_message = lambda message: (seen.append(message.name), take(message))[1]  # type: ignore[method-assign,func-returns-value]
    async with bridge:
        await bridge.ready(10)
        await bridge.send(actions.Originate("Local/851@entry", application="Echo", id="leg"))
        async with asyncio.timeout(5):
            while "OriginateResponse" not in seen:
                await asyncio.sleep(0.01)
        await bridge.send(actions.Hangup("leg"))
    assert "Newchannel" in seen
    assert "LocalBridge" not in seen


async def test_asterisk_refuses_in_its_own_words(asterisk: Lab) -> None:
    async with Bridge(account(asterisk), Sink()) as bridge:
        await bridge.ready(10)
        with pytest.raises(ActionRefused, match="No such queue"):
            await bridge.send(actions.QueueAdd("yok", "PJSIP/ayse"))
        with pytest.raises(ActionRefused, match="No such channel"):
            await bridge.send(actions.Hangup("PJSIP/none-1"))
        assert (await bridge.send(actions.ShowDialPlan("xfer", "4711"))).items == ()
        assert (await bridge.send(actions.ShowDialPlan("phones", "4711"))).items != ()


async def test_after_a_restart_the_state_is_asterisks_and_an_originate_is_not_repeated(
    asterisk: Lab,
) -> None:
    sink = Sink()
    async with Bridge(account(asterisk), sink) as bridge:
        await bridge.ready(10)
        phone = await SipPhone.open("ayse", ("127.0.0.1", asterisk.sip), RING)
        await phone.register()
        await bridge.send(actions.QueueAdd("destek", "PJSIP/ayse", "Ayşe"))
        await bridge.send(
            actions.Originate("PJSIP/ayse", "entry", "854", id="attempt-9", ring_for=20)
        )
        await sink.until(events.DialBegin)
        await asterisk.stop(kill=True)
        await sink.until(events.Disconnected)
        await asterisk.start()
        snapshot = await sink.until(events.Snapshot, 2)
        assert snapshot.channels == ()
        assert snapshot.members == ()
        assert {queue.queue for queue in snapshot.queues} == {"destek", "satis"}
        await bridge.send(actions.Ping())
        shown = await bridge.send(actions.CoreShowChannels())
        assert shown.items == ()
        phone.close()


async def test_a_wrong_secret_is_told(asterisk: Lab) -> None:
    wrong = Account(USER, SecretStr("wrong"), port=asterisk.manager)
    async with Bridge(wrong, Sink()) as bridge:
        with pytest.raises(ActionNotSent, match="Authentication failed"):
            await bridge.ready(4)  # Asterisk takes a second before it refuses
