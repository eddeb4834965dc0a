"""What is saved in the folder is on the line for the next call if it is good, and harms nothing if
it is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.store.flows import FlowStore
from cti.scenarios import Scenarios
from cti.services.versions import Versions
from cti.tables import Tables
from ivr import events
from ivr.audio import write_wav
from ivr.errors import FlowRefused, QueriesRefused
from ivr.events import Entry
from ivr.flow.loader import Library
from ivr.prompts.opening import PromptSettings, open_prompts

FLOW = """
flow: shop
languages: [en]
start: hello
prompts:
  hello: {en: "HELLO."}
steps:
  hello: {type: say, prompt: hello, next: bye}
  bye: {type: hangup}
"""
LINES = 'lines: {"100": {flow: shop}}\ndefault: {flow: shop}\n'


def flow(text: str = "Hello", name: str = "shop", shared: str = "") -> str:
    made = FLOW.replace("HELLO", text).replace("flow: shop", f"flow: {name}")
    return made.replace("prompt: hello", f"prompt: {shared}") if shared else made


@dataclass
class Line:
    """A folder on the line."""

    folder: Path
    scenarios: Scenarios
    store: FlowStore
    taken: list[Tables]

    def save(self, text: str, file: str = "shop.yaml") -> None:
        (self.folder / file).write_text(text, "utf-8")

    def says(self, name: str = "shop", version: str = "") -> str:
        """What the next call would hear, or one on a version."""
        flow = self.scenarios.library.get(name, version)
        return flow.prompt(flow.steps["hello"].prompt).template("en").source  # type: ignore[attr-defined]

    @property
    def codes(self) -> list[str]:
        return [one.code for one in self.scenarios.findings]

    async def saved(self, text: str, file: str = "shop.yaml") -> None:
        self.save(text, file)
        await self.scenarios.reload()


Open = Callable[..., "asyncio.Future[Line]"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one flow, and a synthesiser that copies one sound."""
    scenarios = tmp_path / "scenarios"
    scenarios.mkdir()
    (scenarios / "shop.yaml").write_text(flow(), "utf-8")
    (scenarios / "lines.yaml").write_text(LINES, "utf-8")
    tone = (np.sin(np.arange(1600) / 3) * 9000).astype(np.int16)
    write_wav(tmp_path / "tone.wav", tone, 8000)
    return scenarios


@asynccontextmanager
async def on_line(folder: Path, engine: AsyncEngine) -> AsyncIterator[Line]:
    home, taken, library, store = folder.parent, list[Tables](), Library(), FlowStore(engine)
    command = f"cp {home / 'tone.wav'} {{output}}"
    settings = PromptSettings(home / "cache", engine="command", command=command)
    async with open_prompts(settings) as prompts:
        scenarios = Scenarios(
            folder, home / "sounds", library, Versions(store, library), prompts, taken.append
        )
        await scenarios.open()
        yield Line(folder, scenarios, store, taken)


@pytest.fixture
async def line(folder: Path, sqlite_engine: AsyncEngine) -> AsyncIterator[Line]:
    async with on_line(folder, sqlite_engine) as opened:
        yield opened


async def test_a_good_file_is_on_the_line_and_calls_in_progress_keep_theirs(line: Line) -> None:
    before = line.scenarios.library.snapshot()
    await line.saved(flow("Good morning"))
    assert line.says() == "Good morning."
    old = before.get("shop")
    assert old.prompt("hello").template("en").source == "Hello."
    assert line.says(version=old.version) == "Hello."
    versions = await line.store.versions("shop")
    assert [one.source for one in versions] == [flow("Good morning"), flow()]
    assert versions[0].author
    assert line.scenarios.on_line["shop"].version == versions[0].version


