"""`santral report themes --search …`, `santral report staffing`: beyond a plain table."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


def add_insight(parser: argparse.ArgumentParser) -> None:
    themes = parser.add_argument_group("themes: the texts themselves")
    themes.add_argument("--search", default="", metavar="WORDS", help="that hold all these words")
    themes.add_argument("--theme", default="", help="of this theme of scenarios/themes.yaml")
    themes.add_argument("--tone", choices=("good", "bad"), default="")
    staffing = parser.add_argument_group("staffing: the coming week by half hours")
    for name, default, text in (
        ("level", 80.0, "percent answered in time (80)"),
        ("within", 20.0, "in how many seconds (20)"),
        ("aht", 0.0, "handling time in seconds (as it was)"),
        ("patience", 0.0, "mean seconds until a caller gives up (as it was; -1: never)"),
        ("shrinkage", 30.0, "percent of paid time without calls: breaks, training (30)"),
        ("volume", 100.0, "percent of the forecast to plan for (100)"),
    ):
        staffing.add_argument(f"--{name}", type=float, default=default, help=text)
    staffing.add_argument("--country", default="TR", help="whose holidays (TR)")


async def run_search(arguments: argparse.Namespace, engine: AsyncEngine, query: Any) -> int:
    """The texts that are found, newest first."""
    from cti.reports import themes
    from ivr.errors import BadInput

    if arguments.name != themes.NAME:
        raise BadInput("--search, --theme and --tone belong to: santral report themes")
    async with engine.connect() as connection:
        texts = await themes.said(connection, query, themes.the_judge())
    found = themes.search(texts, arguments.search, arguments.theme, arguments.tone)
    rows = [themes.as_dict(one) for one in found]
    if arguments.format == "json":
        print(json.dumps(rows, ensure_ascii=False, indent=2))
    elif arguments.format == "csv":
        writer = csv.writer(sys.stdout)
        writer.writerow(("call", "at", "themes", "tone", "text"))
        for row in rows:
            text = f"'{row['text']}" if row["text"][:1] in "=+-@" else row["text"]
            writer.writerow((row["call"], row["at"], " ".join(row["themes"]), row["tone"], text))
    else:
        zone: ZoneInfo = query.period.zone
        for row in rows:
            tone = "" if row["tone"] is None else f"{row['tone']:+.1f}"
            when = f"{datetime.fromtimestamp(row['at'], zone):%d.%m.%Y %H:%M}"
            print(f"{when}  {row['call']}  {tone:>4}  {','.join(row['themes']) or '-'}")
            print(f"    {row['text']}")
        print(f"{len(rows)} of {len(texts)} texts; themes and tone are told by word lists.",
              file=sys.stderr)  # fmt: skip
    return 0


async def run_staffing(
    arguments: argparse.Namespace, engine: AsyncEngine, query: Any, language: str
) -> int:
    """The plan; what it stands on goes to stderr, so that files stay tables."""
    from cti.commands.reports import drawn
    from cti.reports.plan import What, plan

    what = What(
        arguments.level, arguments.within, arguments.aht, arguments.patience, arguments.shrinkage,
        arguments.volume, arguments.country,
    )  # fmt: skip
    async with engine.connect() as connection:
        made = await plan(connection, query, what)
    if arguments.format == "json":
        told = {**made.table.to_dict(language), "about": made.about}
        print(json.dumps(told, ensure_ascii=False, indent=2))
        return 0
    if arguments.format == "csv":
        sys.stdout.write(made.table.to_csv(language))
    else:
        print(drawn(made.table, language, query.period.zone))
    about = made.about
    model = f"Erlang A, patience {about['patience']:.0f} s" if about["patience"] else "Erlang C"
    print(
        f"week of {about['week']} from {about['weeks']} weeks; {model}; AHT {about['handling']:.0f}"
        f" s; {about['hours']:.0f} paid hours; back-test: off by {about['wape']:.0f}% (WAPE),"
        f" {about['inside']:.0f}% of half hours within the band of 80%",
        file=sys.stderr,
    )
    return 0
