"""Which roll-ups answer a question with the fewest rows: longer blocks inside a period, quarters of
an hour at its edges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, and_, delete, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cti.db.models import COARSE

AT_ONCE: Final = 200  # blocks whose sums are made in one statement


@dataclass(frozen=True, slots=True)
class Piece:
    """A table, and which of its rows. `quarters`: how many one of its rows is about; `number` is
    the column that counts them."""

    table: Table
    where: ColumnElement[bool]
    quarters: int

    @property
    def number(self) -> ColumnElement[int]:
        return self.table.c.block if self.quarters > 1 else self.table.c.quarter


def pieces(
    source: Table, names: Iterable[str], first: int, stop: int, size: int = 0
) -> Iterator[Piece]:
    """The pieces that quarters `first` to before `stop` are read from. `names`: the columns that
    are asked for or filtered by; `size`: of the slots, in quarters, that blocks must not cross
    (0: there are none)."""
    wanted = set(names)
    for table in COARSE:
        quarters = table.info["quarters"]
        if table.info["source"] is not source or not wanted <= set(table.c.keys()):
            continue
        if size and size % quarters:
            continue
        low, high = -(-first // quarters), stop // quarters
        if low >= high:
            continue
        if first < low * quarters:
            yield _quarters(source, first, low * quarters)
        yield Piece(table, and_(table.c.block >= low, table.c.block < high), quarters)
        if high * quarters < stop:
            yield _quarters(source, high * quarters, stop)
        return
    yield _quarters(source, first, stop)


def _quarters(source: Table, first: int, stop: int) -> Piece:
    return Piece(source, and_(source.c.quarter >= first, source.c.quarter < stop), 1)


async def sum_blocks(
    connection: AsyncConnection, source: Table, quarters: Iterable[int] | None = None
) -> None:
    """Make the blocks again that these quarters of `source` are in; None: all."""
    changed = None if quarters is None else sorted(set(quarters))
    for table in COARSE:
        if table.info["source"] is not source:
            continue
        size = table.info["quarters"]
        if changed is None:
            await connection.execute(delete(table))
            await connection.execute(_sum(table, source.c.quarter.is_not(None)))
            continue
        blocks = sorted({number // size for number in changed})
        for start in range(0, len(blocks), AT_ONCE):
            some = blocks[start : start + AT_ONCE]
            await connection.execute(delete(table).where(table.c.block.in_(some)))
            spans = [
                and_(source.c.quarter >= low * size, source.c.quarter < high * size)
                for low, high in _runs(some)
            ]
            await connection.execute(_sum(table, or_(*spans)))


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Numbers that follow each other, as first and past the last."""
    low = high = numbers[0]
    for number in numbers[1:]:
        if number > high + 1:
            yield low, high + 1
            low = number
        high = number
    yield low, high + 1


def _sum(table: Table, where: Any) -> Any:
    source, size = table.info["source"], table.info["quarters"]
    block = source.c.quarter // size
    keys = [column.name for column in table.primary_key if column.name != "block"]
    sums = {
        column.name: (func.max if column.name == "longest" else func.sum)(source.c[column.name])
        for column in table.c
        if not column.primary_key
    }
    query = select(block, *(source.c[key] for key in keys), *sums.values()).where(where)
    query = query.group_by(block, *(source.c[key] for key in keys))
    return insert(table).from_select(["block", *keys, *sums], query)
