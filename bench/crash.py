"""A kill campaign: `kill -9` of the engine under live calls on a real Asterisk, again and again.

Callers keep calling and do what they are asked. The engine dies before, during and after each step
of a call, around each await of the journal and each effect, in the middle of a write, while it
drains what another has left, and in migrations (`bench/mortal.py`); with `--everything` all of its
processes at once, now and then. Another one takes over. Then the journal, the world and the callers
are asked whether anything was lost, doubled, reordered or done twice, whether every caller heard
their answer, and how long they waited for the next prompt.

    santral bench crash --kills 200 --callers 4
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from sqlalchemy import text

from bench.crash_check import (
    Findings,
    Waits,
    check_story,
    check_world,
    read_calls,
    tale,
    went_astray,
    whole,
)
from bench.mortal import AT_THE_START, STAGES
from bench.other_machine import other_machine, posted
from bench.questions import question
from cti.db.engine import open_engine
from cti.demo import Demo, demo_running
from cti.demo_shop import ORDER
from cti.settings import CHECKOUT, Settings
from cti.softphone import Call, Phone, Prompt, every_time, in_order
from cti.softphone.levels import bursts
from ivr.audio import write_wav
from ivr.call import Utterance
from ivr.errors import CallOver, NotInTime
from ivr.flow.folder import load_folder
from ivr.prompts.opening import PromptSettings, open_prompts

LONGEST_CALL: Final = 400.0
DRAINED_WITHIN: Final = 60  # seconds
PATIENCE: Final = 20.0  # seconds that an engine is given at most to come by the place of its death
STEPS: Final = ("welcome", "main", "ask_number", "find", "count", "post", "event", "tell", "bye")
SPOKEN: Final = ("welcome", "main", "ask_number", "tell")
EFFECTS: Final = ("update", "http", "notify")
# The engine's is in the call's language; the dialplan's in the first that is installed.
APOLOGIES: Final = {"apology_en": "en", "apology_tr": "tr"}
ANSWERS: Final = {"choose": "1", "key_it": f"{ORDER}#"}
LINES: Final = "lines: {}\ndefault: {flow: crash, language: en}\n"
QUERY: Final = """
updates:
  bench_count:
    description: One row a call.
    deadline: 5s
    parameters: {call: text}
    sql: INSERT INTO bench_counts (call) VALUES (:call)