async def test_new_prompts_are_ready_before_a_call_can_ask(line: Line) -> None:
    await line.saved(flow("Never said before"))
    said = next(one for one in line.scenarios.prompts._whole if "Never" in one.text)
    assert await line.scenarios.prompts.files(said)


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
BAD = {
    "half saved": (flow()[:90], "shop.yaml:", None),
    "empty": ("", "empty", None),
    "tabs": (flow().replace("  hello: {type", "\thello: {type"), "there is a tab in this line", 8),
    "five megabytes": ("# " + "x" * 5_000_000 + flow(), "5.0 MB", 1),
    "a bomb of aliases": ("flow: shop\n" + BOMB, "too large or too deep", None),
    "a sub-flow of itself": (
        flow().replace("{type: hangup}", "{type: call, flow: shop, next: end}\n  end: {type: hangup}"),
        "the flow enters itself: shop > shop", None,
    ),
    "a template that cannot be read": (flow("{{ order."), "the expression cannot be read", 6),
    "a filter there is not": (flow("{{ call.caller | digit }}"), "did you mean 'digits'?", 6),
    "a name nobody sets": (flow("{{ order.number }}"), "order", None),
    "a way to nowhere": (flow().replace("next: bye", "next: by"), "by", 8),
    "not UTF-8": (b"flow: shop # \xff\xfe\n", "not UTF-8", 1),
    "not a mapping": ("- just\n- a list\n", "", None),
    "another flow's name": (flow(name="shop_two") + "flow: shop\n", "given twice", None),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_file_leaves_the_last_good_version(line: Line, name: str) -> None:
    text, message, number = BAD[name]
    raw = text if isinstance(text, bytes) else text.encode()
    (line.folder / "shop.yaml").write_bytes(raw)
    async with asyncio.timeout(20):
        await line.scenarios.reload()
    assert line.says() == "Hello.", "calls go on"
    assert (line.folder / "shop.yaml").read_bytes() == raw, "nothing is lost"
    found = [one for one in line.scenarios.findings if one.severity.value == "error"]
    assert found or name == "not a mapping"
    assert any(message in str(one) for one in found) or name == "not a mapping"
    assert {Path(one.file).name for one in found} <= {"shop.yaml"}, "the lines are not to blame"
    if number:
        assert number in {one.line for one in found}
    await line.saved(flow("Back again"))
    assert line.says() == "Back again."
    assert not [one for one in line.scenarios.findings if one.severity.value == "error"]


async def test_a_file_that_is_gone_is_served_until_the_end(line: Line) -> None:
    (line.folder / "shop.yaml").unlink()
    await line.scenarios.reload()
    assert line.says() == "Hello."
    assert "no-such-flow" in line.codes


async def test_a_bad_file_harms_no_other(line: Line) -> None:
    await line.saved(flow("Two", name="two"), "two.yaml")
    line.save("flow: [broken")
    await line.saved(flow("Two again", name="two"), "two.yaml")
    assert (line.says(), line.says("two")) == ("Hello.", "Two again.")


async def test_a_prompt_without_a_sound_keeps_the_old_version(line: Line) -> None:
    (line.folder.parent / "tone.wav").unlink()
    await line.saved(flow("Cannot be spoken"))
    assert line.says() == "Hello."
    assert "no-sound" in line.codes


async def test_after_a_restart_a_bad_file_goes_on_as_it_was_last(
    folder: Path, sqlite_engine: AsyncEngine
) -> None:
    async with on_line(folder, sqlite_engine) as line:
        await line.saved(flow("The last good one"))
        line.save(flow().replace("next: bye", "next: nowhere"))
    async with on_line(folder, sqlite_engine) as line:
        assert line.says() == "The last good one."
        assert line.codes


async def test_without_any_good_flow_it_does_not_start(
    folder: Path, sqlite_engine: AsyncEngine
) -> None:
    (folder / "shop.yaml").write_text("flow: [", "utf-8")
    with pytest.raises(FlowRefused, match="no flow that can be used"):
        async with on_line(folder, sqlite_engine):
            pass


async def test_a_call_that_comes_back_finds_the_version_it_had(
    folder: Path, sqlite_engine: AsyncEngine
) -> None:
    (folder / "shared.yaml").write_text('prompts: {greeting: {en: "Shared hello."}}', "utf-8")
    (folder / "shop.yaml").write_text(
        flow(shared="greeting").replace('prompts:\n  hello: {en: "Hello."}\n', ""), "utf-8"
    )
    async with on_line(folder, sqlite_engine) as line:
        old = line.scenarios.library.get("shop").version
        line.save('prompts: {greeting: {en: "Another hello."}}', "shared.yaml")
        await line.scenarios.reload()
        assert line.says() == "Another hello."
    async with on_line(folder, sqlite_engine) as line:
        history = [
            Entry("c", 1, 0.0, events.CallStarted("shop", old, "en", "", "", "inbound", "", {})),
            Entry("c", 2, 0.0, events.StepEntered("shop", "hello", "say", "start", 1, 0, old)),
            Entry("c", 3, 0.0, events.StepEntered("gone", "x", "say", "start", 1, 1, "000")),
        ]
        with pytest.raises(KeyError):
            line.scenarios.library.get("shop", old)
        await line.scenarios.versions.need(history)
        assert line.says(version=old) == "Shared hello.", "with the shared prompts it had"
        assert line.says() == "Another hello."


async def test_lines_and_tables_are_taken_up_and_bad_ones_are_not(line: Line) -> None:
    await line.saved('lines: {"7": {flow: shop}}\ndefault: {flow: shop}\n', "lines.yaml")
    assert "7" in line.scenarios.lines.lines
    await line.saved('lines: {"8": {flow: shoop}}\ndefault: {flow: shop}\n', "lines.yaml")
    assert "7" in line.scenarios.lines.lines
    assert "no-such-flow" in line.codes
    good = "queries: {one: {deadline: 1s, sql: SELECT 1 AS one}}\nhours: {h: {weekly: {mon: closed}}}\n"
    await line.saved(good, "tables.yaml")
    assert set(line.taken[-1].queries) == {"one"}
    assert set(line.taken[-1].hours) == {"h"}
    count = len(line.taken)
    await line.saved(good.replace("SELECT 1", "DROP"), "tables.yaml")
    assert len(line.taken) == count
    assert "bad-sql" in line.codes
    await line.saved(good.replace("closed", "9 to 5"), "tables.yaml")
    assert len(line.taken) == count


async def test_a_line_that_leads_nowhere_goes_to_the_default_at_a_start(
    folder: Path, sqlite_engine: AsyncEngine
) -> None:
    lines = 'lines: {"7": {flow: shoop}, "8": {flow: shop, language: xx}, "9": {flow: shop}}\n'
    (folder / "lines.yaml").write_text(lines + "default: {flow: shop}\n", "utf-8")
    async with on_line(folder, sqlite_engine) as line:
        assert set(line.scenarios.lines.lines) == {"9"}
        assert line.scenarios.lines.of("7").flow == "shop"
    (folder / "lines.yaml").write_text("default: {flow: shoop}\n", "utf-8")
    with pytest.raises(FlowRefused, match="did you mean 'shop'"):
        async with on_line(folder, sqlite_engine):
            pass


async def test_bad_queries_are_told_before_the_first_call(
    folder: Path, sqlite_engine: AsyncEngine
) -> None:
    (folder / "queries.yaml").write_text("queries: {one: {deadline: 1s, sql: DROP}}", "utf-8")
    with pytest.raises(QueriesRefused, match="a query reads"):
        async with on_line(folder, sqlite_engine):
            pass


async def test_a_sub_flow_that_was_never_good_is_waited_for(line: Line) -> None:
    caller = flow().replace(
        "{type: hangup}", "{type: call, flow: inner, next: end}\n  end: {type: hangup}"
    )
    line.save("flow: inner\nlanguages: [en", "inner.yaml")
    await line.saved(caller)
    assert line.says() == "Hello."
    assert line.scenarios.library.get("shop").steps["bye"].type == "hangup"
    inner = flow("Inner", name="inner").replace("next: bye", "next: return")
    inner = inner.replace("  bye: {type: hangup}\n", "")
    await line.saved(inner, "inner.yaml")
    assert line.scenarios.library.get("shop").steps["bye"].type == "call"


async def test_the_watcher_takes_up_what_is_saved_when_it_has_settled(line: Line) -> None:
    watching = asyncio.create_task(line.scenarios.watch())
    try:
        loads = line.scenarios.loads
        line.save("flow: [half")
        async with asyncio.timeout(20):
            while line.scenarios.loads == loads:
                await asyncio.sleep(0.05)
            assert line.codes
            (line.folder / "new").write_text(flow("Moved in place"), "utf-8")
            (line.folder / "new").rename(line.folder / "shop.yaml")
            while line.says() != "Moved in place.":
                await asyncio.sleep(0.05)
    finally:
        watching.cancel()


async def test_a_database_that_is_away_keeps_no_flow_from_the_line(line: Line) -> None:
    await line.scenarios.versions._store._engine.dispose()
    path = line.folder.parent / "santral.db"
    hidden = path.rename(path.with_suffix(".away"))
    path.mkdir()
    await line.saved(flow("Without a database"))
    assert line.says() == "Without a database."
    assert "shop" in line.scenarios.unkept
    path.rmdir()
    hidden.rename(path)
    await line.scenarios._keep(())
    assert not line.scenarios.unkept
    assert len(await line.store.versions("shop")) == 2
