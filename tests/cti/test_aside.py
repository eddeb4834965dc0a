"""Callers who are with the IVR alone: the floor is the same whether or not they were set aside."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Sequence

import pytest

from cti.ami import events as ami
from cti.bus import Item, LocalBus
from cti.floor import FLOOR, Floor
from cti.screenpop import Card
from ivr import events as ivr
from tests.cti.ami import captures

CALL = "11111111-2222-3333-4444-555555555555"
LEG = "santral-1.7"
OURS = {"SANTRAL_CALL": CALL}
Told = ami.Event | ivr.Entry


class Nobody:
    async def card(self, phone: str) -> Card:
        return Card()


async def no_history(call: str) -> Sequence[ivr.Entry]:
    return ()


def floor(bus: LocalBus | None = None) -> Floor:
    return Floor(bus or LocalBus(), Nobody(), no_history)


def tell(where: Floor, things: Iterable[Told]) -> None:
    for one in things:
        if isinstance(one, ivr.Entry):
            where.on_entry(one)
        else:
            where.on_event(one)


def leg(state: int, ours: bool, unique: str = LEG, name: str = "PJSIP/trunk-1") -> ami.Channel:
    variables = OURS if ours else {}
    return ami.Channel(name, unique, LEG, state, "+905321112233", variables=variables)


NEW = ami.Newchannel(10.0, leg(4, False))
UP = ami.Newstate(11.0, leg(6, True))
GONE = ami.Hangup(20.0, leg(6, True), 16, "")
TALK = [
    ivr.Entry(CALL, 1, 10.5, ivr.CallStarted("shop", "v1", "tr", "+905321112233", "850")),
    ivr.Entry(CALL, 2, 10.6, ivr.StepEntered("shop", "welcome", "say")),
    ivr.Entry(CALL, 3, 12.0, ivr.StepEntered("shop", "menu", "menu")),
    ivr.Entry(CALL, 4, 13.0, ivr.Heard("keys", "1", answer="orders")),
    ivr.Entry(CALL, 5, 19.0, ivr.CallEnded("hangup")),
]
WHOLE: list[Told] = [NEW, TALK[0], TALK[1], UP, *TALK[2:], GONE]


@pytest.mark.parametrize("stop", range(1, len(WHOLE) + 1))
async def test_looking_at_any_moment_shows_what_a_watched_floor_shows(stop: int) -> None:
    bus = LocalBus()
    watched, alone = floor(bus), floor()
    with bus.subscribe([FLOOR]):
        tell(watched, WHOLE[:stop])
        tell(alone, WHOLE[:stop])
        assert alone.live == watched.live
        assert alone.story(CALL) == watched.story(CALL)
        tell(watched, WHOLE[stop:])  # and after the look it goes on alike
        tell(alone, WHOLE[stop:])
        assert alone.live == watched.live
    assert not alone.live.calls
    assert not alone.live.legs
    assert alone.story(CALL) is None
    await alone.close()
    await watched.close()


@pytest.mark.parametrize("late", [(TALK[4], GONE), (GONE, TALK[4])], ids=["talk", "leg"])
async def test_a_call_that_concerned_nobody_leaves_nothing(late: tuple[Told, Told]) -> None:
    alone = floor()
    tell(alone, [NEW, *TALK[:2], UP, *TALK[2:4]])
    assert not alone.here.calls
    tell(alone, late)
    assert not alone._aside
    assert not alone._untold
    assert not alone.live.calls
    assert alone.story(CALL) is None
    await alone.close()


async def test_a_queue_brings_the_caller_back_with_all_that_was_told() -> None:
    """The real Asterisk's calls, each with the conversation before it: as if it was watched."""
    for name in ("answered", "abandoned"):
        events = captures.events(name)
        joins = next(n for n, one in enumerate(events) if isinstance(one, ami.QueueCallerJoin))
        join = events[joins]
        assert isinstance(join, ami.QueueCallerJoin)
        call = join.channel.call
        talk: list[Told] = [one._replace(call=call) for one in TALK]
        told = [*events[: joins - 1], *talk, *events[joins - 1 :]]
        bus = LocalBus()
        watched, alone = floor(bus), floor()
        with bus.subscribe([FLOOR]):
            for one in told:
                tell(watched, [one])
                tell(alone, [one])
                if isinstance(one, ami.QueueCallerJoin):
                    assert call in alone.here.calls
                    assert alone.here.calls[call] == watched.live.calls[call]
            assert alone.live == watched.live
        await alone.close()
        await watched.close()


async def test_other_calls_stay_aside_while_a_queue_works() -> None:
    alone = floor()
    tell(alone, [NEW, *TALK[:3], UP])
    tell(alone, captures.events("answered"))
    assert CALL not in alone.here.calls
    assert alone.live.calls[CALL].step == "menu"
    await alone.close()


async def test_a_second_leg_is_somebody_elses_matter() -> None:
    alone = floor()
    tell(alone, [NEW, *TALK[:3], UP])
    tell(alone, [ami.Newchannel(14.0, leg(0, True, "santral-1.8", "PJSIP/ayse-2"))])
    assert set(alone.here.legs) == {LEG, "santral-1.8"}
    assert alone.here.calls[CALL].step == "menu"
    await alone.close()


async def test_a_page_that_opens_is_told_of_who_is_there() -> None:
    bus = LocalBus()
    alone = floor(bus)
    tell(alone, [NEW, *TALK[:3], UP])
    with bus.subscribe([FLOOR]) as page:
        item = await page.next(5.0)
        assert isinstance(item, Item)
        assert (item.kind, item.key) in set(itertools.product(["call"], [CALL, LEG]))
        tell(alone, [TALK[4]])  # from now on at once
        await asyncio.sleep(0)
        steps = []
        while isinstance(item := await page.next(0), Item):
            steps.append(item.value and item.value.in_flow)
        assert steps[-1] is False
    await alone.close()


async def test_a_trunk_is_a_device_and_nobodys_phone() -> None:
    """Asterisk's state names it beside the agents' phones."""
    alone = floor()
    device = ami.DeviceStateChange(1.0, "PJSIP/trunk", "NOT_INUSE")
    alone.on_event(ami.Snapshot(1.0, devices=(device,)))
    assert "PJSIP/trunk" in alone.live.agents
    alone.is_desk = lambda phone: phone == "PJSIP/ayse"
    tell(alone, [NEW, *TALK[:2], UP])
    assert not alone.here.legs
    other = leg(0, False, name="PJSIP/ayse-3")
    tell(alone, [GONE, TALK[4], ami.Newchannel(30.0, other)])
    assert set(alone.here.legs) == {LEG}
    await alone.close()
