"""A real Asterisk from our configuration: it boots clean, lets in who has a secret, and stops."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import stat
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, SOCK_STREAM, SocketKind, socket

import aiohttp
import pytest

from cti.asterisk import Asterisk, Installation, InstanceSettings
from ivr.errors import AsteriskDown, BadInput
from tests.e2e.conftest import StartAsterisk

pytestmark = pytest.mark.asterisk
# What a clean boot may say besides notices. Every line here needs a reason; there is none today.
JUSTIFIED: tuple[str, ...] = ()
LOGIN = "Action: Login\r\nUsername: {user}\r\nSecret: {secret}\r\n\r\n"


def complaints(settings: InstanceSettings) -> list[str]:
    """The log's warnings and errors that nobody justified."""
    lines = settings.log.read_text().splitlines()
    return [
        line
        for line in lines
        if re.search(r"\] (WARNING|ERROR)\[", line) and not any(text in line for text in JUSTIFIED)
    ]


async def log_in(settings: InstanceSettings, secret: str) -> str:
    """Everything AMI says to a login, until it is silent or closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", settings.ami_port)
    writer.write(LOGIN.format(user=settings.ami_user, secret=secret).encode())
    said = b""
    with suppress(TimeoutError):
        async with asyncio.timeout(5):
            while b"FullyBooted" not in said and (data := await reader.read(4096)):
                said += data
    writer.close()
    return said.decode()


def is_alive(pid: int) -> bool:
    """Whether the process is there and not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_it_boots_without_a_warning(start_asterisk: StartAsterisk) -> None:
    asterisk = await start_asterisk()
    assert "0 active calls" in await asterisk.command("core show channels count")
    assert complaints(asterisk.settings) == []
    console = asterisk.settings.directory / "log/console.log"
    assert "WARNING" not in console.read_text()


async def test_every_listed_module_runs(asterisk: Asterisk) -> None:
    listed = set(
        re.findall(r"^load=(\w+\.so)", (asterisk.settings.etc / "modules.conf").read_text(), re.M)
    )
    shown = await asterisk.command("module show")
    running = set(re.findall(r"^(\w+\.so)\s.*\sRunning\s", shown, re.MULTILINE))
    assert listed == running


async def test_the_manager_lets_in_who_has_the_secret(asterisk: Asterisk) -> None:
    said = await log_in(asterisk.settings, asterisk.settings.ami_secret)
    assert "Authentication accepted" in said
    assert "Event: FullyBooted" in said


@pytest.mark.parametrize("secret", ["", "santral", "secret", "0" * 40])
async def test_the_manager_refuses_everybody_else(asterisk: Asterisk, secret: str) -> None:
    said = await log_in(asterisk.settings, secret)
    assert "Authentication failed" in said
    assert "FullyBooted" not in said


async def test_two_instances_run_side_by_side(start_asterisk: StartAsterisk) -> None:
    first, second = await asyncio.gather(start_asterisk(), start_asterisk())
    assert first.pid != second.pid
    for asterisk, other in ((first, second), (second, first)):
        assert asterisk.settings.name in await asterisk.command("core show settings")
        assert "Authentication failed" in await log_in(asterisk.settings, other.settings.ami_secret)
        assert complaints(asterisk.settings) == []


async def test_no_other_account_can_read_what_it_writes(start_asterisk: StartAsterisk) -> None:
    asterisk = await start_asterisk()
    for path in asterisk.settings.directory.rglob("*"):
        if not path.is_symlink():  # those lead to the installation's own sounds and files
            assert path.lstat().st_mode & (stat.S_IRWXG | stat.S_IRWXO) == 0, path


async def test_it_ends_in_good_order_and_can_start_again(
    installation: Installation, tmp_path: Path
) -> None:
    asterisk = Asterisk(installation, InstanceSettings.fresh(tmp_path / "instance"))
    for _ in range(2):
        async with asterisk:
            pid = asterisk.pid
            assert is_alive(pid)
            assert os.getsid(pid) == pid, "Ctrl-C at our terminal must not reach it"
        assert not is_alive(pid)
    assert not asterisk.running
    with pytest.raises(AsteriskDown):
        await asterisk.command("core show uptime")


