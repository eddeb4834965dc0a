"""The way through a flow: who reaches each step, who is lost there, and how questions fare."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cti.db.models import call_steps
from cti.reports.query import Query, call_sums, step_sums
from cti.reports.table import Column, Row, Table, share

NAME: Final = "steps"
TITLE: Final = {"tr": "Akış adımları", "en": "Steps of flows"}
COLUMNS: Final = (
    Column("flow", "text", {"tr": "Akış", "en": "Flow"}),
    Column("step", "text", {"tr": "Adım", "en": "Step"}),
    Column("type", "text", {"tr": "Tür", "en": "Type"}),
    Column("calls", "count", {"tr": "Arama", "en": "Calls"}, {}),
    Column("reach", "percent", {"tr": "Ulaşan", "en": "Reached by"}),
    Column("visits", "count", {"tr": "Geliş", "en": "Visits"}),
    Column("repeats", "count", {"tr": "Yineleme", "en": "Repeats"}),
    Column("hung_up", "count", {"tr": "Kapatan", "en": "Hung up here"}, {"hung_up>0": ""}),
    Column("drop_off", "percent", {"tr": "Kayıp", "en": "Drop-off"}),
    Column("answers", "count", {"tr": "Yanıt", "en": "Answers"}),
    Column("keys", "count", {"tr": "Tuşla", "en": "By key"}, {"keys>0": ""}),
    Column("speech", "count", {"tr": "Sesle", "en": "By speech"}, {"speech>0": ""}),
    Column("no_inputs", "count", {"tr": "Sessizlik", "en": "No input"}, {"no_inputs>0": ""}),
    Column("no_matches", "count", {"tr": "Anlaşılmayan", "en": "No match"}, {"no_matches>0": ""}),
    Column("understood", "percent", {"tr": "Anlaşılma", "en": "Understood"}),
    Column("unsure", "count", {"tr": "Emin olunmayan", "en": "Unsure"}, {"unsure>0": ""}),
    Column("faults", "count", {"tr": "Arıza", "en": "Faults"}, {"faults>0": ""}),
)  # fmt: skip


async def report(connection: AsyncConnection, query: Query) -> Table:
    """One row for each step, in the order in which callers come to them."""
    sums = await step_sums(connection, query, ("flow", "step", "type"))
    started = {
        flow: values["calls"]
        for (_, flow), values in (await call_sums(connection, query, ("flow",), False)).items()
    }
    places = await _places(connection, query)
    rows = []
    for (_, flow, step, kind), values in sums.items():
        heard = values["keys"] + values["speech"]
        counts = {name: int(value) for name, value in values.items()}
        rows.append(
            Row(
                {
                    "flow": flow, "step": step, "type": kind, **counts,
                    "reach": share(values["calls"], started.get(flow, 0.0)),
                    "repeats": int(values["visits"] - values["calls"]),
                    "drop_off": share(values["hung_up"], values["calls"]),
                    "answers": int(heard + values["no_inputs"]),
                    "understood": share(
                        heard - values["no_matches"], heard + values["no_inputs"]
                    ),
                },
                {"flow": flow, "step": step},
            )
        )  # fmt: skip
    rows.sort(key=lambda row: (
        row.values["flow"], places.get((row.values["flow"], row.values["step"]), 0.0)
    ))  # fmt: skip
    return Table(NAME, COLUMNS, rows, of="steps")


async def _places(connection: AsyncConnection, query: Query) -> dict[Any, float]:
    """Where on their way callers come to a step, on average, by the period's last calls."""
    c = call_steps.c
    recent = select(c.flow, c.step, c.first).where(
        c.quarter >= query.period.first, c.quarter < query.period.stop
    )
    recent = recent.order_by(c.quarter.desc()).limit(5000)
    some = recent.subquery()
    asked = select(some.c.flow, some.c.step, func.avg(some.c.first)).group_by(
        some.c.flow, some.c.step
    )
    return {(flow, step): float(at) for flow, step, at in await connection.execute(asked)}
