"""`santral demo` as a newcomer starts it: it calls, tells, stops, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from cti.asterisk import Installation
from cti.settings import HOME, Settings
from ivr.audio import read_wav

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture
def state(tmp_path: Path, installation: Installation) -> Path:
    """A checkout's state of its own, with what was unpacked and synthesised before."""
    shared = Settings.from_environment().state
    for part in ("asterisk-22", "espeak-ng"):
        if (shared / part).exists():
            (tmp_path / part).symlink_to(shared / part)
    (tmp_path / "demo").mkdir()
    (shared / "demo" / "prompts").mkdir(parents=True, exist_ok=True)
    (tmp_path / "demo" / "prompts").symlink_to(shared / "demo" / "prompts")
    return tmp_path


async def santral(state: Path, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cti.cli", *arguments),
        env={**os.environ, "SANTRAL_STATE": str(state), "PYTHONPATH": str(HOME)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


def processes_of(state: Path) -> list[str]:
    """Command lines and environments that name this state: whatever a demo has left running."""
    found = []
    for process in psutil.process_iter():
        try:
            line, environment = process.cmdline(), process.environ()
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if any(str(state) in part for part in (*line, environment.get("SANTRAL_STATE", ""))):
            found.append(" ".join(line))
    return found


async def test_the_scripted_call_is_told_as_data_and_recorded(state: Path) -> None:
    wav = state / "call.wav"
    demo = await santral(state, "demo", "--call", "--json", "--record", str(wav))
    output, errors = await asyncio.wait_for(demo.communicate(), 180)
    assert demo.returncode == 0, errors.decode()
    told = json.loads(output)
    assert told["heard_status"] is True
    assert [row["keys"] for row in told["pressed"]] == ["1", "1234#"]
    assert told["story"][0]["kind"] == "CallStarted"
    assert told["story"][-1]["kind"] == "CallEnded"
    samples, rate = read_wav(wav)
    assert rate == 8000
    assert len(samples) / rate > 10
    assert processes_of(state) == []


async def test_ctrl_c_stops_everything_and_secrets_are_kept_from_others(state: Path) -> None:
    demo = await santral(state, "demo")
    assert demo.stderr is not None
    async with asyncio.timeout(120):
        while b"Ctrl-C stops everything" not in await demo.stderr.readline():
            assert demo.returncode is None
    instance = state / "demo" / "instance.json"
    assert instance.stat().st_mode & 0o077 == 0
    second = await santral(state, "demo")
    _, errors = await asyncio.wait_for(second.communicate(), 60)
    assert second.returncode == 2
    assert b"runs already" in errors
    demo.send_signal(signal.SIGINT)
    _, errors = await asyncio.wait_for(demo.communicate(), 60)
    assert demo.returncode == 0, errors.decode()
    assert processes_of(state) == []
    secrets = json.loads(instance.read_text())
    log = (state / "demo" / "engine.log").read_text()
    assert not any(secrets[name] in log for name in ("password", "ami_secret", "agi_key"))
