"""`santral status`, `versions`, `restore` and `switch`, as people run them."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from cti.cli import main
from cti.commands.demo import lines_of
from cti.db.engine import open_engine
from cti.db.migrate import upgrade
from cti.db.store.flows import FlowStore
from cti.settings import HOME
from cti.status import StatusFile, read_status, state_in_use

SHOP = "flow: shop  # {}\n"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory with two versions of a flow, and its scenarios."""
    state, scenarios = tmp_path / "state", tmp_path / "scenarios"
    scenarios.mkdir()
    state.mkdir()
    (scenarios / "hours.yaml").write_text("hours: {shop: {weekly: {}, switch: emergency}}\n")
    monkeypatch.setenv("SANTRAL_STATE", str(state))
    monkeypatch.setenv("SANTRAL_SCENARIOS", str(scenarios))

    async def fill() -> None:
        engine = open_engine(f"sqlite+aiosqlite:///{state / 'santral.db'}")
        await upgrade(engine)
        store = FlowStore(engine)
        await store.keep("shop", "aaa111", SHOP.format("1"), author="ayse")
        await store.keep("shop", "aab222", SHOP.format("2"), author="emily")
        await engine.dispose()

    asyncio.run(fill())
    return state


def test_versions_are_listed_and_one_is_put_back(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = state.parent / "scenarios" / "my_shop.yaml"
    file.write_text(SHOP.format("2"))
    assert main(["versions", "shop"]) == 0
    assert [row.split()[1] for row in capsys.readouterr().out.splitlines()] == ["aab222", "aaa111"]
    assert main(["restore", "shop", "aaa"]) == 0
    assert file.read_text() == SHOP.format("1")
    assert not list(file.parent.glob("*.before-*")), "the other is kept as a version"
    assert main(["restore", "shop", "aaa111"]) == 0
    assert "already" in capsys.readouterr().out
    assert main(["versions", "nothing"]) == 1


def test_what_was_never_on_the_line_is_kept_beside_the_file(state: Path) -> None:
    file = state.parent / "scenarios" / "shop.yaml"
    file.write_text("flow: shop\n\tbroken")
    assert main(["restore", "shop", "aab"]) == 0
    assert file.read_text() == SHOP.format("2")
    (beside,) = file.parent.glob("shop.yaml.before-*")
    assert beside.read_text() == "flow: shop\n\tbroken"


def test_a_version_that_is_not_clear_is_refused(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["restore", "shop", "aa"]) == 2
    assert "more than one version" in capsys.readouterr().err
    assert main(["restore", "shop", "zz"]) == 2
    assert "there are: aab222, aaa111" in capsys.readouterr().err
    assert not (state.parent / "scenarios" / "shop.yaml").exists()


def test_a_switch_is_thrown_and_listed(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["switch", "list"]) == 0
    assert capsys.readouterr().out.split()[:2] == ["emergency", "off"]
    assert main(["switch", "emergency", "on"]) == 0
    assert main(["switch", "list"]) == 0
    assert "emergency            on" in capsys.readouterr().out
    assert main(["switch", "emergencie", "on"]) == 2
    assert "did you mean 'emergency'?" in capsys.readouterr().err
    assert main(["switch", "emergency"]) == 2


def looks(calls: int) -> dict[str, object]:
    journal = {"stored": 5, "spooled_bytes": 0, "lost": 0, "database_away": 0.0}
    finding = {"file": "a.yaml", "line": 3, "column": 1, "severity": "error", "code": "bad-yaml",
               "message": "there is a tab", "path": []}  # fmt: skip
    return {
        "started": 0.0, "ports": {"agi": 4573}, "calls": calls, "journal": journal,
        "flows": {"shop": {"version": "aaa111", "since": "2026-11-22T10:00:00+00:00",
                           "file": "shop.yaml"}},
        "calls_by_version": [{"flow": "shop", "version": "aaa111", "calls": calls}],
        "lines": {"100": "shop"}, "findings": [finding], "loads": 1,
    }  # fmt: skip


async def test_the_status_is_there_while_the_engine_is(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await asyncio.to_thread(main, ["status"]) == 1
    task = asyncio.create_task(StatusFile(state, lambda: looks(3)).run())
    async with asyncio.timeout(5):
        while read_status(state) is None:
            await asyncio.sleep(0.01)
    capsys.readouterr()
    assert await asyncio.to_thread(main, ["status"]) == 0
    told = capsys.readouterr().out
    for wanted in ("calls in progress: 3", "3 on shop aaa111", "agi 4573", "a.yaml:3:1: error"):
        assert wanted in told
    assert await asyncio.to_thread(main, ["status", "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["calls"], status["pid"], status["stale"]) == (3, os.getpid(), False)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert read_status(state) is None


def test_an_engine_that_died_or_hangs_is_told(state: Path) -> None:
    (state / "demo").mkdir()
    path = state / "demo" / "status.json"
    path.write_text(json.dumps(looks(0) | {"pid": 2**22 + 1, "at": 0.0}))
    assert read_status(state / "demo") is None
    assert state_in_use(state) == state
    path.write_text(json.dumps(looks(0) | {"pid": os.getpid(), "at": 0.0}))
    status = read_status(state / "demo")
    assert status is not None
    assert status["stale"]
    assert state_in_use(state) == state / "demo"
    path.write_text("{half")
    assert read_status(state / "demo") is None


def test_the_demo_tells_every_line_that_can_be_dialled() -> None:
    told = lines_of(HOME / "scenarios").splitlines()
    assert {line.split()[0] for line in told} >= {"100", "101", "102", "103", "104", "105", "106"}
    assert {line.split()[2] for line in told} == {
        "order_line", "confirm_order", "payment_failed", "callback", "survey", "after_hours",
        "emergency", "support_line",
    }  # fmt: skip
