"""`santral report`, `santral reports`: what the calls add up to."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from cti.commands.insight import add_insight, run_search, run_staffing
from cti.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

EXAMPLES: Final = """examples:
  santral report calls                              the last seven days, by day
  santral report queues --from 2026-11-01 --to 2026-11-30 --by week
  santral report steps --flow order_line --from 30d
  santral report agents --from month --format csv > agents.csv
  santral report calls --from today --by hour --calls "abandoned"   the calls behind a column
  santral report themes --search "kargom gelmedi" --theme delivery   the texts themselves
  santral report staffing --queue support --from 90d --level 80 --within 20
reports: {names}, staffing
"""
REPORTS: Final = """examples:
  santral reports rebuild            make the roll-ups again from the journal
  santral reports refresh            take in what is new now
  santral reports forget-demo        take the demo's thirty days of calls away
  santral reports mail               the report mails: who gets what, when next, and what was sent
  santral reports mail --dry-run     what is due now, as it would go; nothing is sent
  santral reports mail --dry-run --name daily --out daily.eml
  santral reports mail --send        send what is due now (the engine does so by itself)
"""
BY: Final = ("quarter", "hour", "day", "week", "month", "weekday", "hour_of_day", "total")
FILTERS: Final = (
    "queue", "agent", "campaign", "caller", "flow", "version", "line", "direction", "language",
)  # fmt: skip


def add_commands(commands: Any) -> None:
    names = "calls, queues, agents, steps, outbound, surveys, themes, busiest, callers, worst"
    report = commands.add_parser(
        "report", help="what the calls add up to: calls, queues, agents, steps, surveys, …",
        epilog=EXAMPLES.format(names=names), formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    report.add_argument("name", help=names)
    when = "a date, a time, or today, yesterday, 7d, 30d, 90d, month"
    report.add_argument("--from", dest="begin", default="7d", metavar="WHEN", help=when)
    until = "a date (that day included) or a time; else until today"
    report.add_argument("--to", dest="end", default="", metavar="WHEN", help=until)
    report.add_argument("--by", choices=BY, default="day", help="a row for each (calls, queues)")
    for name in FILTERS:
        report.add_argument(f"--{name}", default="", metavar=name.upper())
    report.add_argument("--format", choices=("table", "csv", "json"), default="table")
    report.add_argument("--json", action="store_const", const="json", dest="format")
    report.add_argument("--calls", metavar="COLUMN", help="list the calls behind this column")
    report.add_argument("--titles", choices=("tr", "en"), default="", help="language of titles")
    add_insight(report)
    report.set_defaults(run=run_report)
    reports = commands.add_parser(
        "reports", help="keep the reports' roll-ups", epilog=REPORTS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    for parser in (report, reports):
        parser.add_argument("--demo", action="store_true", help="ask the demo's journal")
    reports.add_argument("what", choices=("rebuild", "refresh", "forget-demo", "mail"))
    mail = reports.add_argument_group("mail")
    mail.add_argument("--dry-run", action="store_true", help="show what would go; send nothing")
    mail.add_argument("--send", action="store_true", help="send what is due now")
    mail.add_argument("--name", default="", help="of one mail of scenarios/mails.yaml only")
    mail.add_argument("--out", metavar="FILE", help="write the first such mail here (.eml)")
    reports.set_defaults(run=run_reports)


def run_report(arguments: argparse.Namespace) -> int:
    return asyncio.run(_with_database(arguments, lambda e, s: _report(arguments, e, s)))


def run_reports(arguments: argparse.Namespace) -> int:
    from cti.commands.report_mail import run_mail

    work = {
        "rebuild": _rebuild, "refresh": _refresh, "forget-demo": _forget_demo,
        "mail": lambda engine, settings: run_mail(arguments, engine, settings),
    }[arguments.what]  # fmt: skip
    return asyncio.run(_with_database(arguments, work))


async def _with_database(
    arguments: argparse.Namespace, work: Callable[[AsyncEngine, Settings], Awaitable[int]]
) -> int:
    from cti.commands.calls import database_of

    settings = Settings.from_environment()
    if arguments.demo:
        settings = settings.model_copy(update={"state": settings.state / "demo"})
    async with database_of(settings) as engine:
        return await work(engine, settings)


async def _report(arguments: argparse.Namespace, engine: AsyncEngine, settings: Settings) -> int:
    from cti import reports
    from cti.reports.period import period
    from cti.reports.query import Query

    asked = period(arguments.begin, arguments.end, settings.time_zone, datetime.now(UTC))
    filters = {name: getattr(arguments, name) for name in FILTERS}
    query = Query(asked, unit=arguments.by, **filters)
    language = arguments.titles or settings.language
    if arguments.name == "staffing":
        return await run_staffing(arguments, engine, query, language)
    if arguments.search or arguments.theme or arguments.tone:
        return await run_search(arguments, engine, query)
    if arguments.calls:
        return await _behind(engine, arguments, query)
    table = await reports.make(engine, arguments.name, query)
    for stranger in await reports.strangers(engine, query):
        print(stranger, file=sys.stderr)
    if arguments.format == "json":
        print(json.dumps(table.to_dict(language), ensure_ascii=False, indent=2))
    elif arguments.format == "csv":
        sys.stdout.write(table.to_csv(language))
    else:
        title = reports.find(arguments.name).title
        print(f"{title.get(language) or title['en']}: {asked.start:%d.%m.%Y %H:%M} - "
              f"{asked.end:%d.%m.%Y %H:%M}")  # fmt: skip
        print(drawn(table, language, ZoneInfo(settings.time_zone)))
    return 0


async def _behind(engine: AsyncEngine, arguments: argparse.Namespace, query: Any) -> int:
    from cti import reports
    from ivr.errors import BadInput

    table = await reports.make(engine, arguments.name, query)
    known = {column.key: column for column in table.columns if column.where is not None}
    if arguments.calls not in known:
        raise BadInput(f"No calls stand behind {arguments.calls!r}; behind: {', '.join(known)}.")
    where = known[arguments.calls].where or {}
    for call in await reports.calls_behind(engine, arguments.name, query, where):
        print(call)
    return 0


def drawn(table: Any, language: str, zone: ZoneInfo) -> str:
    """The table as text, its columns as wide as they need to be."""
    titles = [column.title.get(language) or column.title["en"] for column in table.columns]
    rows = [*table.rows, *([table.total] if table.total else [])]
    lines = [
        [_shown(values.get(column.key), column.kind, zone) for column in table.columns]
        for values in (table.told(row, language) for row in rows)
    ]
    widths = [max(map(len, texts)) for texts in zip(titles, *lines, strict=True)]
    texts = [c.kind in ("text", "slot", "call", "moment") for c in table.columns]

    def line(cells: Sequence[str]) -> str:
        parts = (
            cell.ljust(width) if left else cell.rjust(width)
            for cell, width, left in zip(cells, widths, texts, strict=True)
        )
        return "  ".join(parts).rstrip()

    ruler = line(["-" * width for width in widths])
    body = [line(cells) for cells in lines]
    if table.total:
        body.insert(-1, ruler)
    return "\n".join([line(titles), ruler, *body])


def _shown(value: Any, kind: str, zone: ZoneInfo) -> str:
    if value is None:
        return "-"
    if kind == "seconds":
        minutes, seconds = divmod(round(value), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    if kind == "percent":
        return f"{value:.1f}%"
    if kind == "number":
        return f"{value:.2f}".rstrip("0").rstrip(".")
    if kind == "moment":
        return f"{datetime.fromtimestamp(value, zone):%d.%m.%Y %H:%M}"
    return str(value)


async def _rebuild(engine: AsyncEngine, settings: Settings) -> int:
    from cti.reports.rollups import Rollups

    shown = sys.stderr.isatty()

    def progress(done: int, of: int) -> None:
        if shown:
            print(f"\r{done} of {of} calls", end="", file=sys.stderr, flush=True)

    count = await Rollups(engine, zone=settings.time_zone).rebuild(progress)
    print(f"{count} calls" if not shown else "", file=sys.stderr)
    return 0


async def _refresh(engine: AsyncEngine, settings: Settings) -> int:
    from cti.reports.rollups import Rollups

    taken = await Rollups(engine, zone=settings.time_zone).refresh()
    print(f"{taken} calls", file=sys.stderr)
    return 0


async def _forget_demo(engine: AsyncEngine, settings: Settings) -> int:
    from cti import demo_history

    gone = await demo_history.remove(engine)
    await _rebuild(engine, settings)
    print(f"{gone} calls of the demo are gone", file=sys.stderr)
    return 0
