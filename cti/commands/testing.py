"""`santral test`: everything that proves that it works, on this machine."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from typing import Any

from cti.settings import HOME

EXAMPLE = """examples:
  santral test                 everything this machine can run; the rest is skipped by name
  santral test --unit          what needs no Asterisk, database server or browser (under a minute)
  santral test --compose       also build the images and bring the containers up (minutes)
  santral test -- -k menu -x   anything after -- goes to pytest
"""
FAILED = 1  # pytest's exit code
MOST_AGAIN = 12
UNIT = "not asterisk and not browser and not postgres and not compose"


def add_commands(commands: Any) -> None:
    test = commands.add_parser(
        "test",
        help="run the tests; they really dial",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    test.add_argument("--unit", action="store_true", help="only the tests that need no server")
    test.add_argument("--compose", action="store_true", help="also bring up the containers")
    test.add_argument("pytest", nargs="*", help="passed on to pytest")
    test.set_defaults(run=run_tests)


def run_tests(arguments: argparse.Namespace) -> int:
    if arguments.pytest:
        return _pytest(*arguments.pytest)
    # What needs no server runs side by side; what dials runs by itself, one call after another.
    unit = _with_second_chance("-n", str(min(4, os.cpu_count() or 2)), "-m", UNIT)
    if unit or arguments.unit:
        return unit
    rest = f"not ({UNIT})" if arguments.compose else f"not ({UNIT}) and not compose"
    return _with_second_chance("-m", rest)


def _pytest(*options: str) -> int:
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options], cwd=HOME, check=False
    ).returncode


def _with_second_chance(*options: str) -> int:
    """Run tests; the few that fail once more, alone. Tests that dial run in real time, and a busy
    machine can be too late for them; what is broken fails both times. Many failures are no bad
    luck."""
    code = _pytest(*options)
    if code != FAILED:
        return code
    failed = HOME / ".pytest_cache/v/cache/lastfailed"
    few = failed.is_file() and len(json.loads(failed.read_text())) <= MOST_AGAIN
    if not few:
        return code
    print("== once more, by themselves: the tests that failed", flush=True)
    return _pytest("--last-failed", "--last-failed-no-failures=none")
