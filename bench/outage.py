"""PostgreSQL stopped under real calls: no call fails, no event is lost, and the lag goes again.

Callers call a real Asterisk at a steady rate. The journal's database is stopped like a crash stops
it, stays away, and comes back. Lookups ask the shop's own database.

    santral bench outage --rate 50 --seconds 60
    santral bench outage --rate 50 --seconds 60 --control      the same calls, the database stays

What is asked here is the journal, not how many calls a machine can carry: Asterisk spends 80-90 ms
of processor on the demo's order call, so fifty of those a second are four cores and a half before
anybody has called. Hence a light call that writes down more events than that one (21 to 19), but
lasts three seconds: callers type ahead, and send nothing but keys. Each has to be answered, and
ended by the engine in time; each n-th listens, and has to hear the answer by ear. Of *every* call
the journal has to tell, without a hole, that both keys arrived, the answer was played to its end,
and that the flow came to its end.
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
from bench.processor import cpu_seconds
from cti.db.engine import open_engine
from cti.db.migrate import upgrade
from cti.demo import Demo, demo_running
from cti.demo_shop import ORDER, seed_shop
from cti.settings import CHECKOUT, Settings
from cti.status import read_status
from ivr.audio import read_wav
from ivr.call import Utterance
from ivr.events import CallEnded, Entry, Heard, PromptPlayed
from ivr.flow.folder import load_folder
from ivr.prompts.opening import PromptSettings, open_prompts

BEFORE: Final = 10.0  # seconds of calls before the database goes
AFTER: Final = 30.0  # and after it has come back, within which the lag has to be gone
BEHIND: Final = 20_000  # bytes in the spool that are no lag, if calls do not write more usually
LISTENS: Final = 10  # each so many callers check the answer by ear
GIVEN_UP: Final = 120.0  # seconds after which it is not waited for any more
FIRST_KEY: Final = 0.3  # seconds after the answer, into the welcome
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
            pids = {"asterisk": demo.asterisk.pid, "engine": demo.engine.pid}
            before = {name: cpu_seconds(pid) for name, pid in pids.items()}
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
            spent = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}
            findings = Findings()
            engine = open_engine(demo.settings.journal_database)
            calls = await read_calls(engine, 30)
            await engine.dispose()
            for entries in calls.values():
                check_story(entries, findings)
            lost = journal_of(demo)["lost"]
            untold = sum(not as_it_should(one) for one in calls.values())
    wrong = findings.lost + findings.doubled + findings.reordered + lost
    good = not (outcome["failed"] or untold or wrong) and len(calls) == plan.calls and lag <= AFTER
    return {
        "good": good, "rate": rate, "seconds_away": 0.0 if control else seconds,
        "calls": plan.calls,
        "failed_calls": outcome["failed"], "faults": outcome["faults"],
        "most_at_once": outcome["most_at_once"],
        "longest_answer_ms": outcome["longest_answer_ms"],
        "callers_late_ms": outcome["callers_late_ms"],
        "checked_by_ear": outcome["checked_by_ear"],
        "cpu_ms_a_call": {
            name: round(seconds / plan.calls * 1000, 1) for name, seconds in spent.items()
        } | {"callers": outcome["callers_cpu_ms"]},
        "calls_in_the_journal": len(calls),
        "events": sum(map(len, calls.values())), "lost_events": lost,
        "incomplete_calls": findings.lost, "not_as_they_should": untold,
        "doubled": findings.doubled, "reordered": findings.reordered,
        "usual_bytes_behind": usual, "most_bytes_behind": most,
        "lag_gone_after": round(lag, 2), "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip


def journal_of(demo: Demo) -> dict[str, Any]:
    status = read_status(demo.settings.state)
    assert status is not None, "the engine runs"
    journal: dict[str, Any] = status["journal"]
    return journal


def as_it_should(entries: Sequence[Entry]) -> bool:
    """Whether the caller was understood, told the answer to its end, and then left."""
    said = [one.event for one in entries]
    keyed = [one.text for one in said if isinstance(one, Heard)]
    told = [one for one in said if isinstance(one, PromptPlayed) and one.prompt == "told"]
    whole = [one for one in told if one.ms and not one.interrupted]
    last = said[-1]
    left = isinstance(last, CallEnded) and (last.why, last.step) == ("hangup", "bye")
    return keyed == ["1", ORDER] and len(told) == len(whole) == 1 and left


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
        for name in ("told",):
            pieces = flow.prompt(name).template("en").pieces(known)
            said = await opened.files(Utterance(name, "en", pieces, "outage"))
            files[name] = [str(file) for file in said]
    press = [(FIRST_KEY, "1"), (FIRST_KEY + 0.3, f"{ORDER}#")]
    host, port = demo.sip
    account = demo.account
    longest = press[-1][0] + _seconds(files["told"]) + 8.0
    return Plan(
        host, port, account.name, account.password, "100", calls, rate, press, longest,
        files["told"], LISTENS, quiet=True,
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
