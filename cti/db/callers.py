"""How many calls there are of each caller: the most frequent are found without counting all calls.

Kept with `call_facts`: whoever changes the callers there counts these anew in the same transaction.
A count is never less than that of any period, which is what the report stops by.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cti.db.models import call_facts, caller_totals

AT_ONCE: Final = 500


async def callers_of(connection: AsyncConnection, calls: Iterable[str]) -> set[str]:
    """The numbers that these calls came from, as far as they are known."""
    c, found, some = call_facts.c, set[str](), list(calls)
    for start in range(0, len(some), AT_ONCE):
        here = c.call.in_(some[start : start + AT_ONCE])
        asked = select(c.caller).where(here, c.caller != "").distinct()
        found |= set((await connection.execute(asked)).scalars())
    return found


async def count_callers(connection: AsyncConnection, callers: Iterable[str] | None = None) -> None:
    """Count these anew; None: all."""
    c, t = call_facts.c, caller_totals
    made = select(c.caller, func.count()).where(c.caller != "").group_by(c.caller)
    if callers is None:
        await connection.execute(delete(t))
        await connection.execute(insert(t).from_select(["caller", "calls"], made))
        return
    several = sorted(set(callers))
    for start in range(0, len(several), AT_ONCE):
        some = several[start : start + AT_ONCE]
        await connection.execute(delete(t).where(t.c.caller.in_(some)))
        await connection.execute(
            insert(t).from_select(["caller", "calls"], made.where(c.caller.in_(some)))
        )