"""
Sounds = dict[str, list[Prompt]]


@dataclass(slots=True)
class Report:
    """What came of it."""

    kills: int = 0
    killed_by_plan: dict[str, int] = field(default_factory=dict)
    never: list[str] = field(default_factory=list)  # places that nobody came by
    kills_of_everything: int = 0
    calls: int = 0
    to_people: int = 0  # the dialplan gave up on the engine: an apology, and the fallback queue
    unanswered: int = 0  # the caller did not hear the end of the call
    left_channels: int = 0
    findings: Findings = field(default_factory=Findings)
    waits: Waits = field(default_factory=Waits)  # from the engine's return to the next prompt
    raw: Waits = field(default_factory=Waits)  # the same with prompts that were still played
    silences: Waits = field(default_factory=Waits)  # that a caller hears, whenever it began
    incomplete: list[str] = field(default_factory=list)  # how their journal ends
    astray: list[str] = field(default_factory=list)  # how callers without an answer fared
    unheard: list[str] = field(default_factory=list)  # what callers without an answer did
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        found = asdict(self.findings)
        wrong = sum(n for name, n in found.items() if name not in {"resumed", "torn_lines"})
        median = self.waits.to_dict("wait")["wait_median"]
        away = self.unanswered or self.to_people or self.left_channels
        passed_by = self.never and self.kills >= 3 * len(places())
        return not (wrong or away or passed_by) and median <= 1.0

    def to_dict(self) -> dict[str, object]:
        return {
            "good": self.good, "kills": self.kills,
            "kills_of_everything": self.kills_of_everything, "calls": self.calls,
            "to_people": self.to_people, "unanswered": self.unanswered,
            "left_channels": self.left_channels,
            **asdict(self.findings), **self.waits.to_dict("wait"),
            **self.raw.to_dict("return_to_prompt"), **self.silences.to_dict("silence"),
            "measured": len(self.waits.values),
            "seconds": round(self.seconds), "load": round(os.getloadavg()[1], 1),
            "places": dict(sorted(self.killed_by_plan.items())),
            "never": self.never, "incomplete": self.incomplete, "astray": self.astray,
            "unheard": self.unheard,
        }  # fmt: skip


def places(only: Sequence[str] = ()) -> dict[str, int]:
    """Every place there is to die at (or those of some names), and the most times that it is come
    by before."""
    every = [f"{step}:{when}" for step in STEPS for when in ("before", "after")]
    every += [f"{step}:during" for step in SPOKEN]
    every += [f"{stage}:{when}" for stage in (*STAGES, *EFFECTS) for when in ("before", "after")]
    every += ["write:during", "migration:after"]
    most = {"append:before": 9, "append:after": 9}
    most |= {one: 1 for one in every if one.partition(":")[0] in AT_THE_START}
    wanted = [one for one in every if not only or {one, one.partition(":")[0]} & {*only}]
    return {one: most.get(one, 2) for one in wanted}


class Plans:
    """Where to die next: where it was died least often."""

    def __init__(self, chance: random.Random, only: Sequence[str]) -> None:
        self._chance, self._most = chance, places(only)
        self._tried: Counter[str] = Counter()

    def next(self, died: Mapping[str, int]) -> tuple[str, bool]:
        """A plan, and whether nobody has come by its place yet although it was tried."""
        least = min(died.get(one, 0) + self._tried[one] / 10 for one in self._most)
        rare = [one for one in self._most if died.get(one, 0) + self._tried[one] / 10 == least]
        place = self._chance.choice(rare)
        seldom = self._tried[place] > 0 and not died.get(place)
        self._tried[place] += 1
        # A migration's first statements only look whether it is due.
        first, last = (4, 9) if place == "migration:after" else (1, self._most[place])
        number = first if seldom else self._chance.randint(first, last)
        return f"{place}:{number}", seldom


class Campaign:
    """One run: `callers` calling all the time, `kills` kills."""

    def __init__(
        self,
        demo: Demo,
        sounds: Sounds,
        posted: Path,
        kills: int,
        callers: int,
        seconds: float = 3600.0,
        everything: int = 0,
        only: Sequence[str] = (),
        seed: int = 1,
    ) -> None:
        self.only, self.seed = only, seed
        self.everything = everything
        self.seconds = seconds
        self.demo, self.sounds, self.posted = demo, sounds, posted
        self.kills, self.callers = kills, callers
        self.report = Report()
        self.deaths: list[float] = []  # by our clock
        self.over = False
        self._began = time.monotonic()

    async def run(self) -> Report:
        account = self.demo.account
        async with (
            Phone(account.name, server=self.demo.sip, password=account.password) as phone,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(self.callers):
                group.create_task(self._caller(phone))
            await self._kill_all()
            self.over = True
            self._progress("the last calls end")
        await self._ask()
        channels = await self.demo.asterisk.command("core show channels count")
        self.report.left_channels = 0 if "0 active channels" in channels else 1
        self.report.seconds = time.monotonic() - self._began
        print(file=sys.stderr)
        return self.report

    async def _kill_all(self) -> None:
        chance, engine = random.Random(self.seed), self.demo.engine
        folder = self.demo.settings.state / "mortal"
        folder.mkdir(exist_ok=True)
        schedule = Plans(chance, self.only)
        until = self._began + self.seconds
        while self.report.kills < self.kills and time.monotonic() < until:
            plan, seldom = schedule.next(self._died())
            (folder / "new").write_text(plan)
            (folder / "new").rename(folder / "next")
            await self._kill_one(chance, PATIENCE * (1.5 if seldom else 1))
            self._progress()
        (folder / "next").unlink(missing_ok=True)
        died = self._died()
        self.report.killed_by_plan = dict(died)
        self.report.never = sorted(set(places(self.only)) - set(died))
        others = self.report.kills - died.total() - self.report.kills_of_everything
        self.report.killed_by_plan["any moment"] = others
        self.deaths += [moment for _, moment in engine.deaths]

    def _died(self) -> Counter[str]:
        """How often the engine has died at each place."""
        file = self.demo.settings.state / "mortal" / "died"
        lines = file.read_text().splitlines() if file.exists() else []
        return Counter(line.split()[1].rpartition(":")[0] for line in lines)

    async def _kill_one(self, chance: random.Random, patience: float) -> None:
        """Let the engine die by its plan; where it does not come by that, at any moment."""
        engine, report = self.demo.engine, self.report
        before, dead = len(engine.returns), len(engine.deaths)
        if self.everything and (report.kills + 1) % self.everything == 0:
            (self.demo.settings.state / "mortal" / "next").unlink(missing_ok=True)
            await asyncio.sleep(chance.uniform(0.2, 2.0))
            self.deaths.append(time.monotonic())
            await engine.kill()
            await engine.start()
            report.kills += 1
            report.kills_of_everything += 1
            return
        with contextlib.suppress(TimeoutError):
            await engine.returned(before + 1, patience * chance.uniform(0.5, 1.0))
        if len(engine.deaths) == dead:
            engine.kill_worker()
        await engine.returned(before + 1, 120.0)
        report.kills += len(engine.deaths) - dead  # it may have died again while it started

    def _progress(self, what: str = "") -> None:
        report = self.report
        seconds = time.monotonic() - self._began
        rest = seconds / max(1, report.kills) * (self.kills - report.kills)
        what = what or f"about {max(0, rest) / 60:.0f} min to go"
        print(
            f"\r{report.kills} of {self.kills} kills, {report.calls} calls, "
            f"{report.unanswered} unanswered; {seconds:.0f} s, {what}      ",
            end="", file=sys.stderr, flush=True,
        )  # fmt: skip

    async def _caller(self, phone: Phone) -> None:
        while not self.over:
            began, at = time.monotonic(), time.time()
            call, pressed = await phone.dial("100", ring_for=60), list[str]()
            try:
                await asyncio.wait_for(self._converse(call, pressed), LONGEST_CALL)
            except (TimeoutError, NotInTime):
                await call.hangup()
            except CallOver:
                pass
            self.report.calls += 1
            answered = await asyncio.to_thread(in_order, call.heard, self.sounds["told"], least=0.9)
            if not all(answered):
                self.report.unanswered += 1
                await asyncio.to_thread(self._remember, call, at, pressed)
            await asyncio.to_thread(self._measure, call, began)

    def _remember(self, call: Call, at: float, pressed: Sequence[str]) -> None:
        """What became of a caller who heard no answer: for whoever looks for the reason."""
        number = self.report.unanswered
        told = in_order(call.heard, self.sounds["told"])
        worst = min(told, key=lambda match: match.fraction)
        self.report.unheard.append(
            f"caller {number} of {at:.3f}: pressed {' '.join(pressed) or 'nothing'}; "
            f"{worst.fraction:.0%} of the answer's worst piece at {worst.start:.1f} s; {call}"
        )
        write_wav(self.demo.settings.state / f"unheard-{number}.wav", call.heard)

    async def _converse(self, call: Call, pressed: list[str]) -> None:
        """Do what is asked, whenever it is asked (again), as a person would."""
        after, asked = 0.0, {name: self.sounds[name][0] for name in (*ANSWERS, *APOLOGIES)}
        while not call.over:
            name = await call.wait_for(question(asked, after), LONGEST_CALL, "a question")
            if name in APOLOGIES:
                self.report.to_people += 1
                await call.hangup()
                return
            pressed.append(f"{ANSWERS[name]} at {call.clock():.2f},")
            await call.press(ANSWERS[name])
            after = call.clock()

    def _measure(self, call: Call, began: float) -> None:
        """From each return of the engine to the phrase with which it takes the call up; it serves
        some milliseconds before we hear that it does. Asterisk plays a prompt to its end whether
        its engine lives or not: while one is heard, nobody waits yet."""
        returned, died = self.demo.engine.returns, self._all_deaths()
        sounds = bursts(call.heard)
        for match in every_time(call.heard, self.sounds["santral_resumed"][0], least=0.3):
            heard_at = began + match.start
            back = [moment for moment in returned if moment <= heard_at + 0.5]
            gone = [moment for moment in died if moment <= heard_at]
            if back and gone:
                last = max((s.end for s in sounds if s.end < match.start), default=0.0)
                self.report.raw.values.append(max(0.0, heard_at - back[-1]))
                since = max(back[-1], began + last)
                self.report.waits.values.append(max(0.0, heard_at - since))
                self.report.silences.values.append(heard_at - max(gone[-1], began + last))

    def _all_deaths(self) -> list[float]:
        return sorted([*self.deaths, *(moment for _, moment in self.demo.engine.deaths)])

    async def _ask(self) -> None:
        engine = open_engine(self.demo.settings.journal_database)
        try:
            calls = await read_calls(engine, DRAINED_WITHIN)
            for entries in calls.values():
                check_story(entries, self.report.findings)
            self.report.incomplete = [tale(one) for one in calls.values() if not whole(one)]
            astray = (went_astray(one, "tell") for one in calls.values())
            self.report.astray = [one for one in astray if one]
            await check_world(engine, calls, posted(self.posted), self.report.findings)
        finally:
            await engine.dispose()


def write_scenarios(folder: Path, port: int) -> None:
    """The bench's flow, with the queries of the demo shop and one of its own."""
    folder.mkdir()
    flow = (CHECKOUT / "bench" / "scenarios" / "crash.yaml").read_text("utf-8")
    (folder / "crash.yaml").write_text(flow.replace("PORT", str(port)), "utf-8")
    (folder / "lines.yaml").write_text(LINES, "utf-8")
    (folder / "bench.yaml").write_text(QUERY, "utf-8")
    shutil.copy(CHECKOUT / "scenarios" / "queries.yaml", folder)


