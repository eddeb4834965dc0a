"""`santral bench NAME`: measurements anyone can run again, each against a peer in the same run."""

from __future__ import annotations

import argparse
import inspect
import sys
from importlib import import_module
from typing import Any, Final

from cti.settings import CHECKOUT
from ivr.errors import BadInput

BENCHES: Final = {
    "all": "every one of these, and one report of them in Markdown and JSON",
    "capacity": "calls at once and a second, against the native dialplan; memory a call",
    "calls": "CPU per call against the native dialplan and a bare panoramisk script",
    "pop": "AgentCalled to the agent's page, with 200 desks and connections that are cut",
    "engine": "the engine alone: CPU per call by part of it, and memory per call",
    "crash": "the engine killed again and again under live calls",
    "outage": "PostgreSQL stopped for a minute under live calls",
    "speech": "accuracy, refusal, latency and barge-in of speech recognition",
    "journal": "CPU per event; --outage stops the database for a while",
    "lookup": "CPU per lookup",
    "check": "how long proving a flow of ten thousand steps takes",
    "fuzz": "broken inputs for every parser, the sandbox and the flow loader",
    "soak": "calls, keys, speech and faults for hours; then the books are checked",
    "defences": "each defence of the threat model taken away: its test has to fail",
    "dial": "outbound: pace on a real Asterisk, claims from a million, a kill campaign",
    "reports": "a million calls: every figure against a recount, and how long each report takes",
    "policy": "random histories against the dialler's policy",
}
EXAMPLE: Final = """examples:
  santral bench calls --rate 50 --calls 300
  santral bench crash --kills 20

""" + "\n".join(f"  {name:8} {about}" for name, about in BENCHES.items())


def add_commands(commands: Any) -> None:
    bench = commands.add_parser(
        "bench",
        help="measure it on this machine",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    bench.add_argument("name", choices=BENCHES, metavar="NAME")
    bench.add_argument("options", nargs=argparse.REMAINDER, help="the bench's own; try --help")
    bench.set_defaults(run=run_bench)
    # No prefix of its own: all of it, `--help` too, is the soak's.
    soak = commands.add_parser(
        "soak",
        help="the same as `bench soak`: hours of calls and faults",
        prefix_chars="\0",
        add_help=False,
    )
    soak.add_argument("options", nargs=argparse.REMAINDER, help="try --help")
    soak.set_defaults(run=run_bench, name="soak")


def run_bench(arguments: argparse.Namespace) -> int:
    if not (CHECKOUT / "bench").is_dir():
        raise BadInput("the benches are in a checkout only: they use its tests' own parts")
    sys.path.insert(0, str(CHECKOUT))
    run = import_module(f"bench.{arguments.name}").main
    sys.argv = [f"santral bench {arguments.name}", *arguments.options]
    takes_options = "arguments" in inspect.signature(run).parameters
    return int((run(arguments.options) if takes_options else run()) or 0)
