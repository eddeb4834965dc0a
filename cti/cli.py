"""The `santral` command line: parses, hands over to the sub-command, says errors plainly.

A sub-command is added by its module's `add_commands`; its function takes the parsed arguments and
returns the exit code.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

from ivr.errors import SantralError

# In the order of --help.
AREAS: Final = (
    "demo",
    "flows",
    "calls",
    "reports",
    "shop",
    "outbound",
    "engine",
    "line",
    "users",
    "models",
    "bench",
    "running",
    "testing",
)
# Started by every demo, each in processes that load anew: they do not load the other commands.
ALONE: Final = frozenset({"demo", "engine"})
ABOUT: Final = "Santral: call flows in YAML, screen pops and order calls, on Asterisk."


def build_parser(areas: Sequence[str] = AREAS) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="santral",
        description=ABOUT,
        epilog="`santral COMMAND --help` tells more, with an example.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for area in areas:
        import_module(f"cti.commands.{area}").add_commands(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    given = sys.argv[1:] if arguments is None else arguments
    areas = given[:1] if given and given[0] in ALONE else AREAS
    parsed = build_parser(areas).parse_args(given)
    try:
        code: int = parsed.run(parsed)
    except SantralError as error:
        print(f"santral: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return code


if __name__ == "__main__":
    raise SystemExit(main())
