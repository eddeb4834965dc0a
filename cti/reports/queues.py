"""Queues: how many came, how long they waited, who reached an agent and who gave up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from cti.db.models import WAITS
from cti.reports.period import slot_where
from cti.reports.query import Query, Sums, add, visit_sums
from cti.reports.table import Column, Row, Table, mean, share

NAME: Final = "queues"
TITLE: Final = {"tr": "Kuyruklar", "en": "Queues"}
NOT_DIVERTED: Final = ("handled", "abandoned", "")
SHORT: Final = 5  # seconds; one of WAITS
LEVELS: Final = (10, 20, 30, 60)
COLUMNS: Final = (
    Column("slot", "slot", {"tr": "Zaman", "en": "Time"}),
    Column("queue", "text", {"tr": "Kuyruk", "en": "Queue"}),
    Column("offered", "count", {"tr": "Gelen", "en": "Offered"}, {}),
    Column("handled", "count", {"tr": "Görüşülen", "en": "Handled"}, {"outcome": "handled"}),
    Column("abandoned", "count", {"tr": "Vazgeçen", "en": "Abandoned"}, {"outcome": "abandoned"}),
    Column("short", "count", {"tr": "Hemen vazgeçen", "en": "Short abandons"}),
    Column("diverted", "count", {"tr": "Başka yere giden", "en": "Diverted"},
           {"outcome": "overflow|timeout|callback|full|empty|left|unknown"}),
    Column("waiting", "count", {"tr": "Bekleyen", "en": "Waiting"}, {"outcome": ""}),
    *(Column(f"level_{limit}", "percent",
             {"tr": f"Hizmet düzeyi ({limit} sn)", "en": f"Service level ({limit} s)"})
      for limit in LEVELS),
    Column("asa", "seconds", {"tr": "Ortalama yanıt süresi", "en": "ASA"}),
    Column("longest", "seconds", {"tr": "En uzun bekleme", "en": "Longest wait"}),
    Column("patience", "seconds", {"tr": "Vazgeçene kadar", "en": "Wait of abandoned"}),
    Column("aht", "seconds", {"tr": "Ortalama işlem süresi", "en": "AHT"}),
    Column("talk", "seconds", {"tr": "Görüşme", "en": "Talk"}),
    Column("hold", "seconds", {"tr": "Bekletme", "en": "Hold"}),
    Column("wrap_up", "seconds", {"tr": "Toparlama", "en": "Wrap-up"}),
    Column("transfer_rate", "percent", {"tr": "Aktarma", "en": "Transfer rate"}),
)  # fmt: skip


async def report(connection: AsyncConnection, query: Query) -> Table:
    """One row for each queue in each slot; a caller in two queues was offered to both."""
    sums = await visit_sums(connection, query, ("queue", "outcome"))
    rows: dict[tuple[Any, ...], Sums] = {}
    everything: Sums = {}
    for (at, queue, outcome), values in sums.items():
        add(rows.setdefault((at, queue), {}), (outcome,), values)
        add(everything, (outcome,), values)
    made = [
        Row(
            {"slot": at[1], "queue": queue, **measures(by_outcome)},
            {"queue": queue, **slot_where(query.unit, at[0], query.period.zone)},
        )
        for (at, queue), by_outcome in sorted(rows.items(), key=lambda item: item[0])
    ]
    total = Row({"slot": "", "queue": "", **measures(everything)})
    return Table(NAME, COLUMNS, made, total, of="visits")


def measures(by_outcome: Sums) -> Mapping[str, Any]:
    """The measures of a row by what its visits' outcomes add up to."""
    none: Mapping[str, float] = {}

    def of(outcome: str, name: str) -> float:
        return by_outcome.get((outcome,), none).get(name, 0.0)

    offered = int(sum(values["visits"] for values in by_outcome.values()))
    handled, abandoned, waiting = (int(of(name, "visits")) for name in ("handled", "abandoned", ""))
    short = int(of("abandoned", f"within_{SHORT}"))
    diverted = offered - handled - abandoned - waiting
    parts = {
        "talk": of("handled", "talked"),
        "hold": of("handled", "held"),
        "wrap_up": of("handled", "wrapped"),
    }
    return {
        "offered": offered,
        "handled": handled,
        "abandoned": abandoned,
        "short": short,
        "diverted": diverted,
        "waiting": waiting,
        **{
            f"level_{limit}": share(of("handled", f"within_{limit}"), handled + abandoned - short)
            for limit in LEVELS
        },
        "asa": mean(of("handled", "waited"), handled),
        "longest": max((values["longest"] for values in by_outcome.values()), default=0.0),
        "patience": mean(of("abandoned", "waited"), abandoned),
        "aht": mean(sum(parts.values()), handled),
        **{name: mean(seconds, handled) for name, seconds in parts.items()},
        "transfer_rate": share(of("handled", "transferred"), handled),
    }


assert {SHORT, *LEVELS} <= set(WAITS)
