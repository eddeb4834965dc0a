"""Calls by time: how many came, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from cti.reports.period import slot_where
from cti.reports.query import Query, Sums, add, call_sums
from cti.reports.table import Column, Row, Table, mean, share

NAME: Final = "calls"
TITLE: Final = {"tr": "Aramalar", "en": "Calls"}
ENDINGS: Final = ("handled", "contained", "abandoned", "diverted", "waiting")
COLUMNS: Final = (
    Column("slot", "slot", {"tr": "Zaman", "en": "Time"}),
    Column("offered", "count", {"tr": "Gelen", "en": "Offered"}, {}),
    Column("handled", "count", {"tr": "Görüşülen", "en": "Handled"}, {"ending": "handled"}),
    Column("contained", "count", {"tr": "Sistemde çözülen", "en": "Contained"},
           {"ending": "contained"}),
    Column("abandoned", "count", {"tr": "Vazgeçen", "en": "Abandoned"}, {"ending": "abandoned"}),
    Column("diverted", "count", {"tr": "Başka yere giden", "en": "Diverted"},
           {"ending": "diverted"}),
    Column("waiting", "count", {"tr": "Süren", "en": "Not over"}, {"ending": "waiting"}),
    Column("containment", "percent", {"tr": "Sistemde çözülme", "en": "Containment"}),
    Column("abandonment", "percent", {"tr": "Vazgeçme", "en": "Abandonment"}),
    Column("duration", "seconds", {"tr": "Ortalama süre", "en": "Mean duration"}),
    Column("questions", "count", {"tr": "Soru", "en": "Questions"}),
    Column("no_inputs", "count", {"tr": "Sessizlik", "en": "No input"}, {"no_inputs>0": ""}),
    Column("no_matches", "count", {"tr": "Anlaşılmayan", "en": "No match"}, {"no_matches>0": ""}),
    Column("faults", "count", {"tr": "Arıza", "en": "Faults"}, {"faults>0": ""}),
)  # fmt: skip


async def report(connection: AsyncConnection, query: Query) -> Table:
    """One row for each slot of the query's unit in which a call began."""
    sums = await call_sums(connection, query, ("ending",))
    slots: dict[tuple[Any, ...], Sums] = {}
    everything: Sums = {}
    for (at, ending), values in sums.items():
        add(slots.setdefault(at, {}), (ending,), values)
        add(everything, (ending,), values)
    rows = [
        Row(
            {"slot": at[1], **measures(by_ending)},
            slot_where(query.unit, at[0], query.period.zone),
        )
        for at, by_ending in sorted(slots.items(), key=lambda item: item[0][0])
    ]
    return Table(NAME, COLUMNS, rows, Row({"slot": "", **measures(everything)}))


def measures(by_ending: Sums) -> Mapping[str, Any]:
    """The measures of a row by what its calls' endings add up to."""
    counts = {name: int(by_ending.get((name,), {}).get("calls", 0)) for name in ENDINGS}
    offered = sum(int(values["calls"]) for values in by_ending.values())
    over = offered - counts["waiting"]
    total: dict[str, float] = {}
    for values in by_ending.values():
        for name in ("seconds", "questions", "no_inputs", "no_matches", "faults"):
            total[name] = total.get(name, 0.0) + values[name]
    return {
        "offered": offered,
        **counts,
        "containment": share(counts["contained"], over),
        "abandonment": share(counts["abandoned"], over),
        "duration": mean(total.get("seconds", 0.0), over),
        **{n: int(total.get(n, 0)) for n in ("questions", "no_inputs", "no_matches", "faults")},
    }
