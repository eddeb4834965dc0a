"""Captures of a real Asterisk through the floor: which pops reach whom, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from cti.ami import events as ami
from cti.bus import Item, LocalBus
from cti.floor import FLOOR, Floor, agent_topic
from cti.queues import personal_queue
from cti.screenpop import Card, Pop, PopState
from ivr import events as ivr
from ivr.errors import LookupFailed
from tests.cti.ami import captures

CALL = "lab-850-05321112233"
AYSE, BORA = "PJSIP/ayse", "PJSIP/bora"
NUMBER = "+905321112233"
STARTED = ivr.CallStarted("shop", "v1", "tr", caller=NUMBER, dialled="850")
CARD = Card(True, {"name": "Ayşe Yılmaz"}, "gold", ({"number": "1234"},))


class Shop:
    """Customers in memory; `gate` holds answers back until it is set."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.broken = False

    async def card(self, phone: str) -> Card:
        self.asked.append(phone)
        await self.gate.wait()
        if self.broken:
            raise LookupFailed
        return CARD if phone == NUMBER else Card()


class Desk:
    """The floor, and everything that reaches each agent."""

    def __init__(self, history: Sequence[ivr.Entry] = ()) -> None:
        self.shop, self.bus, self.heard = Shop(), LocalBus(), list[Pop]()
        self.history = history
        self.floor = Floor(self.bus, self.shop, self._history, [self.heard.append])
        self.queues = {name: self.bus.subscribe([agent_topic(name)]) for name in (AYSE, BORA)}

    async def _history(self, call: str) -> Sequence[ivr.Entry]:
        return [entry for entry in self.history if entry.call == call]

    def tell(self, *events: ivr.Event) -> None:
        for number, event in enumerate(events, 1):
            self.floor.on_entry(ivr.Entry(CALL, number, 100.0 + number, event))

    def play(self, name: str, until: type[ami.Event] | None = None) -> None:
        for event in captures.events(name):
            self.floor.on_event(event)
            if type(event) is until:
                return

    async def pops(self, agent: str) -> list[Pop]:
        found = []
        while isinstance(item := await self.queues[agent].next(0), Item):
            if item.kind == "pop":
                found.append(item.value)
        return found


async def quiet() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


STORY = (
    STARTED,
    ivr.StepEntered("shop", "menu", "menu"),
    ivr.Heard("keys", "1", answer="orders"),
    ivr.Transferred("destek", "queue", "late order"),
)


async def test_the_pop_is_whole_before_the_phone_rings() -> None:
    desk = Desk()
    desk.tell(*STORY)
    await quiet()
    desk.play("answered", until=ami.AgentCalled)  # no await between the event and the bus
    (shown,) = await desk.pops(AYSE)
    assert (shown.state, shown.revision) == (PopState.RINGING, 1)
    assert shown.card == CARD
    assert (shown.call, shown.agent_name, shown.why) == (CALL, "Ayşe", "late order")
    assert [station.step for station in shown.path] == ["menu"]
    assert await desk.pops(BORA) == []
    assert desk.shop.asked == [NUMBER]


async def test_a_call_for_their_last_agent_is_for_the_queue_it_was_sent_to() -> None:
    desk = Desk()
    desk.tell(*STORY)
    for event in captures.events("answered"):
        if isinstance(event, ami.AgentCalled):
            event = replace(event, queue=personal_queue("ayse"))
        desk.floor.on_event(event)
    assert {shown.queue for shown in await desk.pops(AYSE)} == {"destek"}
    assert desk.floor.queue_meant(CALL, "iade") == "iade"


async def test_a_call_from_ring_to_end() -> None:
    desk = Desk()
    desk.tell(*STORY)
    await quiet()
    desk.play("answered")
    shown = await desk.pops(AYSE)
    assert [pop.state for pop in shown] == [PopState.RINGING, PopState.ANSWERED, PopState.OVER]
    assert [pop.revision for pop in shown] == [1, 2, 3]
    assert len({pop.id for pop in shown}) == 1
    assert desk.floor.pops(AYSE) == ()
    assert desk.heard == shown


async def test_records_that_are_slow_come_as_the_next_revision() -> None:
    desk = Desk()
    desk.shop.gate.clear()
    desk.tell(*STORY)
    desk.play("answered", until=ami.AgentCalled)
    (first,) = await desk.pops(AYSE)
    assert first.card is None
    await quiet()
    desk.shop.gate.set()
    await quiet()
    (second,) = await desk.pops(AYSE)
    assert (second.revision, second.card) == (2, CARD)
    await desk.floor.close()


async def test_records_that_are_broken_do_not_keep_the_pop_back() -> None:
    desk = Desk()
    desk.shop.broken = True
    desk.tell(*STORY)
    await quiet()
    desk.play("answered", until=ami.AgentCalled)
    (shown,) = await desk.pops(AYSE)
    assert shown.card is None
    await quiet()
    assert await desk.pops(AYSE) == []
    await desk.floor.close()


