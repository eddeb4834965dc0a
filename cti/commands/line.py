"""What is on the line: its status, the versions of its flows, and its switches."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cti.settings import Settings
from ivr.errors import BadInput

if TYPE_CHECKING:
    from cti.db.store.flows import FlowVersion

STATUS: Final = """examples:
  santral status          what the engine on this machine does
  santral status --json   the same for scripts

Exit 0: it runs. Exit 1: it does not.
"""
VERSIONS: Final = """examples:
  santral versions                the versions of every flow
  santral versions order_line     of one flow, the newest first
"""
RESTORE: Final = """example:
  santral restore order_line 3f2a9c   put that version back into the scenarios folder

The beginning of a version is enough. What is in the file now is kept: as a version, or, if it was
never on the line, beside the file. A running engine takes the restored file up by itself.
"""
SWITCH: Final = """examples:
  santral switch list           every switch, and whether it is on
  santral switch emergency on   from the next call on
"""


def add_commands(commands: Any) -> None:
    status = _command(commands, "status", "how the engine on this machine does", STATUS)
    status.add_argument("--json", action="store_true", help="as data")
    status.set_defaults(run=run_status)
    versions = _command(
        commands, "versions", "every version of a flow that was on the line", VERSIONS
    )
    versions.add_argument("flow", nargs="?", default="", help="one flow (all)")
    versions.add_argument("--json", action="store_true", help="as data")
    versions.set_defaults(run=run_versions)
    restore = _command(commands, "restore", "put a version of a flow back", RESTORE)
    restore.add_argument("flow")
    restore.add_argument("version", help="as `santral versions` shows it, or its beginning")
    restore.set_defaults(run=run_restore)
    switch = _command(commands, "switch", "throw a switch, an emergency for one", SWITCH)
    switch.add_argument("name", help="its name, or `list`")
    switch.add_argument("to", nargs="?", choices=("on", "off"), help="on or off")
    switch.set_defaults(run=run_switch)


def _command(commands: Any, name: str, about: str, example: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=about,
        description=about.capitalize() + ".",
        epilog=example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def _settings() -> Settings:
    """The settings, with the state directory of the engine that runs."""
    from cti.status import state_in_use

    settings = Settings.from_environment()
    return settings.model_copy(update={"state": state_in_use(settings.state)})


def run_status(arguments: argparse.Namespace) -> int:
    from cti.status import read_status

    status = read_status(_settings().state)
    if arguments.json:
        print(json.dumps(status or {"running": False}, ensure_ascii=False, indent=2))
    elif status is None:
        print("The engine does not run here.")
    else:
        print(as_text(status, time.time()))
    return int(status is None)


def as_text(status: dict[str, Any], now: float) -> str:
    """The status as it is shown to people."""
    journal = status["journal"]
    ports = ", ".join(f"{name} {port}" for name, port in status["ports"].items())
    lines = [
        f"running for {_long(now - status['started'])}, process {status['pid']}, ports: {ports}"
        + (" - but it has said nothing for a while" if status["stale"] else ""),
        f"calls in progress: {status['calls']}",
    ]
    lines += [
        f"  {one['calls']:5} on {one['flow']} {one['version']}"
        for one in status["calls_by_version"]
    ]
    away = journal["database_away"]
    lines.append(
        f"journal: {journal['stored']} events stored, {journal['spooled_bytes']} bytes waiting, "
        f"{journal['lost']} lost" + (f", database away for {_long(away)}" if away else "")
    )
    lines.append("flows on the line:")
    for name, flow in status["flows"].items():
        since = datetime.fromisoformat(flow["since"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        numbers = " ".join(n for n, of in sorted(status["lines"].items()) if of == name)
        lines.append(f"  {name:20} {flow['version']}  since {since}  {numbers}".rstrip())
    found = status["findings"]
    lines.append(f"findings: {len(found)}" if found else "findings: none")
    for one in found:
        where = f"{one['file']}:{one['line']}:{one['column']}"
        lines.append(f"  {where}: {one['severity']} {one['code']}: {one['message']}")
    return "\n".join(lines)


def _long(seconds: float) -> str:
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def run_versions(arguments: argparse.Namespace) -> int:
    settings = _settings()
    found = asyncio.run(_versions(settings, arguments.flow))
    if arguments.json:
        rows = [{"flow": one.name, "version": one.version, "author": one.author,
                 "first": one.first_seen_at.isoformat(), "last": one.last_seen_at.isoformat()}
                for one in found]  # fmt: skip
        print(json.dumps(rows, ensure_ascii=False, indent=2))
        return 0
    if not found:
        print("No version was on the line yet.")
        return 1
    for one in sorted(found, key=lambda one: one.name):
        first, last = (
            at.astimezone().strftime("%Y-%m-%d %H:%M")
            for at in (one.first_seen_at, one.last_seen_at)
        )
        print(f"{one.name:20} {one.version}  {first} to {last}  {one.author}")
    return 0


def run_restore(arguments: argparse.Namespace) -> int:
    settings = _settings()
    found = asyncio.run(_versions(settings, arguments.flow))
    wanted = [one for one in found if one.version.startswith(arguments.version)]
    if len(wanted) != 1:
        known = ", ".join(one.version for one in found) or "none"
        what = "is more than one version" if wanted else "is no version"
        raise BadInput(f"'{arguments.version}' {what} of '{arguments.flow}'; there are: {known}")
    for line in restore(settings.scenarios, wanted[0], found, datetime.now(UTC)):
        print(line)
    return 0


def restore(
    folder: Path, wanted: FlowVersion, kept: Sequence[FlowVersion], now: datetime
) -> list[str]:
    """Write a version into its file, whole or not at all. What was done, for people."""
    path = file_of(folder, wanted.name)
    told = []
    if path.exists():
        text = path.read_bytes()
        if text.decode("utf-8-sig", "replace") == wanted.source:
            return [f"{path} has version {wanted.version} already"]
        if text.decode("utf-8-sig", "replace") not in {one.source for one in kept}:
            beside = path.with_name(f"{path.name}.before-{now:%Y%m%d-%H%M%S}")
            beside.write_bytes(text)
            told.append(f"what was in {path.name} is kept as {beside.name}")
    new = path.with_name(f".{path.name}.new")
    new.write_text(wanted.source, "utf-8")
    new.replace(path)
    told.append(f"{path} has version {wanted.version} again")
    if wanted.prompts:
        names = ", ".join(sorted(wanted.prompts))
        told.append(f"it says shared prompts, which stay as they are now: {names}")
    return told


def file_of(folder: Path, flow: str) -> Path:
    """The file that holds a flow, whether or not it can be read as one at the moment."""
    for path in sorted(folder.glob("*.yaml")):
        try:
            lines = path.read_text("utf-8-sig", "replace").splitlines()
        except OSError:
            continue
        if any(line.split("#")[0].split() == ["flow:", flow] for line in lines):
            return path
    return folder / f"{flow}.yaml"


async def _versions(settings: Settings, flow: str) -> Sequence[FlowVersion]:
    from cti.db.engine import open_engine
    from cti.db.migrate import upgrade
    from cti.db.store.flows import FlowStore

    engine = open_engine(settings.journal_database)
    try:
        await upgrade(engine)
        return await FlowStore(engine).versions(flow)
    finally:
        await engine.dispose()


def run_switch(arguments: argparse.Namespace) -> int:
    from cti.services.switches import SwitchFile

    settings = _settings()
    switches = SwitchFile(settings.state / "switches.json")
    named = _named(settings)
    thrown = switches.all()
    if arguments.name == "list" and arguments.to is None:
        for name in sorted({*named, *thrown}):
            one = thrown.get(name)
            how = f"{'on' if one.on else 'off'}  since {one.at}, by {one.by}" if one else "off"
            where = ", ".join(named.get(name, ())) or "no table of hours names it"
            print(f"{name:20} {how}  ({where})")
        return 0
    if arguments.to is None:
        raise BadInput(f"say on or off: santral switch {arguments.name} on")
    if arguments.name not in named and arguments.name not in thrown:
        from ivr.flow.finding import meant

        known = ", ".join(sorted(named)) or "none"
        hint = meant(arguments.name, named)
        raise BadInput(
            f"no table of hours names a switch '{arguments.name}'{hint}; there are: {known}"
        )
    switches.throw(arguments.name, arguments.to == "on", getpass.getuser())
    print(f"{arguments.name} is {arguments.to}, from the next call on")
    return 0


def _named(settings: Settings) -> dict[str, list[str]]:
    """The switches that tables of hours name, with those tables."""
    from cti.tables import load_tables

    named: dict[str, list[str]] = {}
    for table, hours in load_tables(settings.scenarios).hours.items():
        if hours.switch:
            named.setdefault(hours.switch, []).append(f"hours {table}")
    return named
