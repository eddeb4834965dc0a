"""`santral calls`, `show`, `forget`, `export`: asking the journal, and what a person may ask."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from cti.settings import Settings
from ivr.errors import BadInput

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from cti.db.store.privacy import PrivacyStore

CALLS: Final = """examples:
  santral calls                          the last calls
  santral calls --caller +905321112233 --since 2d
  santral calls --outcome failed --json
  santral calls --follow                 each call as it begins, moves on and ends
"""
SHOW: Final = """examples:
  santral show 3f2a                      a call's conversation; the beginning of its id is enough
  santral show 3f2a --json
"""
FORGET: Final = """example:
  santral forget +905321112233           erase a person everywhere; prints the receipt
"""
EXPORT: Final = """example:
  santral export +905321112233           everything held about a person, as JSON
"""


def add_commands(commands: Any) -> None:
    calls = _command(commands, "calls", "list calls, or follow them live", CALLS, run_calls)
    calls.add_argument("--since", metavar="WHEN", help="2h, 3d, or a date and time")
    calls.add_argument("--until", metavar="WHEN", help="likewise")
    calls.add_argument("--caller", default="", metavar="NUMBER")
    calls.add_argument("--dialled", default="", metavar="NUMBER")
    calls.add_argument("--flow", default="", metavar="NAME")
    calls.add_argument("--outcome", default="", help="hangup, transfer, failed, running, …")
    calls.add_argument("--limit", type=int, default=50, metavar="N")
    calls.add_argument("--follow", action="store_true", help="go on until Ctrl-C")
    calls.add_argument("--json", action="store_true", help="a JSON object a line")
    show = _command(commands, "show", "the conversation of one call", SHOW, run_show)
    show.add_argument("call", help="the id, or its beginning")
    show.add_argument("--json", action="store_true")
    forget = _command(commands, "forget", "erase a person everywhere", FORGET, run_forget)
    forget.add_argument("phone", help="as +905321112233")
    export = _command(commands, "export", "what is held about a person", EXPORT, run_export)
    export.add_argument("phone", help="as +905321112233")


def _command(
    commands: Any,
    name: str,
    about: str,
    example: str,
    run: Callable[[argparse.Namespace, Settings, AsyncEngine], Awaitable[int]],
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=about, epilog=example, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--demo", action="store_true", help="ask the demo's journal")
    parser.set_defaults(run=lambda arguments: asyncio.run(_with_database(arguments, run)))
    return parser


async def _with_database(
    arguments: argparse.Namespace,
    run: Callable[[argparse.Namespace, Settings, AsyncEngine], Awaitable[int]],
) -> int:
    settings = Settings.from_environment()
    if arguments.demo:
        settings = settings.model_copy(update={"state": settings.state / "demo"})
    async with database_of(settings) as engine:
        return await run(arguments, settings, engine)


@asynccontextmanager
async def database_of(settings: Settings) -> AsyncIterator[AsyncEngine]:
    from cti.db.engine import open_engine
    from cti.db.migrate import upgrade

    settings.state.mkdir(parents=True, exist_ok=True)
    engine = open_engine(settings.journal_database)
    try:
        await upgrade(engine)
        yield engine
    finally:
        await engine.dispose()


async def run_calls(arguments: argparse.Namespace, settings: Settings, engine: AsyncEngine) -> int:
    from cti.db.store.calls import CallFilter, CallRecord, CallStore

    zone = ZoneInfo(settings.time_zone)

    def tell(call: CallRecord) -> None:
        if arguments.json:
            told = {**asdict(call), "outcome": call.outcome, "seconds": call.seconds}
            print(json.dumps(told, default=str, ensure_ascii=False), flush=True)
            return
        seconds = "" if call.seconds is None else f"{call.seconds:.0f} s"
        start = call.started_at.astimezone(zone)
        print(
            f"{call.id[:8]}  {start:%Y-%m-%d %H:%M:%S}  {call.caller:16}  {call.dialled:8}"
            f"  {call.flow:16}  {seconds:>7}  {call.outcome}",
            flush=True,
        )

    which = CallFilter(
        since=_moment(arguments.since, zone),
        until=_moment(arguments.until, zone),
        caller=arguments.caller,
        dialled=arguments.dialled,
        flow=arguments.flow,
        outcome=arguments.outcome,
        region=settings.country,
    )
    store = CallStore(engine)
    if arguments.follow:
        async for call in store.follow(which):
            tell(call)
    for call in reversed(await store.find(which, limit=arguments.limit)):
        tell(call)
    return 0


async def run_show(arguments: argparse.Namespace, settings: Settings, engine: AsyncEngine) -> int:
    from cti.db.store.calls import CallStore
    from cti.journal.journal import open_journal
    from cti.transcript import render, transcript

    found = await CallStore(engine).of_id(arguments.call)
    if len(found) != 1:
        what = "no call" if not found else f"{len(found)} calls"
        raise BadInput(f"{what} with an id that begins with '{arguments.call}'")
    async with open_journal(settings.journal_database, settings.state / "spool") as journal:
        told = transcript(await journal.history(found[0].id))
    notes = await _texts(engine, found[0].id)
    if arguments.json:
        shown = {**told.to_dict(), "texts": notes}
        print(json.dumps(shown, ensure_ascii=False, indent=2))
        return 0
    print(render(told, ZoneInfo(settings.time_zone)), end="")
    for note in notes:
        text = note["text"] or "(nothing was understood)"
        print(f"recording {note['name']}: {text}  [{note['by']}]")
    return 0


async def _texts(engine: AsyncEngine, call: str) -> list[dict[str, str]]:
    """What a call's recordings say, as far as they were transcribed."""
    from sqlalchemy import select

    from cti.db.models import recordings

    columns = recordings.c
    query = select(columns.name, columns.transcript, columns.transcribed_by).where(
        columns.call == call, columns.transcribed_by != ""
    )
    async with engine.connect() as connection:
        rows = (await connection.execute(query.order_by(columns.sequence))).all()
    return [{"name": name, "text": text or "", "by": by} for name, text, by in rows]


async def run_forget(arguments: argparse.Namespace, settings: Settings, engine: AsyncEngine) -> int:
    receipt = await _privacy(settings, engine).forget(arguments.phone, getpass.getuser())
    print(json.dumps(asdict(receipt), default=str, ensure_ascii=False, indent=2))
    return 0


async def run_export(arguments: argparse.Namespace, settings: Settings, engine: AsyncEngine) -> int:
    held = await _privacy(settings, engine).export(arguments.phone)
    print(json.dumps(held, default=str, ensure_ascii=False, indent=2))
    return 0


def _privacy(settings: Settings, engine: AsyncEngine) -> PrivacyStore:
    from cti.db.store.privacy import PrivacyStore

    return PrivacyStore(engine, settings.state / "recordings", settings.state / "spool")


def _moment(text: str | None, zone: ZoneInfo) -> datetime | None:
    """`2h`, `3d`, or a date and time in the shop's zone."""
    if not text:
        return None
    units = {"m": "minutes", "h": "hours", "d": "days"}
    if text[:-1].isdecimal() and text[-1] in units:
        return datetime.now(UTC) - timedelta(**{units[text[-1]]: int(text[:-1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"'{text}' is no time; write 2h, 3d or 2026-11-22T09:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)
