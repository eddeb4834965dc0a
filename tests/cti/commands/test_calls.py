"""`santral calls`, `show`, `forget` and `export`, as they are typed."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from cti.cli import main
from cti.demo_shop import CALLER
from cti.journal import Options, open_journal
from ivr import events
from ivr.events import Entry
from tests.cti.journal.samples import START

QUICK = Options(sync_after=0.01, drain_after=0.01)
OTHER = "+905551112233"
HERS, HIS = "3f2a-hers", "77aa-his"
STARTS_WITHIN = 60.0


def story(call: str, caller: str, at: float = START) -> list[Entry]:
    told: list[events.Event] = [
        events.CallStarted("shop", "v1", "tr", caller, "1000"),
        events.StepEntered("shop", "main", "menu", "start"),
        events.PromptPlayed("main", "tr", "Bire basın.", 900),
        events.Heard("keys", "1", 1.0, "1"),
        events.CallEnded("hangup", "shop", "bye"),
    ]
    return [Entry(call, place, at + place, event) for place, event in enumerate(told, start=1)]


async def write(state: Path, entries: list[Entry]) -> None:
    url = f"sqlite+aiosqlite:///{state / 'santral.db'}"
    async with open_journal(url, state / "spool", QUICK) as journal:
        for entry in entries:
            journal.write(entry)
        await journal.drained()


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SANTRAL_STATE", str(tmp_path))
    assert main(["calls"]) == 0  # makes the database
    asyncio.run(write(tmp_path, [*story(HERS, CALLER), *story(HIS, OTHER, START + 60)]))
    return tmp_path


@pytest.fixture
def run(state: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def one(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        assert main([*words]) == code
        said = capsys.readouterr()
        return said.out + said.err

    return one


def test_calls_are_listed_the_newest_last_and_by_what_is_asked(run: Any) -> None:
    both = run("calls").splitlines()
    assert [line.split()[0] for line in both] == ["3f2a-her", "77aa-his"]
    assert both[0].split()[-3:] == ["4", "s", "hangup"]
    assert CALLER in both[0]
    one = json.loads(run("calls", "--caller", "05551112233", "--json"))
    assert (one["id"], one["flow"], one["outcome"]) == (HIS, "shop", "hangup")
    assert run("calls", "--outcome", "failed") == ""
    assert "is no time" in run("calls", "--since", "yesterday", code=2)


def test_a_call_is_shown_as_a_conversation_by_the_beginning_of_its_id(run: Any) -> None:
    shown = run("show", "3f2a")
    told = (HERS, CALLER, "0:01.0", "main (menu)", "“Bire basın.”", "0:03.0", "keyed 1",
            "0:04.0", "hangup", "Path: shop.main")  # fmt: skip
    places = [shown.index(text, 60 if text in ("hangup", "0:04.0") else 0) for text in told]
    assert places == sorted(places)
    assert OTHER not in shown
    assert json.loads(run("show", "3f2a", "--json"))
    assert "no call with an id" in run("show", "zz", code=2)


def test_a_person_is_exported_then_forgotten_with_a_receipt(run: Any, state: Path) -> None:
    assert HERS in run("export", CALLER)
    receipt = json.loads(run("forget", CALLER))
    assert receipt["counts"]["calls"] == 1
    assert HERS not in run("export", CALLER)
    assert CALLER not in run("calls")
    assert HIS in run("export", OTHER)
    left = [path.read_bytes() for path in state.rglob("*") if path.is_file()]
    assert OTHER.encode() in b"".join(left)
    assert CALLER.encode() not in b"".join(left)


async def test_calls_are_followed_until_it_is_stopped(state_for_following: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cti.cli", "calls", "--follow", "--json",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    seen: list[tuple[str, str]] = []
    try:
        async with asyncio.timeout(STARTS_WITHIN):
            number = 0
            while len(seen) < 2:  # it tells of what happens once it looks
                number += 1
                entries = story(f"new-{number}", OTHER)
                await write(state_for_following, entries[:2])
                try:
                    line = await asyncio.wait_for(child.stdout.readline(), 1.5)
                except TimeoutError:
                    continue
                one = json.loads(line)
                seen.append((one["id"], one["outcome"]))
                await write(state_for_following, story(one["id"], OTHER)[2:])
                one = json.loads(await child.stdout.readline())
                seen.append((one["id"], one["outcome"]))
    finally:
        child.terminate()
        await child.wait()
    assert seen[0][0] == seen[1][0]
    assert [outcome for _, outcome in seen] == ["running", "hangup"]


@pytest.fixture
async def state_for_following(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SANTRAL_STATE", str(tmp_path))
    await asyncio.to_thread(main, ["calls"])
    return tmp_path
