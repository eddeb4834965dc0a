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
ABOUT: Final = "Santral: call flows in YAML, screen pops and order calls, on Asterisk."


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="santral",
        description=ABOUT,
        epilog="`santral COMMAND --help` tells more, with an example.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for area in AREAS:
        import_module(f"cti.commands.{area}").add_commands(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = build_parser().parse_args(arguments)
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
