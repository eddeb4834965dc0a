"""`santral demo`: everything on this machine, with one command."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

from cti.settings import Settings
from ivr.errors import BadInput

EXAMPLE = """examples:
  santral demo                          Asterisk, engine and shop; Ctrl-C stops them
  santral demo --call                   place one scripted call and tell it as it happens; while
                                        the demo runs: a caller who asks for an agent
  santral demo --call --speak           the same, and the caller speaks to the menu
  santral demo --call --json            the same as data
  santral demo --call --record call.wav keep what the caller heard
  santral demo --order                  post an order: its customer is called and confirms it
  santral demo --order all --json       busy, nobody, a machine, cancelled, a note: each as data
"""


def add_commands(commands: Any) -> None:
    demo = commands.add_parser(
        "demo",
        help="bring everything up on this machine, and call it",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    demo.add_argument("--call", action="store_true", help="place one scripted call, then stop")
    demo.add_argument("--speak", action="store_true", help="the caller speaks where they can")
    demo.add_argument(
        "--order",
        nargs="*",
        metavar="SCENE",
        help="post an order and call its customer; confirm, cancel, note, busy, no_answer, machine",
    )
    demo.add_argument("--json", action="store_true", help="tell the call as data")
    demo.add_argument("--record", type=Path, metavar="FILE", help="keep what the caller heard")
    demo.set_defaults(run=run_demo)


def run_demo(arguments: argparse.Namespace) -> int:
    return asyncio.run(_until_stopped(arguments))


async def _until_stopped(arguments: argparse.Namespace) -> int:
    """Ctrl-C and SIGTERM end it at any moment, with everything that was started."""
    work = asyncio.ensure_future(_demo(arguments))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    try:
        return await work
    except asyncio.CancelledError:
        return 0 if not arguments.call and arguments.order is None else 130


async def _orders(arguments: argparse.Namespace) -> int:
    from cti.demo_order import SCENES, order_demo, play_order

    scenes = list(arguments.order) or ["confirm"]
    if scenes == ["all"]:
        scenes = list(SCENES)
    if unknown := sorted(set(scenes) - set(SCENES)):
        raise BadInput(f"there is no scene {', '.join(unknown)}; there are {', '.join(SCENES)}")
    tell = (lambda line: None) if arguments.json else _tell
    results = []
    async with order_demo(Settings.from_environment().state, _say) as there:
        for scene in scenes:
            tell(f"--- {scene}")
            results.append(await play_order(there, scene, tell))
            tell("        as it should be" if results[-1].good else "        NOT as it should be")
    if arguments.json:
        told = [one.to_dict() for one in results]
        print(json.dumps(told, ensure_ascii=False, indent=2, default=str))
    return 0 if all(one.good for one in results) else 1


async def _demo(arguments: argparse.Namespace) -> int:
    if arguments.order is not None:
        return await _orders(arguments)
    if arguments.call:
        return await _call(arguments)
    from cti.demo import demo_running

    async with demo_running(Settings.from_environment().state, _say, history=True) as demo:
        _say(await asyncio.to_thread(_what_to_dial, demo))
        return await demo.ended()


async def _call(arguments: argparse.Namespace) -> int:
    from cti.demo import demo_running
    from cti.demo_call import call_the_shop
    from cti.demo_visit import runs, visit

    state = Settings.from_environment().state
    if runs(state / "demo"):
        return 0 if await visit(state, state / "demo", _tell) else 1
    async with demo_running(state, _say) as demo:
        tell = (lambda line: None) if arguments.json else _tell
        result = await call_the_shop(demo, tell, arguments.record, speak=arguments.speak)
        if arguments.json:
            print(json.dumps(result.to_dict(), ensure_ascii=False, indent=2))
        return 0 if result.heard_status else 1


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _tell(line: str) -> None:
    print(line, flush=True)


def _what_to_dial(demo: Any) -> str:
    host, port = demo.sip
    lines = lines_of(demo.settings.scenarios)
    return f"""
The shop's line is open. Set up any softphone on this machine:

    server    {host}:{port} (UDP)
    user      {demo.account.name}
    password  {demo.account.password}

and dial

{lines}

Order 1234 is on its way, 1235 waits to be confirmed, 1236 to be paid; they are found because this
account calls as {demo.account.title}, {demo.account.number}.

The desk is at {demo.url}

{users_of(demo)}

    log of the engine     {demo.settings.state / "engine.log"}
    Asterisk's manager    {host}:{demo.asterisk.settings.ami_port}

The reports show thirty days of calls that nobody made: `santral report calls --demo`. They go with
`santral reports forget-demo --demo`.

Ctrl-C stops everything."""


def users_of(demo: Any) -> str:
    """Who may sign in at the desk, with their passwords if they are new."""
    from cti.demo_desk import PEOPLE

    if not demo.passwords:
        names = ", ".join(f"{login} ({role})" for login, _, role, *_ in PEOPLE)
        return (
            f"    {names}\n"
            "    Their passwords were shown at the first start;\n"
            "    `santral user password --demo ayse` makes a new one."
        )
    rows = [
        f"    {login:8} {role:11} {demo.passwords[login]}   {name}"
        for login, name, role, *_ in PEOPLE
    ]
    return "\n".join([*rows, "    (these passwords are shown this once)"])


def lines_of(folder: Path) -> str:
    """What can be dialled, from the lines file: number, language, and what the flow is about."""
    from cti.lines import load_lines
    from ivr.flow.folder import load_folder

    library, _ = load_folder(folder)
    shown = []
    for number, line in load_lines(folder / "lines.yaml", library).lines.items():
        flow = library.get(line.flow)
        language = line.language or flow.languages[0]
        shown.append(f"    {number}  {language}  {flow.name:15} {flow.about}".rstrip())
    return "\n".join(shown)
