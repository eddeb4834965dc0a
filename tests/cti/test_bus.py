import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cti.bus import ACKNOWLEDGE_WITHIN, KEEP, Item, LocalBus, Place, Resync


async def taken(subscription: object) -> list[object]:
    """Everything that waits."""
    found = []
    while (item := await subscription.next(0)) is not None:  # type: ignore[attr-defined]
        found.append(item)
    return found


def values(items: list[object]) -> list[object]:
    return [item.value if isinstance(item, Item) else "resync" for item in items]


async def test_everyone_on_a_topic_gets_it_and_nobody_else() -> None:
    bus = LocalBus()
    with bus.subscribe(["a"]) as one, bus.subscribe(["a", "b"]) as two:
        bus.publish("a", "pop", "1", "x")
        bus.publish("b", "pop", "2", "y")
        assert values(await taken(one)) == ["x"]
        assert values(await taken(two)) == ["x", "y"]


async def test_a_waiting_desk_is_woken() -> None:
    bus = LocalBus()
    with bus.subscribe(["a"]) as desk:
        waiting = asyncio.ensure_future(desk.next(5))
        await asyncio.sleep(0)
        bus.publish("a", "pop", "1", "x")
        item = await waiting
        assert isinstance(item, Item)
        assert item.value == "x"


async def test_nothing_for_a_while_is_none_and_a_closed_one_ends() -> None:
    bus = LocalBus()
    with bus.subscribe(["a"]) as desk:
        assert await desk.next(0.001) is None
        waiting = asyncio.ensure_future(desk.next(5))
        await asyncio.sleep(0)
    assert await waiting is None
    bus.publish("a", "pop", "1", "x")
    assert bus.subscribers() == {"a": 0}


@given(st.lists(st.sampled_from("abc"), max_size=60), st.integers(0, 60), st.randoms())
def test_a_reconnecting_desk_gets_exactly_what_it_missed(
    topics: list[str], cut: int, chance: random.Random
) -> None:
    async def run() -> None:
        bus = LocalBus()
        mine = ["a", "c"]
        seen: list[Item] = []
        place = Place(bus.epoch, 0)
        desk = bus.subscribe(mine, place)
        for number, topic in enumerate(topics):
            if number == cut or chance.random() < 0.2:
                desk.close()  # what waits in its queue is lost with the connection
                bus.publish(topic, "k", str(number), number)
                desk = bus.subscribe(mine, place)
            else:
                bus.publish(topic, "k", str(number), number)
            if chance.random() < 0.5 and (item := await desk.next(0)) is not None:
                assert isinstance(item, Item)
                seen.append(item)
                place = Place(bus.epoch, item.sequence)
        for item in await taken(desk):
            assert isinstance(item, Item)
            seen.append(item)
        wanted = [number for number, topic in enumerate(topics) if topic in mine]
        assert [item.value for item in seen] == wanted

    asyncio.run(run())


async def test_what_is_no_longer_kept_is_not_given_in_part() -> None:
    bus = LocalBus()
    first = bus.publish("a", "k", "0", 0)
    for number in range(KEEP):
        bus.publish("a", "k", str(number), number)
    with bus.subscribe(["a"], Place(bus.epoch, first.sequence)) as desk:
        assert len(values(await taken(desk))) == KEEP  # just all of it
    bus.publish("a", "k", "x", "x")
    with bus.subscribe(["a"], Place(bus.epoch, first.sequence)) as desk:
        assert await taken(desk) == [Resync(bus.sequence, ("a",))]


@pytest.mark.parametrize("place", [Place("other", 1), Place("here", 99)])
async def test_a_place_of_another_run_means_reading_anew(place: Place) -> None:
    bus = LocalBus(epoch="here")
    bus.publish("a", "k", "1", 1)
    with bus.subscribe(["a"], place) as desk:
        assert values(await taken(desk)) == ["resync"]
        bus.publish("a", "k", "2", 2)
        assert values(await taken(desk)) == [2]


async def test_a_desk_that_does_not_keep_up_is_told_so_and_harms_nobody() -> None:
    bus = LocalBus(queue=5)
    with bus.subscribe(["a"]) as slow, bus.subscribe(["a"]) as quick:
        for number in range(12):
            bus.publish("a", "k", str(number), number)
            assert values(await taken(quick)) == [number]
        items = await taken(slow)
        assert isinstance(items[0], Resync)
        rest = values(items[1:])
        assert rest == list(range(12 - len(rest), 12))
        assert items[0].sequence == 12 - len(rest)


async def test_a_new_desk_gets_what_nobody_has_acknowledged() -> None:
    now = [1000.0]
    bus = LocalBus(clock=lambda: now[0])
    shown = bus.publish("a", "pop", "1", "first", acknowledge=True)
    bus.publish("a", "pop", "2", "second", acknowledge=True)
    bus.publish("a", "change", "3", "not kept for new desks")
    assert bus.acknowledge("a", shown.sequence, "desk 1")
    assert not bus.acknowledge("a", shown.sequence, "desk 1")
    assert not bus.acknowledge("b", 5, "desk 1")
    with bus.subscribe(["a"]) as desk:
        assert values(await taken(desk)) == ["second"]
    bus.publish("a", "pop", "2", "second is over")
    with bus.subscribe(["a"]) as desk:
        assert await taken(desk) == []
    bus.publish("a", "pop", "4", "fourth", acknowledge=True)
    now[0] += ACKNOWLEDGE_WITHIN + 1
    with bus.subscribe(["a"]) as desk:
        assert await taken(desk) == []


async def test_an_acknowledged_item_is_still_given_to_the_tab_that_missed_it() -> None:
    bus = LocalBus()
    start = Place(bus.epoch, bus.sequence)
    item = bus.publish("a", "pop", "1", "x", acknowledge=True)
    bus.acknowledge("a", item.sequence, "tab 1")
    with bus.subscribe(["a"], start) as other_tab:
        assert values(await taken(other_tab)) == ["x"]


def test_an_item_is_encoded_once() -> None:
    made: list[int] = []

    def encode(item: Item) -> bytes:
        made.append(item.sequence)
        return b"x"

    item = LocalBus().publish("a", "k", "1", 1)
    assert item.encoded(encode) == item.encoded(encode) == b"x"
    assert made == [1]


def test_a_place_travels_as_text() -> None:
    place = Place("ab12", 7)
    assert Place.parse(str(place)) == place


@pytest.mark.parametrize(
    "text", ["", "7", "-7", "a-", "a-x", "a-٣", "a b-1", "a-" + "9" * 30, "<-1"]
)
def test_rubbish_is_no_place(text: str) -> None:
    assert Place.parse(text) is None
