"""Reports: one file each, pure over the store. `docs/reports.md` defines every measure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cti.reports import (
    agents,
    busiest,
    callers,
    calls,
    outbound,
    queues,
    steps,
    surveys,
    themes,
    worst,
)
from cti.reports.names import known, strangers
from cti.reports.query import FILTERS, Query, behind
from cti.reports.table import Table
from ivr.errors import BadInput
from ivr.flow.finding import meant


@dataclass(frozen=True, slots=True)
class Report:
    """A report by its name. `timed`: it has a row for each slot of the query's unit. `filters` are
    those that it takes."""

    name: str
    title: Mapping[str, str]
    make: Callable[[AsyncConnection, Query], Awaitable[Table]]
    timed: bool = False
    filters: tuple[str, ...] = ()


_OF_CALLS: Final = tuple(name for name in FILTERS if name != "campaign")
_TAKES: Final[Mapping[str, tuple[str, ...]]] = {
    agents.NAME: ("agent", "queue"), outbound.NAME: ("campaign", "flow"),
    surveys.NAME: ("flow", "queue", "agent"),
}  # fmt: skip
_MODULES: Final = (
    calls, queues, agents, steps, outbound, surveys, themes, busiest, callers, worst,
)  # fmt: skip
REPORTS: Final[Mapping[str, Report]] = {
    module.NAME: Report(
        module.NAME, module.TITLE, module.report, module in (calls, queues, themes),
        _TAKES.get(module.NAME, _OF_CALLS),
    )
    for module in _MODULES
}  # fmt: skip


def find(name: str) -> Report:
    """`BadInput` for a report that there is not."""
    try:
        return REPORTS[name]
    except KeyError:
        near = meant(name, REPORTS) or "."
        raise BadInput(
            f"There is no report {name!r}{near} There are: {', '.join(REPORTS)}."
        ) from None


async def make(engine: AsyncEngine, name: str, query: Query) -> Table:
    """A report's table. Raises `BadInput`."""
    report = find(name)
    async with engine.connect() as connection:
        await _room_to_sum(connection)
        return await report.make(connection, query)


async def _room_to_sum(connection: AsyncConnection) -> None:
    """What PostgreSQL has by itself (4 MB) sends the sums of a year to the disk; and compiling
    takes longer than they do."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SET LOCAL work_mem = '64MB'"))
        await connection.execute(text("SET LOCAL jit = off"))


async def calls_behind(
    engine: AsyncEngine, name: str, query: Query, where: Mapping[str, str], limit: int = 1000
) -> list[str]:
    """The ids of the calls that a cell counts: the row's `where` and the column's together."""
    of = {"queues": "visits", "agents": "visits", "steps": "steps"}.get(find(name).name, "calls")
    async with engine.connect() as connection:
        if name == outbound.NAME:
            return await outbound.calls_behind(connection, query, where, limit)
        if name == themes.NAME:
            return await themes.calls_behind(connection, query, where, limit)
        return await behind(connection, query, of, where, limit)


__all__ = ["REPORTS", "Report", "calls_behind", "find", "known", "make", "strangers"]
