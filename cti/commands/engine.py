"""`santral engine`: serve calls until told to stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from typing import Any

from cti.settings import Settings

EXAMPLE = """example:
  SANTRAL_AGI_PORT=4573 santral engine      serve the flows in ./scenarios to Asterisk

Stops on SIGTERM or Ctrl-C: new calls are refused at once, calls in progress may finish.
"""


def add_commands(commands: Any) -> None:
    engine = commands.add_parser(
        "engine",
        help="serve calls to an Asterisk that is already there",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    engine.set_defaults(run=run_engine)


def run_engine(arguments: argparse.Namespace) -> int:
    import uvloop

    settings = Settings.from_environment()
    logging.basicConfig(
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings))
    return 0


async def _serve(settings: Settings) -> None:
    from cti.main import running  # wires everything; slow to import for a mere --help

    stop = asyncio.Event()
    for signal_ in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_, stop.set)
    async with running(settings) as engine:
        print(f"ready agi={engine.port}", flush=True)
        await stop.wait()