async def sounds_of(demo: Demo) -> Sounds:
    """How each prompt of the bench's flow sounds."""
    settings = demo.settings
    library, _ = load_folder(settings.scenarios)
    flow, known = library.get("crash"), {"order": {"number": ORDER}, "language": "en"}
    prompts = PromptSettings(settings.prompts, settings.sounds, espeak=demo.espeak)
    made: Sounds = {}
    async with open_prompts(prompts) as opened:
        for name in (*ANSWERS, *APOLOGIES, "told", "hello", "santral_resumed"):
            language = APOLOGIES.get(name, "en")
            prompt = "santral_apology" if name in APOLOGIES else name
            pieces = flow.prompt(prompt).template(language).pieces(known)
            files = await opened.files(Utterance(prompt, language, pieces, "crash"))
            made[name] = [await asyncio.to_thread(Prompt, file) for file in files]
    return made


@contextlib.asynccontextmanager
async def bench_demo(home: Path, posted: Path, **changes: object) -> AsyncIterator[Demo]:
    """A demo with the bench's flow and table."""
    state = Settings.from_environment().state
    prompts = state / "demo" / "prompts"
    prompts.mkdir(parents=True, exist_ok=True)
    async with other_machine(posted) as port:
        write_scenarios(home / "scenarios", port)
        values = {
            "scenarios": home / "scenarios", "prompt_cache": prompts, "speech_port": 0,
            "http_hosts": f"127.0.0.1:{port}", "http_private": "127.0.0.1", **changes,
        }  # fmt: skip
        async with demo_running(state, lambda text: None, home=home / "demo", **values) as demo:
            engine = open_engine(demo.settings.journal_database)
            async with engine.begin() as connection:
                await connection.execute(text("CREATE TABLE bench_counts (call TEXT)"))
            await engine.dispose()
            yield demo


