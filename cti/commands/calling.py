"""`santral call`: a flow at the keyboard, with the demo shop behind it."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import shutil
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cti.commands.trying import around_of, say
from cti.settings import Settings
from ivr.call import CallInfo, Direction, Utterance
from ivr.errors import BadInput, SantralError
from ivr.flow.finding import Severity, meant
from ivr.flow.folder import check_folder
from ivr.flow.reader import read_file, read_text
from ivr.lab.console import Keyboard, at_keyboard
from ivr.lab.script import VirtualClock
from ivr.services import Lookup

SPEAKING = 60.0  # seconds that saying one prompt may take


def call_flow(
    name: str,
    folder: Path,
    settings: Settings,
    *,
    language: str = "",
    caller: str = "",
    outbound: bool = False,
    given: str = "",
    now: str = "",
    speak: bool = False,
) -> int:
    """Talk to a flow; the exit code. `given` is a YAML file or YAML text, see `lab/given.py`."""
    checked = check_folder(folder)
    around = around_of(checked)
    if name not in around.library:
        wrong = [found for found in checked.findings if found.severity is Severity.ERROR]
        view = checked.views.get(name)
        mine = [str(found) for found in wrong if view and found.file == view.document.file]
        known = [flow.name for flow in around.library]
        raise BadInput("\n".join(mine) or f"there is no good flow '{name}'{meant(name, known)}")
    flow = around.library.get(name)
    world = _given(given)
    clock = VirtualClock(_moment(now, settings.time_zone))
    direction = Direction.OUTBOUND if outbound else Direction.INBOUND
    info = CallInfo("keyboard", caller=caller, dialled="100", direction=direction)
    keyboard = Keyboard(_read, say, _Voice(settings) if speak else None)
    say(f"{name} ({language or flow.languages[0]}). Type keys or words; an empty line is silence, ")
    say("Ctrl-D hangs up, :help tells more.")

    async def run() -> None:
        async with _shop(folder, settings) as lookup:
            await at_keyboard(
                flow, around, keyboard, info,
                language=language, given=world, lookup=lookup, clock=clock,
                variables=world.pop("variables", None),
            )  # fmt: skip

    asyncio.run(run())
    return 0


def _moment(now: str, zone: str) -> datetime:
    """A time of the shop's zone, where it names none of its own."""
    if not now:
        return datetime.now(ZoneInfo(zone))
    try:
        moment = datetime.fromisoformat(now)
    except ValueError as error:
        raise BadInput(f"'{now}' is no time; write it like 2026-11-23T10:00") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))


def _given(text: str) -> dict[str, Any]:
    if not text:
        return {}
    path = Path(text)
    document = read_file(path) if path.suffix == ".yaml" else read_text(text, "--given")
    if not isinstance(document.data, dict):
        raise BadInput("--given holds names and values, as `given` in a test does")
    return document.data


async def _read(prompt: str) -> str | None:
    """A line from the keyboard, without holding up the loop."""
    try:
        return await asyncio.to_thread(input, prompt)
    except EOFError:
        say()
        return None


@contextlib.asynccontextmanager
async def _shop(folder: Path, settings: Settings) -> AsyncIterator[Lookup | None]:
    """The database that lookups ask: the one set, else a demo shop that is kept for this."""
    from cti.db.engine import open_engine
    from cti.db.lookup import open_lookup
    from cti.db.migrate import upgrade
    from cti.db.queries import load_queries
    from cti.demo_shop import seed_shop

    path = folder / "queries.yaml"
    if not path.exists():
        yield None
        return
    queries = load_queries(path)
    url = settings.lookup_database_url
    if not url:
        settings.state.mkdir(parents=True, exist_ok=True)
        url = f"sqlite+aiosqlite:///{settings.state / 'keyboard.db'}"
        database = open_engine(url)
        try:
            await upgrade(database)
            await seed_shop(database)
        finally:
            await database.dispose()
    async with open_lookup(url, queries) as lookup:
        yield lookup


class _Voice:
    """Says prompts aloud through the synthesiser's own sound output."""

    def __init__(self, settings: Settings) -> None:
        self._command = shlex.split(settings.espeak)
        if not self._command or shutil.which(self._command[0]) is None:
            raise BadInput(f"--speak needs {settings.espeak}, which is not on this machine")

    async def __call__(self, utterance: Utterance) -> None:
        command = (*self._command, "-v", utterance.language, "--", utterance.text)
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
        try:
            await asyncio.wait_for(process.wait(), SPEAKING)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise SantralError("the synthesiser did not come to an end") from None
