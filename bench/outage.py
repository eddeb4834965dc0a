"""PostgreSQL stopped under real calls: no call fails, no event is lost, and the lag goes again.

Callers call a real Asterisk at a steady rate; each is checked by ear. The journal's database is
stopped like a crash stops it, stays away, and comes back. Lookups ask the shop's own database.

    santral bench outage --rate 50 --seconds 60
    santral bench outage --rate 50 --seconds 60 --control      the same calls, the database stays

Calls are short, a few seconds, so that fifty a second are some two hundred at once: what is asked
here is the journal, not how many calls a machine can carry.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench.callers import Plan
from bench.calls import place
from bench.crash_check import Findings, check_story, read_calls
from cti.db.engine import open_engine
from cti.db.migrate import upgrade
from cti.demo import Demo, demo_running
from cti.demo_shop import ORDER, seed_shop
from cti.settings import CHECKOUT, Settings
from cti.status import read_status
from ivr.audio import read_wav
from ivr.call import Utterance
from ivr.events import Entry, StepEntered
from ivr.flow.folder import load_folder
from ivr.prompts.opening import PromptSettings, open_prompts

BEFORE: Final = 10.0  # seconds of calls before the database goes
AFTER: Final = 30.0  # and after it has come back, within which the lag has to be gone
BEHIND: Final = 20_000  # bytes in the spool that are no lag, if calls do not write more usually
GIVEN_UP: Final = 120.0  # seconds after which it is not waited for any more
LOOKS: Final = 0.25  # seconds between two looks at it
LINES: Final = "lines: {}\ndefault: {flow: outage, language: en}\n"


async def outage(rate: float, seconds: float, control: bool = False) -> dict[str, Any]:
    """What came of it. With `control` the database stays."""
    from tests.postgres_server import running_postgres

    state = Settings.from_environment().state
    with running_postgres() as server, tempfile.TemporaryDirectory(prefix="outage-") as name:
        home = Path(name)
        folder = home / "scenarios"
        folder.mkdir()
        shutil.copy(CHECKOUT / "bench" / "scenarios" / "outage.yaml", folder)
        shutil.copy(CHECKOUT / "scenarios" / "queries.yaml", folder)
        (folder / "lines.yaml").write_text(LINES, "utf-8")
        shop = f"sqlite+aiosqlite:///{home / 'shop.db'}"
        await _open_shop(shop)
        changes = {
            "scenarios": folder, "prompt_cache": state / "demo" / "prompts", "speech_port": 0,
            "database_url": server.new_database(), "lookup_database_url": shop,
        }  # fmt: skip
        async with demo_running(state, tell, home=home / "demo", **changes) as demo:
            plan = await _plan(demo, rate, round(rate * (BEFORE + seconds + AFTER)))
            calling = asyncio.create_task(place(plan))
            usual = max(BEHIND, await _most_behind(demo, BEFORE))
            if not control:
                tell(f"the database is stopped for {seconds:g} s")
                await asyncio.to_thread(server.stop)
            most = await _most_behind(demo, seconds)
            if not control:
                await asyncio.to_thread(server.start)
            lag = await _lag(demo, usual)
            tell(f"the lag was gone after {lag:.1f} s")
            outcome = await calling
            findings = Findings()
            engine = open_engine(demo.settings.journal_database)
            calls = await read_calls(engine, 30)
            await engine.dispose()
            for entries in calls.values():
                check_story(entries, findings)
            lost = journal_of(demo)["lost"]
            untold = sum("tell" not in steps_of(one) for one in calls.values())
    wrong = findings.lost + findings.doubled + findings.reordered + lost
    good = not (outcome["failed"] or wrong) and len(calls) == plan.calls and lag <= AFTER
    return {
        "good": good, "rate": rate, "seconds_away": 0.0 if control else seconds,
        "calls": plan.calls,
        "failed_calls": outcome["failed"], "faults": outcome["faults"],
        "most_at_once": outcome["most_at_once"],
        "longest_answer_ms": outcome["longest_answer_ms"],
        "callers_late_ms": outcome["callers_late_ms"], "calls_in_the_journal": len(calls),
        "events": sum(map(len, calls.values())), "lost_events": lost,
        "incomplete_calls": findings.lost, "took_another_way": untold, "doubled": findings.doubled,
        "reordered": findings.reordered, "usual_bytes_behind": usual, "most_bytes_behind": most,
        "lag_gone_after": round(lag, 2), "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip


def journal_of(demo: Demo) -> dict[str, Any]:
    status = read_status(demo.settings.state)
    assert status is not None, "the engine runs"
    journal: dict[str, Any] = status["journal"]
    return journal


def steps_of(entries: Sequence[Entry]) -> list[str]:
    return [e.event.step for e in entries if isinstance(e.event, StepEntered)]


async def _most_behind(demo: Demo, seconds: float) -> int:
    """The most bytes that waited for the database within so many seconds."""
    most, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        journal = await asyncio.to_thread(journal_of, demo)
        most = max(most, journal["spooled_bytes"])
        await asyncio.sleep(LOOKS)
    return most


async def _lag(demo: Demo, usual: int) -> float:
    """Seconds from the database's return until no more waits for it than usually does."""
    began = time.monotonic()
    while True:
        journal = await asyncio.to_thread(journal_of, demo)
        if not journal["database_away"] and journal["spooled_bytes"] <= usual:
            return time.monotonic() - began
        if time.monotonic() - began > GIVEN_UP:
            return GIVEN_UP
        await asyncio.sleep(LOOKS)


async def _open_shop(url: str) -> None:
    engine = open_engine(url)
    await upgrade(engine)
    await seed_shop(engine)
    await engine.dispose()


async def _plan(demo: Demo, rate: float, calls: int) -> Plan:
    """Keys in the middle of the prompts that ask for them."""
    settings = demo.settings
    library, _ = load_folder(settings.scenarios)
    flow, known = library.get("outage"), {"order": {"number": ORDER}, "language": "en"}
    prompts = PromptSettings(settings.prompts, settings.sounds, espeak=demo.espeak)
    files: dict[str, list[str]] = {}
    async with open_prompts(prompts) as opened:
        for name in ("hello", "told"):
            pieces = flow.prompt(name).template("en").pieces(known)
            said = await opened.files(Utterance(name, "en", pieces, "outage"))
            files[name] = [str(file) for file in said]
    first = _seconds(files["hello"]) + 0.4
    press = [(first, "1"), (first + 1.0, f"{ORDER}#")]
    host, port = demo.sip
    account = demo.account
    longest = press[-1][0] + _seconds(files["told"]) + 8.0
    return Plan(
        host, port, account.name, account.password, "100", calls, rate, press, longest,
        files["told"],
    )  # fmt: skip


def _seconds(files: Sequence[str]) -> float:
    sounds = [read_wav(Path(file)) for file in files]
    return sum(len(samples) / rate for samples, rate in sounds)


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="santral bench outage", description=__doc__)
    parser.add_argument("--rate", type=float, default=50.0, help="calls begun a second (50)")
    parser.add_argument("--seconds", type=float, default=60.0, help="that it is away (60)")
    parser.add_argument("--control", action="store_true", help="leave the database alone")
    parser.add_argument("--json", action="store_true")
    parsed = parser.parse_args(arguments)
    report = asyncio.run(outage(parsed.rate, parsed.seconds, parsed.control))
    if parsed.json:
        print(json.dumps(report, indent=2))
    else:
        for name, value in report.items():
            print(f"{name:24} {value}")
    return 0 if report["good"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
