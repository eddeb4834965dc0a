"""What a beginner gets wrong is set up wrong here; the doctor says so, and what to do."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from cti import doctor
from cti.db.engine import open_engine
from cti.db.migrate import revisions, upgrade
from cti.settings import HOME, Settings
from ivr.audio import write_wav
from tests.fakes.manager import FakeManager


def settings(tmp_path: Path, **changes: Any) -> Settings:
    return Settings.model_validate({"state": tmp_path, "agi_port": free(), **changes})


def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def found(check: doctor.Check, given: Settings) -> dict[str, doctor.Told]:
    return {one.name: one for one in await check(given)}


async def wrong(check: doctor.Check, given: Settings, name: str) -> doctor.Told:
    told = (await found(check, given))[name]
    assert told.level != "ok", told
    assert told.fix
    return told


async def test_a_port_that_somebody_else_has_is_told(tmp_path: Path) -> None:
    given = settings(tmp_path)
    assert (await found(doctor._ports, given))["engine"].text == "no engine runs here"
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", given.agi_port)
    async with server:
        told = await wrong(doctor._ports, given, "engine")
    assert "another program" in told.text


async def test_an_open_engine_without_a_key_is_told(tmp_path: Path) -> None:
    given = settings(tmp_path, agi_host="0.0.0.0")
    assert (await wrong(doctor._ports, given, "agi key")).level == "wrong"
    given = settings(tmp_path, agi_host="0.0.0.0", agi_key=SecretStr("k" * 20))
    assert "agi key" not in await found(doctor._ports, given)


async def test_sound_ports_that_the_machine_hands_out_are_told(tmp_path: Path) -> None:
    text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    low = int(text[0])
    given = settings(tmp_path, rtp_ports=f"{low + 10}-{low + 60}")
    assert "hands out" in (await wrong(doctor._ports, given, "sound ports")).text
    given = settings(tmp_path, rtp_ports="10000-10001")
    assert (await wrong(doctor._ports, given, "sound ports")).level == "wrong"


async def test_the_manager_is_asked_for_real(tmp_path: Path) -> None:
    fake = FakeManager()
    await fake.start()
    given = settings(
        tmp_path, ami_user=fake.user, ami_secret=SecretStr(fake.secret), ami_port=fake.port
    )
    told = (await found(doctor._manager, given))["manager"]
    assert told.level == "ok", told
    bad = given.model_copy(update={"ami_secret": SecretStr("another one")})
    assert "refuses" in (await wrong(doctor._manager, bad, "manager")).text
    await fake.stop()
    assert "nobody listens" in (await wrong(doctor._manager, given, "manager")).text


async def test_what_is_no_manager_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PATIENCE", 0.3)
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    given = settings(tmp_path, ami_user="santral", ami_port=port)
    async with server:
        assert "does not speak AMI" in (await wrong(doctor._manager, given, "manager")).text


async def test_a_database_behind_and_one_that_is_away_are_told(tmp_path: Path) -> None:
    given = settings(tmp_path)
    engine = open_engine(given.journal_database)
    await upgrade(engine, revisions()[-2])
    told = await wrong(doctor._database, given, "database")
    assert revisions()[-1] in told.text
    await upgrade(engine)
    await engine.dispose()
    assert (await found(doctor._database, given))["database"].level == "ok"
    away = settings(tmp_path, database_url=f"postgresql+asyncpg://x:y@127.0.0.1:{free()}/z")
    assert (await wrong(doctor._database, away, "database")).level == "wrong"


async def test_recordings_that_cannot_be_played_are_told(tmp_path: Path) -> None:
    sounds = tmp_path / "sounds" / "tr"
    sounds.mkdir(parents=True)
    given = settings(tmp_path, sounds=tmp_path / "sounds", espeak="/nowhere/espeak-ng")
    (sounds / "welcome.mp3").write_bytes(b"x")
    assert "only wav" in (await wrong(doctor._sounds, given, "sounds")).text
    (sounds / "welcome.mp3").unlink()
    write_wav(sounds / "welcome.wav", np.zeros(100, np.int16), 44_100)
    assert "8 kHz" in (await wrong(doctor._sounds, given, "sounds")).text
    assert "missing" in (await wrong(doctor._sounds, given, "synthesiser")).text


async def test_flows_with_errors_are_told(tmp_path: Path) -> None:
    given = settings(tmp_path, scenarios=tmp_path)
    (tmp_path / "bad.yaml").write_text("flow: bad\nlanguages: [tr]\nstart: nowhere\nsteps: {}\n")
    assert "errors" in (await wrong(doctor._flows, given, "flows")).text
    shipped = settings(tmp_path, scenarios=HOME / "scenarios")
    assert (await found(doctor._flows, shipped))["flows"].level == "ok"


async def test_an_address_that_the_world_cannot_reach_is_told(tmp_path: Path) -> None:
    file = tmp_path / "telephony.yaml"
    file.write_text('trunks:\n  provider: {contact: "sip:sip.provider.example"}\n')
    given = settings(tmp_path, telephony=file)
    if (await found(doctor._nat, given))["nat"].level != "ok":  # a machine without a public address
        assert "hear nothing" in (await wrong(doctor._nat, given, "nat")).text
    private = settings(tmp_path, telephony=file, external_address="10.0.0.5")
    assert "no public address" in (await wrong(doctor._nat, private, "nat")).text
    public = settings(tmp_path, telephony=file, external_address="198.51.100.7.example")
    assert (await found(doctor._nat, public))["nat"].level == "ok"


async def test_a_time_zone_that_is_none_is_told(tmp_path: Path) -> None:
    given = settings(tmp_path, time_zone="Europe/Constantinople2")
    assert (await wrong(doctor._clock, given, "clock")).level == "wrong"


async def test_a_state_nobody_can_write_and_a_full_disk_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "not there" in (await wrong(doctor._state, settings(tmp_path / "no"), "state")).text
    monkeypatch.setattr(doctor, "FREE", (1 << 60, 0))
    assert (await wrong(doctor._state, settings(tmp_path), "disk")).level == "warning"


def test_the_command_tells_it_to_people_and_to_scripts(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cti.cli", "doctor"]
    environment = {**os.environ, "PYTHONPATH": str(HOME), "SANTRAL_STATE": str(tmp_path)}
    done = subprocess.run(
        [*command, "--json"], env=environment, capture_output=True, text=True, check=False
    )
    told = json.loads(done.stdout)
    assert {one["name"] for one in told} >= {"state", "disk", "database", "flows", "sip", "nat"}
    assert done.returncode == int(any(one["level"] == "wrong" for one in told))
    environment["SANTRAL_AGI_PROT"] = "1"
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "did you mean SANTRAL_AGI_PORT" in done.stdout
    assert done.returncode == 1