async def test_a_story_of_another_engine_is_read_from_the_journal() -> None:
    desk = Desk([ivr.Entry(CALL, n, 100.0 + n, event) for n, event in enumerate(STORY, 1)])
    desk.play("answered", until=ami.AgentCalled)
    (first,) = await desk.pops(AYSE)
    assert (first.path, first.caller) == ((), "05321112233")
    await quiet()
    (second,) = await desk.pops(AYSE)
    assert ([s.step for s in second.path], second.caller, second.card) == (["menu"], NUMBER, CARD)
    await desk.floor.close()


async def test_the_one_who_did_not_answer_is_told_and_the_next_one_rings() -> None:
    desk = Desk()
    desk.tell(*STORY)
    await quiet()
    desk.play("no_answer")
    assert [p.state for p in await desk.pops(AYSE)][-1] == PopState.MISSED
    assert [p.state for p in await desk.pops(BORA)] == [
        PopState.RINGING,
        PopState.ANSWERED,
        PopState.OVER,
    ]


async def test_a_caller_who_gives_up_takes_the_pop_along() -> None:
    desk = Desk()
    desk.play("abandoned")
    await quiet()
    assert [p.state for p in desk.heard][-1] == PopState.GONE
    assert desk.floor.pops(AYSE) == ()
    await desk.floor.close()


async def test_the_one_a_call_is_transferred_to_gets_the_whole_story() -> None:
    for capture in ("blind_transfer", "attended_transfer"):
        desk = Desk()
        desk.tell(*STORY)
        await quiet()
        desk.play(capture)
        to_bora = await desk.pops(BORA)
        assert [p.state for p in to_bora] == [
            PopState.RINGING,
            PopState.ANSWERED,
            PopState.OVER,
        ], capture
        assert (to_bora[0].call, to_bora[0].queue, to_bora[0].card) == (CALL, "", CARD)
        assert [station.step for station in to_bora[0].path] == ["menu"]
        await desk.floor.close()


async def test_after_a_restart_no_pop_is_left_open() -> None:
    desk = Desk()
    desk.tell(*STORY)
    await quiet()
    desk.play("restarted", until=ami.CoreShowChannel)
    assert [p.state for p in desk.floor.pops(AYSE)] == [PopState.ANSWERED]
    desk.floor.on_event(ami.Disconnected(5e9, "gone"))
    assert len(desk.floor.pops(AYSE)) == 1
    desk.floor.on_event(ami.Snapshot(5e9))
    assert desk.floor.pops(AYSE) == ()
    assert [p.state for p in await desk.pops(AYSE)][-1] == PopState.OVER


async def test_after_a_restart_of_ours_the_talks_that_go_on_have_their_pops_again() -> None:
    from tests.cti.live.test_live import snapshot

    desk = Desk([ivr.Entry(CALL, n, 100.0 + n, event) for n, event in enumerate(STORY, 1)])
    first, _ = captures.connections("restarted")
    desk.floor.on_event(snapshot(first, 5e9))
    await quiet()
    (shown,) = desk.floor.pops(AYSE)
    assert (shown.state, shown.call, shown.card) == (PopState.ANSWERED, CALL, CARD)
    assert [station.step for station in shown.path] == ["menu"]
    await desk.floor.close()


async def test_supervisors_see_every_change_and_agents_their_own() -> None:
    desk = Desk()
    with desk.bus.subscribe([FLOOR]) as page:
        desk.play("answered")
        kinds = set()
        while isinstance(item := await page.next(0), Item):
            kinds.add((item.kind, item.key))
    assert kinds >= {("call", CALL), ("queue", "destek"), ("agent", AYSE)}
    await desk.floor.close()


async def test_a_story_lasts_as_long_as_the_call_and_no_longer() -> None:
    desk = Desk()
    events = captures.events("answered")
    joins = next(n for n, event in enumerate(events) if isinstance(event, ami.QueueCallerJoin))
    for event in events[:joins]:
        desk.floor.on_event(event)
    desk.tell(*STORY, ivr.CallEnded("transfer"))  # the conversation ends before the queue begins
    await quiet()
    for event in events[joins:]:
        desk.floor.on_event(event)
    shown = await desk.pops(AYSE)
    assert [station.step for station in shown[0].path] == ["menu"]
    assert desk.floor.story(CALL) is None
    await desk.floor.close()


async def test_a_story_is_put_together_when_somebody_asks() -> None:
    """Most calls never reach a person: the second asking has only what came since."""
    desk = Desk()
    started = ivr.CallStarted("order_line", "v1", "tr", "+905321112233", "100")
    entries = [
        ivr.Entry("c1", 1, 1.0, started),
        ivr.Entry("c1", 2, 2.0, ivr.StepEntered("order_line", "main", "menu", "start")),
        ivr.Entry("c1", 3, 3.0, ivr.VariableSet("number", "1234")),
    ]
    for entry in entries:
        desk.floor.on_entry(entry)
    story = desk.floor.story("c1")
    assert story is not None
    assert [station.step for station in story.path] == ["main"]
    desk.floor.on_entry(ivr.Entry("c1", 4, 4.0, ivr.StepEntered("order_line", "find", "lookup")))
    later = desk.floor.story("c1")
    assert later is not None
    assert [station.step for station in later.path] == ["main", "find"]
    assert later.variables == {"number": "1234"}
    assert later.last_sequence == 4
    await desk.floor.close()
