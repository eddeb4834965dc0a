"""`santral engine` and `santral restart`: serve calls until told to stop; upgrade meanwhile."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import socket
import sys
import time
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from cti.settings import Settings
from ivr.errors import EngineDown
from ivr.logs import set_up

EXAMPLE: Final = """example:
  SANTRAL_AGI_PORT=4573 santral engine      serve the flows in ./scenarios to Asterisk

Stops on SIGTERM or Ctrl-C: new calls are refused at once, calls in progress may finish. An engine
that dies is followed by another one at once, which takes up its calls. See also: santral restart.
"""
RESTART: Final = """example:
  git pull && santral restart      serve with the new code; nobody on the line notices

The engine that runs takes no more calls once the new one is ready; its calls go on in it for up to
SANTRAL_RESTART_DRAIN seconds, and those that are not over by then in the new one. When the new one
does not start, the old one goes on. Exit 0: the new one serves. Exit 1: the old one does.
"""
RESTART_TIME: Final = 150.0  # seconds
LOOK_EVERY: Final = 0.1
# What takes long to import: it is there before a process has to serve.
WORKER_NEEDS: Final = ("cti.main", "uvloop", "aiosqlite", "asyncpg", "phonenumbers")


def add_commands(commands: Any) -> None:
    engine = commands.add_parser(
        "engine",
        help="serve calls to an Asterisk that is already there",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    engine.add_argument("--worker", type=int, metavar="FD", help=argparse.SUPPRESS)
    engine.set_defaults(run=run_engine)
    restart = commands.add_parser(
        "restart",
        help="let a new engine take over from the one that runs, under live calls",
        epilog=RESTART,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    restart.set_defaults(run=run_restart)


def run_engine(arguments: argparse.Namespace) -> int:
    settings = Settings.from_environment()
    set_up(settings.log_level, settings.log_format)
    if arguments.worker is not None:
        return _work(settings, arguments.worker)
    asyncio.run(_keep(settings))
    return 0


async def _keep(settings: Settings) -> None:
    from cti.keeper import Keeper

    keeper = Keeper(settings, lambda line: print(line, flush=True))
    loop = asyncio.get_running_loop()
    for signal_ in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_, keeper.stop)
    loop.add_signal_handler(signal.SIGHUP, keeper.restart)
    try:
        await keeper.run()
    except OSError as error:
        where = f"{settings.agi_host}:{settings.agi_port}"
        raise EngineDown(f"no calls can be taken at {where}: {error.strerror}") from error


def _work(settings: Settings, listening: int) -> int:
    """The nursery of engine processes on the keeper's socket."""
    from cti.nursery import run
    from ivr.speech.parent import die_with_parent

    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the keeper
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a process with threads is not forked
    for name in WORKER_NEEDS:
        import_module(name)

    def serve() -> int:
        import uvloop

        sock = socket.socket(fileno=listening)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, sock))
        return 0

    run(serve)
    return 0


async def _serve(settings: Settings, sock: socket.socket) -> None:
    from cti.main import running

    stop, patience = asyncio.Event(), settings.drain

    def handed_over() -> None:
        nonlocal patience
        patience = settings.restart_drain
        stop.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, handed_over)
    async with running(settings, sock) as engine:
        _settle_memory()
        print(f"ready {os.getpid()} {engine.port}", flush=True)
        if engine.desk is not None:
            engine.desk.first_password.add_done_callback(partial(_tell_once, settings))
        await stop.wait()
        engine.patience = patience


def run_restart(arguments: argparse.Namespace) -> int:
    from cti.keeper import read_news

    state = Settings.from_environment().state
    state = state if read_news(state) else state / "demo"
    before = read_news(state)
    if before is None:
        raise EngineDown("no engine runs here; `santral engine` starts one")
    os.kill(before.pid, signal.SIGHUP)
    print("starting the new engine ...", flush=True)
    return _watch(state, before.restarts, time.monotonic() + RESTART_TIME)


def _watch(state: Path, restarts: int, until: float) -> int:
    from cti.keeper import read_news

    while time.monotonic() < until:
        news = read_news(state)
        if news is None:
            raise EngineDown("the engine has ended")
        if news.restarts > restarts:
            if news.failed:
                print(news.failed)
                return 1
            old = ", ".join(map(str, news.draining))
            rest = f"; calls in progress go on in process {old}" if old else ""
            print(f"process {news.worker} takes the calls now{rest}")
            return 0
        time.sleep(LOOK_EVERY)
    print("the new engine has not begun to serve in time; the old one goes on")
    return 1


def _settle_memory() -> None:
    """What was made at the start stays: the collector need not walk it again and again. Measured:
    a full collection of 170,000 objects holds the loop for 60 to 200 ms, and every pop with it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def _tell_once(settings: Settings, made: asyncio.Future[str]) -> None:
    """The first admin's password: on the terminal, or in a file only its owner can read; never in
    a log."""
    password = "" if made.cancelled() else made.result()
    if not password:
        return
    if sys.stderr.isatty():
        text = f"The desk's first user is admin, with the password {password} (shown this once)."
        print(text, file=sys.stderr, flush=True)
        return
    from cti.asterisk.instance import write_private

    path = settings.state / "first-admin"
    write_private(path, f"admin {password}\n")
    print(f"The desk's first user is admin; the password is in {path}", file=sys.stderr, flush=True)
