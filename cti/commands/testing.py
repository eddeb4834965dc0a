"""`santral test`: everything that proves that it works, on this machine."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
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
PAUSE = 20.0  # seconds before the last chance
UNIT = "not asterisk and not browser and not postgres and not compose"
DIALS = "(asterisk or postgres) and not browser and not compose"
BROWSER = "browser and not compose"  # these leave the world's network for one of their own


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
    cores = _cores()
    # Two tests that fail to be in time must not be each other's reason: where there are few cores,
    # what dials runs by itself. A file stays in one process: its tests share a server.
    callers = min(3, cores - 1)
    side_by_side = ("-n", str(callers), "--dist", "loadfile") if callers > 1 else ()
    unit = _with_chances("-n", str(min(4, cores)), "--dist", "worksteal", "-m", UNIT)
    if unit or arguments.unit:
        return unit
    codes = [_with_chances(*side_by_side, "-m", DIALS), _with_chances("-m", BROWSER)]
    if arguments.compose:
        codes.append(_with_chances("-m", "compose"))
    return next((code for code in codes if code), 0)


def _cores() -> int:
    """How many processors this process may use; containers and taskset leave it fewer."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2


def _pytest(*options: str) -> int:
    # Without compiled files each of the many processes that tests start compiles everything anew.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options], cwd=HOME, env=environment, check=False
    ).returncode


def _with_chances(*options: str) -> int:
    """Run tests; the few that fail again, alone, and what fails then once more after a pause.
    Tests that dial run in real time, and a busy machine can be too late for them; what is broken
    fails each time. Many failures are no bad luck."""
    # What failed in an earlier run, or in another part, is not this part's.
    code = _pytest("--cache-clear", *options)
    failed = HOME / ".pytest_cache/v/cache/lastfailed"
    for pause in (0.0, PAUSE):
        if code != FAILED or not failed.is_file():
            return code
        if len(json.loads(failed.read_text())) > MOST_AGAIN:
            return code
        print("== once more, by themselves: the tests that failed", flush=True)
        time.sleep(pause)
        code = _pytest("--last-failed", "--last-failed-no-failures=none")
    return code