async def campaign(
    kills: int,
    callers: int,
    seconds: float,
    everything: int = 0,
    keep: Path | None = None,
    only: Sequence[str] = (),
    seed: int = 1,
) -> Report:
    """`keep` gets what a run that was not good has left: its database, its spool and its logs."""
    with tempfile.TemporaryDirectory(prefix="santral-crash-") as folder:
        posted = Path(folder) / "posted"
        async with bench_demo(Path(folder), posted, engine_module="bench.mortal") as demo:
            report = await Campaign(
                demo, await sounds_of(demo), posted, kills, callers, seconds, everything, only, seed
            ).run()
        if keep and not report.good:
            await asyncio.to_thread(shutil.copytree, folder, keep, dirs_exist_ok=True)
        return report


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="santral bench crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--callers", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=60.0, help="kill no longer than that")
    parser.add_argument(
        "--everything",
        type=int,
        default=0,
        metavar="N",
        help="at each N-th kill the keeper and all processes die at once; the next start imports "
        "everything, and must not take longer than the dialplan's tries",
    )
    parser.add_argument(
        "--only", nargs="*", default=[], help="places to die at: main, sync:after, ..."
    )
    parser.add_argument("--seed", type=int, default=1, help="another order of places (1)")
    parser.add_argument("--keep", type=Path, help="a folder for what a bad run leaves")
    parser.add_argument("--json", action="store_true")
    parsed = parser.parse_args(arguments)
    report = asyncio.run(
        campaign(
            parsed.kills, parsed.callers, parsed.minutes * 60, parsed.everything, parsed.keep,
            parsed.only, parsed.seed,
        )
    )  # fmt: skip
    if parsed.json:
        print(json.dumps(report.to_dict(), indent=2))
    else:
        for name, value in report.to_dict().items():
            print(f"{name:20} {value}")
    return 0 if report.good else 1


if __name__ == "__main__":
    raise SystemExit(main())
