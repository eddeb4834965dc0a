"""`santral test`: everything that proves that it works, on this machine."""

from __future__ import annotations

import argparse
import os
from typing import Any

from cti.settings import HOME

EXAMPLE = """examples:
  santral test                 everything this machine can run; the rest is skipped by name
  santral test --unit          what needs no Asterisk, database server or browser (under a minute)
  santral test -- -k menu -x   anything after -- goes to pytest
"""
NOT_UNIT = "not asterisk and not browser and not postgres and not compose"


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
    import pytest  # a test dependency: not there in an installed wheel

    os.chdir(HOME)
    options = list(arguments.pytest)
    if arguments.unit:
        options += ["-m", NOT_UNIT]
    elif not arguments.compose:
        options += ["-m", "not compose"]
    return int(pytest.main(options))
