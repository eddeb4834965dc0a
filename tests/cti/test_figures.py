"""The numbers of the day, from captures of a real Asterisk."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncEngine

from cti.ami import events as ami
from cti.bus import LocalBus
from cti.db.store.desk import DeskStore
from cti.figures import NUMBERS, Figures, add_up
from cti.floor import Floor
from cti.ledger import Span
from cti.queues import Queues
from tests.cti.agents.test_service import NoRecords, no_history
from tests.cti.ami import captures

ZONE = ZoneInfo("Europe/Istanbul")
QUEUES = Queues.model_validate({"queues": {"destek": {"service_level": "20s"}, "satis": {}}})


def figures(engine: AsyncEngine, events: list[ami.Event]) -> tuple[Figures, LocalBus]:
    bus = LocalBus()
    floor = Floor(bus, NoRecords(), no_history)  # type: ignore[arg-type]
    at = events[-1].at
    made = Figures(
        floor, DeskStore(engine), bus, lambda: QUEUES, lambda _: "ayse", ZONE, lambda: at + 60
    )
    for event in events:
        floor.on_event(event)
        made.on_event(event)
    return made, bus


async def test_an_answered_call_counts_once(sqlite_engine: AsyncEngine) -> None:
    made, bus = figures(sqlite_engine, list(captures.events("answered")))
    made.publish()
    destek, satis = made.numbers()
    assert (destek.offered, destek.answered, destek.abandoned, destek.level) == (1, 1, 0, 1.0)
    assert destek.waiting == 0
    assert satis.level is None
    told = [item.key for item in bus._topics[NUMBERS].kept]
    assert told == ["destek", "satis"]
    made.publish()
    assert len(bus._topics[NUMBERS].kept) == 2, "what has not changed is not told again"


async def test_who_gives_up_is_abandoned_and_not_left_as_well(sqlite_engine: AsyncEngine) -> None:
    made, _ = figures(sqlite_engine, list(captures.events("abandoned")))
    made.publish()
    destek, _ = made.numbers()
    assert (destek.offered, destek.answered, destek.abandoned) == (1, 0, 1)
    assert destek.level == 0.0


async def test_who_waits_is_shown_with_since_when(sqlite_engine: AsyncEngine) -> None:
    events = list(captures.events("answered"))
    joined = next(n for n, one in enumerate(events) if isinstance(one, ami.QueueCallerJoin))
    made, _ = figures(sqlite_engine, events[: joined + 1])
    destek, _ = made.numbers()
    assert (destek.waiting, destek.longest_since) == (1, events[joined].at)
    assert destek.offered == 0


def test_a_day_adds_up() -> None:
    def span(state: str, since: float, until: float, queue: str = "", reason: str = "") -> Span:
        return Span(f"{since}", "ayse", state, reason, queue, "c", since, until)

    spans = [
        span("ready", 50, 120),  # began before midnight (100)
        span("talking", 120, 180, "destek"),
        span("wrap_up", 180, 190),
        span("talking", 190, 220),  # outbound
        span("paused", 220, 250, reason="missed"),
        span("ready", 250, 0),  # goes on
    ]
    today = add_up(spans, since=100, now=300)
    assert (today.answered, today.outbound, today.missed) == (1, 1, 1)
    assert (today.talk, today.wrap_up, today.paused, today.ready) == (90, 10, 30, 70)
    assert (today.mean_talk, today.signed_in_since) == (45, 100)
