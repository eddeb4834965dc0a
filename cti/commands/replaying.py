"""`santral replay`: a call of the journal, had again with its flow as it is now."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cti.commands.trying import around_of, say
from cti.settings import Settings
from ivr import events
from ivr.errors import BadInput
from ivr.events import Entry
from ivr.flow.finding import meant
from ivr.flow.folder import check_folder
from ivr.lab.proposals import written
from ivr.lab.replay import Replay, as_trial, replay


def replay_call(
    call: str,
    folder: Path,
    settings: Settings,
    *,
    flow: str = "",
    as_test: bool = False,
    as_json: bool = False,
) -> int:
    """Replay a call: its id (or the beginning of it), or a file of its journal's entries as JSON.

    Exit code 1 when it goes another way now.
    """
    path = Path(call)
    history = _read(path) if path.is_file() else asyncio.run(_history(call, settings))
    if as_test:
        say(written([as_trial(history, f"call {history[0].call}")]).rstrip())
        return 0
    around = around_of(check_folder(folder))
    started = next(e.event for e in history if isinstance(e.event, events.CallStarted))
    name = flow or started.flow
    if name not in around.library:
        known = [flow.name for flow in around.library]
        raise BadInput(f"there is no good flow '{name}'{meant(name, known)}")
    zone = ZoneInfo(settings.time_zone)
    made = asyncio.run(replay(history, around.library.get(name), around, zone))
    if as_json:
        say(json.dumps(_told(made), ensure_ascii=False, indent=2))
    else:
        say(f"{history[0].call}: {name} {started.version} then, "
            f"{around.library.get(name).version} now")  # fmt: skip
        for line in made.told():
            say(line)
    return int(made.diverges)


def _told(made: Replay) -> dict[str, Any]:
    return {
        "diverges": made.diverges,
        "same_steps": made.same,
        "then": [str(place) for place in made.before],
        "now": [str(place) for place in made.now],
        "ended": list(made.ended),
        "said_differently": [list(pair) for pair in made.said],
        "notes": made.notes,
    }


def _read(path: Path) -> Sequence[Entry]:
    try:
        rows = json.loads(path.read_text("utf-8"))
        return [Entry.from_dict(row) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path} holds no journal's entries: {error}") from error


async def _history(call: str, settings: Settings) -> Sequence[Entry]:
    from cti.db.engine import open_engine
    from cti.db.migrate import upgrade
    from cti.db.store.calls import CallStore
    from cti.journal.journal import open_journal

    settings.state.mkdir(parents=True, exist_ok=True)
    engine = open_engine(settings.journal_database)
    try:
        await upgrade(engine)
        found = await CallStore(engine).of_id(call)
    finally:
        await engine.dispose()
    if len(found) != 1:
        what = "no call" if not found else f"{len(found)} calls"
        raise BadInput(f"{what} with an id that begins with '{call}'")
    async with open_journal(settings.journal_database, settings.state / "spool") as journal:
        return await journal.history(found[0].id)
