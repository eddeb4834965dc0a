"""The names that figures stand under, for filters to offer; and those that nothing ever had.

A queue, flow or agent that was renamed keeps its old name in what happened before, so both names
are here, and a filter by a name that never was does not pass for "nothing happened".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.models import outbound_jobs, report_names
from cti.reports.query import Query

KINDS: Final = ("queue", "agent", "flow", "version", "campaign")
MOST: Final = 200


@dataclass(frozen=True, slots=True)
class Stranger:
    """A filter's value that no figure has. `known`: those that there are, the nearest first."""

    filter: str
    value: str
    known: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        return {"filter": self.filter, "value": self.value, "known": list(self.known)}

    def __str__(self) -> str:
        there = f" There are: {', '.join(self.known)}." if self.known else ""
        return f"No figure stands under the {self.filter} {self.value!r}.{there}"


async def known(engine: AsyncEngine) -> Mapping[str, Sequence[str]]:
    """By kind, in their order."""
    found: dict[str, list[str]] = defaultdict(list)
    n = report_names.c
    async with engine.connect() as connection:
        for kind, name in await connection.execute(select(n.kind, n.name).order_by(n.name)):
            found[kind].append(name)
        campaigns = select(outbound_jobs.c.campaign).distinct()
        found["campaign"] = sorted((await connection.execute(campaigns)).scalars())
    return found


async def strangers(engine: AsyncEngine, query: Query) -> Sequence[Stranger]:
    """The query's filters that nothing can fit; of versions their beginning is enough."""
    asked = {name: value for name, value in query.filters.items() if name in KINDS}
    if not asked:
        return []
    names = await known(engine)
    found = []
    for name, value in asked.items():
        there = names.get(name, ())
        if value in there or (name == "version" and any(one.startswith(value) for one in there)):
            continue
        near = get_close_matches(value, there, n=3)
        others = [one for one in there if one not in near]
        found.append(Stranger(name, value, [*near, *others][:10]))
    return found
