"""`santral report` and `santral reports` as people type them."""

from __future__ import annotations

import json
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from cti import cli, demo_history
from cti.db import migrate
from cti.db.engine import open_engine

MAILS = {
    "daily": {"every": "day", "to": ["a@example.com"], "reports": ["calls"], "language": "en"},
    "monthly": {"every": "month", "to": ["b@example.com"], "reports": ["queues"]},
}


@pytest.fixture
async def shop(tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    engine = open_engine(f"sqlite:///{tmp_path / 'santral.db'}")
    await migrate.upgrade(engine)
    scale = demo_history.Scale(days=2, per_day=20, agents=("ayse",))
    await demo_history.write(engine, scale, demo_history.until_now())
    await engine.dispose()
    scenarios = tmp_path / "scenarios"
    scenarios.mkdir()
    (scenarios / "mails.yaml").write_text(json.dumps({"mails": MAILS}))
    monkeypatch.setenv("SANTRAL_STATE", str(tmp_path))
    monkeypatch.setenv("SANTRAL_SCENARIOS", str(scenarios))
    return tmp_path


def run(*words: str) -> int:
    return cli.main(list(words))


async def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    import asyncio

    code = await asyncio.to_thread(run, *words)
    told = capsys.readouterr()
    return code, told.out, told.err


async def test_the_demos_history_goes_with_one_command(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (await said(capsys, "reports", "rebuild"))[0] == 0
    before = json.loads((await said(capsys, "report", "calls", "--json"))[1])
    assert before["total"]["offered"] > 0
    code, _, told = await said(capsys, "reports", "forget-demo")
    assert code == 0
    assert "calls of the demo are gone" in told
    after = json.loads((await said(capsys, "report", "calls", "--json"))[1])
    assert after["rows"] == []


async def test_who_gets_what_and_a_look_before_it_goes(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await said(capsys, "reports", "refresh")
    code, out, told = await said(capsys, "reports", "mail")
    assert code == 0
    assert "daily: calls, by the day, to a@example.com" in out
    assert "SANTRAL_SMTP" in told
    code, out, _ = await said(capsys, "reports", "mail", "--dry-run", "--name", "daily")
    assert code == 0
    assert "Subject: Daily report:" in out
    assert "Offered: " in out
    assert "[calls-" in out
    assert "monthly" not in out
    file = shop / "mail.eml"
    await said(capsys, "reports", "mail", "--name", "daily", "--out", str(file))
    made = message_from_bytes(file.read_bytes(), policy=default)
    assert made["To"] == "a@example.com"
    _, out, _ = await said(capsys, "reports", "mail")
    assert "claimed" not in out
    assert "sent" not in out, "a look leaves nothing behind"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("reports", "mail", "--name", "dayly"), "there are: daily, monthly"),
        (("reports", "mail", "--send"), "SANTRAL_SMTP"),
        (("report", "calls", "--from", "2026-11-30", "--to", "2026-11-01"), "before it begins"),
        (("report", "calls", "--from", "2026-02-31"), "no date"),
        (("report", "cals"), "did you mean 'calls'"),
    ],
)
async def test_what_cannot_be_asked(
    shop: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    code, _, told = await said(capsys, *words)
    assert code != 0
    assert says in told


async def test_a_queue_that_never_was_is_told_of(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await said(capsys, "reports", "refresh")
    code, _, told = await said(capsys, "report", "queues", "--queue", "suport")
    assert code == 0
    assert "No figure stands under the queue 'suport'. There are: support." in told
