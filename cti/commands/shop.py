"""`santral import`: orders, customers and do-not-call lists out of a shop's CSV files."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cti.settings import Settings

if TYPE_CHECKING:
    from cti.importing import Kind
    from cti.web.api.imports import LineOut
    from cti.web.api.services import Taking

EXAMPLE: Final = """examples:
  santral import orders.csv                what the file is about is told by its columns
  santral import siparisler.csv --all      a line of every line, not only of the refused ones
  santral import liste.csv --kind do_not_call --json

columns, in any order, in English or Turkish:
  orders       number, total, phone; name, consent, currency, categories, event, at, …
  customers    phone; name, language, tier, consent, time_zone, country, city, email
  do_not_call  phone; list, reason, expires_at

A line that cannot be used does not keep the others back; the same file again does nothing twice.
"""
KINDS: Final = ("orders", "customers", "do_not_call")


def add_commands(commands: Any) -> None:
    parser = commands.add_parser(
        "import",
        help="take in orders, customers or a do-not-call list from a CSV file",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--kind", choices=KINDS, help="what it is about")
    parser.add_argument("--all", action="store_true", help="tell of the lines taken, too")
    parser.add_argument("--json", action="store_true", help="a JSON object a line")
    parser.add_argument("--demo", action="store_true", help="into the demo's shop")
    parser.set_defaults(run=lambda arguments: asyncio.run(_import(arguments)))


async def _import(arguments: argparse.Namespace) -> int:
    from cti.commands.calls import database_of
    from cti.importing import decoded, kind_of
    from cti.web.api.opening import taking_of
    from cti.web.api.services import Taking

    settings = Settings.from_environment()
    if arguments.demo:
        settings = settings.model_copy(update={"state": settings.state / "demo"})
    try:
        text = decoded(await asyncio.to_thread(arguments.file.read_bytes))
    except OSError as error:
        print(f"santral: {arguments.file}: {error.strerror}", file=sys.stderr)
        return 2
    kind: Kind = arguments.kind or kind_of(text)
    async with database_of(settings) as engine:
        return await _read(arguments, Taking(**taking_of(settings, engine)), text, kind)


async def _read(arguments: argparse.Namespace, taking: Taking, text: str, kind: Kind) -> int:
    from cti.web.api.imports import imported

    results: Counter[str] = Counter()
    async for line in imported(taking, text, kind, getpass.getuser()):
        results[line.result] += 1
        if line.decision:
            results[line.decision] += 1
        if arguments.all or line.result == "refused":
            print(line.model_dump_json() if arguments.json else _shown(line), flush=True)
    if not arguments.json:
        parts = ", ".join(f"{count} {name}" for name, count in results.items()) or "no line"
        print(f"{kind}: {parts}", file=sys.stderr)
    else:
        print(json.dumps({"kind": kind, **results}), file=sys.stderr)
    return 1 if results["refused"] else 0


def _shown(line: LineOut) -> str:
    if line.result == "refused":
        wrong = "; ".join(f"{w.column}: {w.detail}" if w.column else w.detail for w in line.wrong)
        return f"line {line.line}: refused: {wrong}"
    return f"line {line.line}: {line.decision or 'taken'} ({line.why})"
