"""What callers say: the texts of their notes and comments, by theme and tone, and a search in them.

Themes and tone come from word lists (`cti.reports.wordlists`); nothing understands these texts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from cti.db.models import call_facts, recordings, survey_answers
from cti.reports.facts import QUARTER
from cti.reports.period import slot, slot_size, slot_where
from cti.reports.query import Query, conditions, within
from cti.reports.table import Column, Row, Table, share
from cti.reports.wordlists import Judge, hidden, is_form, judge_of, words_of
from cti.settings import Settings
from ivr.errors import BadInput

NAME: Final = "themes"
TITLE: Final = {"tr": "Arayanlar ne diyor", "en": "What callers say"}
NONE: Final = "-"  # the theme of texts that have none
DAY: Final = timedelta(days=1)  # the longest call
MOST: Final = 200  # texts that a search gives back
COLUMNS: Final = (
    Column("slot", "slot", {"tr": "Zaman", "en": "Time"}),
    Column("theme", "text", {"tr": "Konu", "en": "Theme"}),
    Column("texts", "count", {"tr": "Metin", "en": "Texts"}, {}),
    Column("share", "percent", {"tr": "Metinlerdeki payı", "en": "Share of texts"}),
    Column("good", "count", {"tr": "Olumlu", "en": "Good tone"}, {"tone": "good"}),
    Column("bad", "count", {"tr": "Olumsuz", "en": "Bad tone"}, {"tone": "bad"}),
    Column("tone", "number", {"tr": "Ton (-1 … 1)", "en": "Tone (-1 … 1)"}),
)


@dataclass(frozen=True, slots=True)
class Said:
    """A text of a caller: a recorded note or comment. Long numbers are not in it."""

    call: str
    at: float
    quarter: int
    name: str
    text: str
    themes: tuple[str, ...]
    tone: float | None
    recording: int
    who: Mapping[str, Any]

    @property
    def sounds(self) -> str:
        """good, bad, or "" for neither."""
        return "" if not self.tone else "good" if self.tone > 0 else "bad"


async def report(connection: AsyncConnection, query: Query) -> Table:
    """One row for each slot of time and theme, the commonest first; a text with two themes is in
    both rows, in the total once. The lists' language of titles is the line's: names stay as they
    stand in the file."""
    judge = the_judge()
    texts = await said(connection, query, judge)
    by_slot: dict[tuple[Any, str], list[Said]] = defaultdict(list)
    for at, text in _slotted(query, texts):
        by_slot[at].append(text)
    rows = []
    for at, there in sorted(by_slot.items()):
        where = slot_where(query.unit, at[0], query.period.zone)
        by_theme: dict[str, list[Said]] = defaultdict(list)
        for text in there:
            for theme in text.themes or (NONE,):
                by_theme[theme].append(text)
        for theme, some in sorted(by_theme.items(), key=lambda one: (-len(one[1]), one[0])):
            values = {"slot": at[1], "theme": theme, **_measures(some, len(there))}
            rows.append(Row(values, {"theme": theme, **where}))
    total = Row({"slot": "", "theme": "", **_measures(texts, len(texts))})
    titles = {
        name: {language: judge.title(name, language) for language in ("tr", "en")}
        for name in judge.lists.themes
    }
    words = {"theme": titles | {NONE: {"tr": "konusuz", "en": "no theme"}}}
    return Table(NAME, COLUMNS, rows, total, of="texts", words=words)


def _measures(texts: Sequence[Said], of: int) -> dict[str, Any]:
    tones = [text.tone for text in texts if text.tone is not None]
    return {
        "texts": len(texts), "share": share(len(texts), of),
        "good": sum(text.sounds == "good" for text in texts),
        "bad": sum(text.sounds == "bad" for text in texts),
        "tone": sum(tones) / len(tones) if tones else None,
    }  # fmt: skip


def the_judge() -> Judge:
    """By the lists in the folder of flows, as they are now."""
    return judge_of(Path(Settings.from_environment().scenarios))


async def said(
    connection: AsyncConnection, query: Query, judge: Judge, *, rated: bool = False
) -> list[Said]:
    """Every text of the period, newest first. `BadInput` for a filter that calls do not have.
    `rated`: what was left in calls with a survey, also that which has no text (yet)."""
    c, r = call_facts.c, recordings.c
    texts = [r.transcript.is_not(None), r.transcript != ""]
    if rated:
        texts = [c.mark.is_not(None), r.ended_by != ""]
    where = conditions(call_facts, query)
    if where is None:
        raise BadInput("What callers say cannot be filtered by campaign.")
    names = ("began", "quarter", "caller", "flow", "queue", "agent", "language", "mark")
    asked = (
        select(r.id, r.call, r.name, r.transcript, *(c[name] for name in names))
        .join(call_facts, c.call == r.call)
        .where(
            *within(query), *where, r.made_at >= query.period.start,
            r.made_at < query.period.end + DAY,  # few calls have one: they are the way to the rest
            *texts, r.deleted_at.is_(None),
        )
        .order_by(c.quarter.desc(), r.call, r.sequence)
    )  # fmt: skip
    found = []
    for row in await connection.execute(asked):
        judged = judge.judge(row.transcript or "")
        who = {name: getattr(row, name) for name in ("caller", "flow", "queue", "agent", "mark")}
        found.append(
            Said(row.call, row.began, row.quarter, row.name, hidden(row.transcript or ""),
                 judged.themes, judged.tone, row.id, who)
        )  # fmt: skip
    return found


def _slotted(query: Query, texts: Sequence[Said]) -> Iterator[tuple[tuple[Any, str], Said]]:
    size = slot_size(query.unit)
    for part in query.period.parts():
        for text in texts:
            if part.first <= text.quarter < part.end:
                number = (text.quarter * QUARTER + part.offset) // size
                yield slot(query.unit, part, number), text


async def calls_behind(
    connection: AsyncConnection, query: Query, where: Mapping[str, str], limit: int
) -> list[str]:
    """A call once for each of its texts that the cell counts."""
    wrong = set(where) - {"theme", "tone", "since", "until", "weekday", "hour_of_day"}
    if wrong:
        raise BadInput(f"There is no {sorted(wrong)[0]!r} to look for.")
    found = []
    for (key, _), text in _slotted(query, await said(connection, query, the_judge())):
        at = text.quarter * QUARTER
        recurring = where.get("weekday") or where.get("hour_of_day")
        if (
            where.get("theme", "") in ("", *(text.themes or (NONE,)))
            and where.get("tone", "") in ("", text.sounds)
            and float(where.get("since", 0)) <= at < float(where.get("until", "inf"))
            and (recurring is None or str(key) == recurring)
        ):
            found.append(text.call)
    return found[:limit]


def search(
    texts: Sequence[Said], words: str, theme: str = "", tone: str = "", most: int = MOST
) -> list[Said]:
    """The texts that hold every word, in whatever form and order, of that theme and tone."""
    wanted = words_of(words)
    found = []
    for text in texts:
        if theme and theme not in (text.themes or (NONE,)):
            continue
        if tone and tone != text.sounds:
            continue
        there = words_of(text.text)
        if all(any(_fits(one, word) for one in there) for word in wanted):
            found.append(text)
    return found[:most]


def _fits(word: str, wanted: str) -> bool:
    return is_form(word, wanted, "tr") or is_form(word, wanted, "en")


def as_dict(text: Said) -> dict[str, Any]:
    return {
        "call": text.call, "at": text.at, "name": text.name, "text": text.text,
        "themes": list(text.themes), "tone": text.tone, "recording": text.recording, **text.who,
    }  # fmt: skip


async def answers(
    connection: AsyncConnection, ids: Iterable[str]
) -> dict[str, list[dict[str, Any]]]:
    """What these calls' surveys were answered with, by call."""
    a = survey_answers.c
    asked = select(a.call, a.question, a.scale, a.mark, a.product).order_by(a.call, a.sequence)
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    some = list(dict.fromkeys(ids))
    for start in range(0, len(some), 500):
        for call, *values in await connection.execute(
            asked.where(a.call.in_(some[start : start + 500]))
        ):
            names = ("question", "scale", "mark", "product")
            found[call].append(dict(zip(names, values, strict=True)))
    return found