async def test_the_page_can_speak_sip_over_a_websocket_and_nothing_else_is_served(
    asterisk: Asterisk,
) -> None:
    base = f"http://127.0.0.1:{asterisk.settings.http_port}"
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(f"{base}/ws", protocols=["sip"]) as socket_:
            assert socket_.protocol == "sip"
        for path in ("/", "/httpstatus", "/static/", "/rawman", "/ari/asterisk/info"):
            async with session.get(base + path) as answer:
                assert answer.status == 404, path


async def test_each_language_has_a_recogniser(start_asterisk: StartAsterisk) -> None:
    asterisk = await start_asterisk(speech_url="ws://127.0.0.1:9/aeap")
    shown = await asterisk.command("aeap show clients")
    assert "santral-tr" in shown
    assert "santral-en" in shown
    assert complaints(asterisk.settings) == []


async def test_a_reload_takes_new_settings(start_asterisk: StartAsterisk) -> None:
    asterisk = await start_asterisk()
    demo, *desks = asterisk.settings.accounts
    await asterisk.reload(replace(asterisk.settings, accounts=(demo,)))
    shown = await asterisk.command("pjsip show endpoints")
    assert "Endpoint:  demo" in shown
    assert desks[0].name not in shown


async def test_a_boot_that_fails_says_why(
    start_asterisk: StartAsterisk, installation: Installation, tmp_path: Path
) -> None:
    broken = replace(
        installation, program=(sys.executable, "-c", "raise SystemExit('no such luck')")
    )
    with pytest.raises(
        AsteriskDown, match=r"ended with code 1 before it had booted[\s\S]*no such luck"
    ):
        async with Asterisk(broken, InstanceSettings.fresh(tmp_path / "broken")):
            pass


@pytest.mark.parametrize(("port", "kind"), [("sip_port", SOCK_DGRAM), ("ami_port", SOCK_STREAM)])
async def test_a_port_that_is_taken_is_no_boot(
    installation: Installation, tmp_path: Path, port: str, kind: SocketKind
) -> None:
    settings = InstanceSettings.fresh(tmp_path / "instance")
    with socket(AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", getattr(settings, port)))
        asterisk = Asterisk(installation, settings)
        with pytest.raises(AsteriskDown, match=r"could not take its ports[\s\S]*already in use"):
            await asterisk.start()
        await asterisk.stop()
    async with asterisk:
        assert asterisk.running


async def test_a_directory_in_use_is_not_taken_twice(
    start_asterisk: StartAsterisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cti.asterisk.process.LOCK_TIMEOUT", 0.2)
    first = await start_asterisk()
    with pytest.raises(BadInput, match="in use by another run"):
        await start_asterisk(directory=first.settings.directory)
    assert "Authentication accepted" in await log_in(first.settings, first.settings.ami_secret)


async def test_a_deep_directory_is_no_hindrance(
    start_asterisk: StartAsterisk, tmp_path: Path
) -> None:
    asterisk = await start_asterisk(directory=tmp_path / ("deep" * 30) / "instance")
    assert "0 active calls" in await asterisk.command("core show channels count")


async def test_it_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = f"""
import asyncio
from pathlib import Path
from cti.asterisk import Asterisk, InstanceSettings, find_asterisk
from cti.settings import Settings

async def main():
    found = await find_asterisk(Settings.from_environment().state)
    settings = InstanceSettings.fresh(Path({str(tmp_path / "orphan")!r}))
    async with Asterisk(found, settings) as asterisk:
        print(asterisk.pid, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert parent.stdout is not None
    try:
        async with asyncio.timeout(60):
            pid = int(await parent.stdout.readline())
            assert is_alive(pid)
            parent.send_signal(signal.SIGKILL)
            await parent.wait()
            while is_alive(pid):
                await asyncio.sleep(0.05)
    finally:
        with suppress(ProcessLookupError):
            parent.kill()
