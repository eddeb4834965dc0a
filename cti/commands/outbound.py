"""`santral why` and `santral dial`: why an order was or was not called about, and what a campaign
would do."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from cti.settings import Settings
from ivr.errors import BadInput

if TYPE_CHECKING:
    from cti.db.store.outbound import NewEvent
    from cti.dialler.campaigns import Campaigns
    from cti.dialler.forecast import Plan

WHY: Final = """examples:
  santral why 4711           every campaign's decision about an order, clause by clause
  santral why 4711 --json    for scripts
  santral why 4711 --demo    an order of the demo
"""
DIAL: Final = """examples:
  santral dial --dry-run orders.jsonl                    by the assumed rates
  santral dial --dry-run orders.jsonl --recorded         by what the last calls came to
  santral dial --dry-run orders.jsonl --start 2026-11-23T09:00 --json
  santral dial --dry-run orders.jsonl --rates answered=0.3,no_answer=0.5,busy=0.2

FILE has a JSON object on each line, as POST /api/v1/orders takes it. Nobody is called.
"""


def add_commands(commands: Any) -> None:
    why = _command(commands, "why", "why an order was called about, or was not", WHY)
    why.add_argument("order", help="the order's number")
    why.add_argument("--demo", action="store_true", help="ask the demo's database")
    why.add_argument("--json", action="store_true", help="everything, for scripts")
    why.set_defaults(run=lambda arguments: asyncio.run(_why(arguments)))

    dial = _command(commands, "dial", "run campaigns on a virtual clock, calling nobody", DIAL)
    dial.add_argument("--dry-run", required=True, type=Path, metavar="FILE", help="the orders")
    dial.add_argument("--start", default="", metavar="WHEN", help="2026-11-23T09:00; else now")
    dial.add_argument("--rates", default="", help="outcome=share, with commas between them")
    dial.add_argument("--recorded", action="store_true", help="rates of the last thirty days")
    dial.add_argument("--seed", type=int, default=1, help="of who answers when")
    dial.add_argument("--demo", action="store_true", help="recorded rates of the demo")
    dial.add_argument("--json", action="store_true", help="every call, for scripts")
    dial.set_defaults(run=lambda arguments: asyncio.run(_dial(arguments)))


def _command(commands: Any, name: str, about: str, example: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=about, description=about.capitalize() + ".", epilog=example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    return parser


def _settings(arguments: argparse.Namespace) -> Settings:
    settings = Settings.from_environment()
    if arguments.demo:
        return settings.model_copy(update={"state": settings.state / "demo"})
    return settings


async def _why(arguments: argparse.Namespace) -> int:
    from cti.db.engine import open_engine
    from cti.db.store.outbound import OutboundStore

    settings = _settings(arguments)
    database = open_engine(settings.journal_database)
    try:
        store = OutboundStore(database)
        jobs = await store.of_order(arguments.order)
        attempts = {job.id: await store.attempts(job.id) for job in jobs}
    finally:
        await database.dispose()
    if arguments.json:
        told = [{**asdict(j), "attempts": [asdict(a) for a in attempts[j.id]]} for j in jobs]
        print(json.dumps(told, ensure_ascii=False, indent=2, default=str))
        return 0 if jobs else 1
    if not jobs:
        print(f"no campaign was ever asked about order {arguments.order}")
        return 1
    zone = ZoneInfo(settings.time_zone)
    for job in jobs:
        print("\n".join(why_lines(job, attempts[job.id], zone)))
    return 0


def why_lines(job: Any, attempts: Sequence[Any], zone: ZoneInfo) -> list[str]:
    """A job's whole story: what decided it, each attempt, what comes next."""
    lines = [
        f"order {job.order_number}, {job.event} at {_time(job.event_at, zone)}, campaign"
        f" {job.campaign}: {job.result or job.state}",
        f"  decided {_time(job.decided_at, zone)}: {job.verdict}",
    ]
    for reason in job.reasons:
        mark = "yes" if reason["holds"] else "no "
        lines.append(f"    {mark}  {reason['name']}: {reason['value']}")
    for attempt in attempts:
        at = attempt.started_at or attempt.due_at
        cause = "" if attempt.cause is None else f", cause {attempt.cause}"
        state = attempt.outcome or attempt.state
        lines.append(f"  call {attempt.number} {_time(at, zone)}: {state}{cause} ({attempt.id})")
    if job.next_at is not None:
        lines.append(f"  next call not before {_time(job.next_at, zone)}")
    lines += [f"  {name}: {value}" for name, value in job.details.items() if name != "call"]
    return lines


