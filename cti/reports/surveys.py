"""What callers answered when they were asked how it was."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cti.db.models import rollup_marks
from cti.reports.coarse import pieces
from cti.reports.query import Query, conditions, moved
from cti.reports.table import Column, Row, Table, mean, share
from ivr.errors import BadInput

NAME: Final = "surveys"
TITLE: Final = {"tr": "Anketler", "en": "Surveys"}
TOP: Final = {"nps": 10, "0-10": 10}
COLUMNS: Final = (
    Column("question", "text", {"tr": "Soru", "en": "Question"}),
    Column("flow", "text", {"tr": "Akış", "en": "Flow"}),
    Column("queue", "text", {"tr": "Kuyruk", "en": "Queue"}),
    Column("agent", "text", {"tr": "Temsilci", "en": "Agent"}),
    Column("product", "text", {"tr": "Ürün", "en": "Product"}),
    Column("answers", "count", {"tr": "Yanıt", "en": "Answers"}, {"rated": ""}),
    Column("mean", "number", {"tr": "Ortalama", "en": "Mean"}),
    Column("csat", "percent", {"tr": "CSAT (4-5)", "en": "CSAT (4-5)"}),
    Column("nps", "number", {"tr": "NPS", "en": "NPS"}),
    Column("promoters", "count", {"tr": "Destekleyen (9-10)", "en": "Promoters (9-10)"}),
    Column("detractors", "count", {"tr": "Eleştiren (0-6)", "en": "Detractors (0-6)"}),
)  # fmt: skip


async def report(connection: AsyncConnection, query: Query) -> Table:
    """One row for each question by flow, queue, agent and product."""
    where = conditions(rollup_marks, query)
    if where is None:
        raise BadInput("Surveys can be filtered by flow, queue and agent.")
    names = ("question", "scale", "flow", "queue", "agent", "product", "mark")
    marks: dict[tuple[str, ...], Counter[int]] = defaultdict(Counter)
    for piece in pieces(rollup_marks, names, query.period.first, query.period.stop):
        columns = [piece.table.c[name] for name in names]
        asked = select(*columns, func.sum(piece.table.c.answers)).where(
            piece.where, *(moved(one, rollup_marks, piece.table) for one in where)
        )
        for *key, mark, count in await connection.execute(asked.group_by(*columns)):
            marks[tuple(key)][mark] += int(count)
    rows = [
        Row(
            {"question": question, "flow": flow, "queue": queue, "agent": agent,
             "product": product, **measures(scale, counts)},
            {"question": question, "flow": flow, "queue": queue, "agent": agent,
             "product": product},
        )
        for (question, scale, flow, queue, agent, product), counts in sorted(marks.items())
    ]  # fmt: skip
    return Table(NAME, COLUMNS, rows, of="calls")


def measures(scale: str, counts: Counter[int]) -> dict[str, Any]:
    """CSAT on a scale to 5, NPS on one to 10 (Reichheld 2003: promoters 9-10, detractors 0-6)."""
    answers = counts.total()
    to_ten = TOP.get(scale, 5) == 10
    promoters = sum(count for mark, count in counts.items() if mark >= 9)
    detractors = sum(count for mark, count in counts.items() if mark <= 6)
    happy = sum(count for mark, count in counts.items() if mark >= 4)
    return {
        "answers": answers,
        "mean": mean(sum(mark * count for mark, count in counts.items()), answers),
        "csat": None if to_ten else share(happy, answers),
        "nps": 100.0 * (promoters - detractors) / answers if to_ten and answers else None,
        "promoters": promoters if to_ten else None,
        "detractors": detractors if to_ten else None,
    }