def _time(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


async def _dial(arguments: argparse.Namespace) -> int:
    from cti.db.engine import open_engine
    from cti.db.store.outbound import OutboundStore
    from cti.dialler.forecast import Rates, forecast
    from cti.dialler.rules import RuleFile

    settings = _settings(arguments)
    campaigns = RuleFile(settings.scenarios)()
    if campaigns is None:
        raise BadInput(f"there are no rules in {settings.scenarios}; see `santral check`")
    zone = ZoneInfo(settings.time_zone)
    start = _moment(arguments.start, zone)
    database = open_engine(settings.journal_database)
    try:
        store = OutboundStore(database)
        rates = Rates(_rates(arguments.rates), arguments.seed) if arguments.rates else None
        if arguments.recorded:
            rates = Rates(await _recorded(store, start), arguments.seed)
        events = await _events(arguments.dry_run, store, campaigns, settings, start)
        lists = {}
        if arguments.recorded or arguments.demo:
            lists = {e.phone: await store.lists_of(e.phone, start) for e in events}
    finally:
        await database.dispose()
    plan = forecast(events, campaigns, rates or Rates(seed=arguments.seed), start, lists)
    if arguments.json:
        told = {
            "summary": plan.summary(),
            "calls": [asdict(call) for call in plan.calls],
            "refused": [asdict(one) for one in plan.refused],
        }
        print(json.dumps(told, ensure_ascii=False, indent=2, default=str))
    else:
        print("\n".join(_plan_lines(plan, zone)))
    return 0


def _plan_lines(plan: Plan, zone: ZoneInfo) -> list[str]:
    lines = [
        f"{_time(call.at, zone)}  {call.phone:16} {call.campaign:16} order {call.order}"
        f" call {call.number}: {call.outcome}, {call.seconds:.0f} s"
        for call in plan.calls
    ]
    lines += [f"not called  {one.phone:16} {one.campaign:16} {one.why}" for one in plan.refused]
    known = plan.summary()
    lines.append(
        f"{known['calls']} calls to {known['people']} people by {known['lines']} lines,"
        f" {known['hours_talked']} hours; {known['not_called']} not called (any more)"
    )
    if plan.calls:
        first, last = _time(known["first"], zone), _time(known["last"], zone)
        lines.append(f"from {first} to {last}; {known['outcomes']}")
    return lines


async def _events(
    path: Path, store: Any, campaigns: Campaigns, settings: Settings, start: datetime
) -> list[NewEvent]:
    """The file's events, complete; `BadInput` names the line that is wrong."""
    from pydantic import ValidationError

    from cti.dialler.intake import Intake
    from cti.web.api.shapes import read_event
    from cti.web.api.taking import event_of

    intake = Intake(
        store, None, lambda: campaigns, region=settings.country, language=settings.language
    )
    made = []
    try:
        text = await asyncio.to_thread(path.read_text, "utf-8")
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            told = read_event.validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = "/".join(map(str, first["loc"]))
            raise BadInput(f"{path}:{number}: {place}: {first['msg']}") from None
        event = event_of(told, told.at or start, told.order.currency or settings.currency)
        made.append(await intake.complete(event))
    return made


async def _recorded(store: Any, now: datetime) -> dict[str, float]:
    from cti.dialler.forecast import ASSUMED

    counts = await store.outcomes(now)
    return {name: float(count) for name, count in counts.items()} or dict(ASSUMED)


def _rates(text: str) -> dict[str, float]:
    from cti.dialler.campaigns import Outcome

    found = {}
    for part in text.split(","):
        name, _, share = part.strip().partition("=")
        try:
            found[Outcome(name).value] = float(share)
        except ValueError:
            raise BadInput(f"{part!r}: write a rate like no_answer=0.3") from None
    if min(found.values()) < 0 or not sum(found.values()):
        raise BadInput("the rates are not negative, and not all of them nothing")
    return found


def _moment(text: str, zone: ZoneInfo) -> datetime:
    if not text:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text!r} is no time; write it like 2026-11-23T09:00") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
