"""The containers, brought up for real: built, called through the published ports, an order that a
customer confirms on the line, a backup that brings back what was lost; then taken down."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cti.asterisk.ports import free_port_range
from cti.commands.running import new_secrets
from cti.demo_order import HEARD, KNOWN, NAME, TOTAL, demo_rules
from cti.demo_shop import CALLER, ORDER
from cti.settings import CHECKOUT, Settings
from cti.softphone import Call, IncomingCall, Phone, Prompt, in_order, until
from cti.softphone.callees import answers, says, waits
from cti.softphone.correlation import Recording
from ivr.audio import TELEPHONE_RATE, read_wav, resample
from tests.compose.docker_engine import Docker, NoEngine, build_secrets, docker_engine

pytestmark = pytest.mark.compose
BUILD, UP = 900.0, 240.0  # seconds
PORTS = 24
# Runs in the engine's container: the files this caller should hear, and their sound.
EXPECTED = """
import asyncio, base64, json, types
from cti.demo_call import expected_files
from cti.settings import CHECKOUT, Settings
demo = types.SimpleNamespace(settings=Settings.from_environment(), espeak="espeak-ng")
files = asyncio.run(expected_files(demo))
sound = lambda path: base64.b64encode(path.read_bytes()).decode()
print(json.dumps({name: [sound(path) for path in paths] for name, paths in files.items()}))
"""
# The same for a customer who is called about an order, and a word they may say.
EXPECTED_BY_CUSTOMER = """
import asyncio, base64, json, subprocess, sys, types
from cti.demo_order import flow_files
from cti.settings import Settings
there = types.SimpleNamespace(settings=Settings.from_environment(), espeak="espeak-ng")
files = asyncio.run(flow_files(there, sys.argv[1], ("confirm_order",)))
sound = lambda path: base64.b64encode(path.read_bytes()).decode()
made = {name: [sound(path) for path in paths] for name, paths in files.items()}
hello = subprocess.run(
    ["espeak-ng", "-v", "tr+f2", "--stdout", "Alo?"], capture_output=True, check=True
).stdout
print(json.dumps({**made, "hello": [base64.b64encode(hello).decode()]}))
"""
# The network that the published ports are on, with a gateway that is known: there the customer's
# telephone stands.
EDGE = """
networks:
  edge:
    ipam: {{config: [{{subnet: {subnet}, gateway: {gateway}}}]}}
"""
TELEPHONY = """
phones:
  demo:
    password_file: /run/secrets/phone_password
    caller: true
    title: Ayşe Yılmaz
    number: "05321112233"
trunks:
  customers: {{contact: "sip:{gateway}:{port}"}}
outside: []
"""


@dataclass
class Compose:
    """One project of our containers."""

    docker: Docker
    environment: dict[str, str]
    project: str
    sip_port: int
    password: str = field(repr=False)
    gateway: str
    customers_port: int

    @property
    def which(self) -> tuple[str, ...]:
        """The options that name this project and its files."""
        edge = Path(self.environment["SANTRAL_SECRETS"]) / "edge.yml"
        files: tuple[str, ...] = ("-f", "docker-compose.yml", "-f", str(edge))
        if self.docker.made_here:
            files += ("-f", "containers/mirror.yml")
        return ("-p", self.project, *files)

    def run(self, *words: str, timeout: float = 60.0, check: bool = True) -> str:
        done = self.docker.run(
            *("compose", *self.which, *words),
            timeout=timeout,
            check=check,
            **self.environment,
        )
        return done.stdout

    def inside(self, service: str, *words: str, timeout: float = 60.0, check: bool = True) -> str:
        return self.run("exec", "-T", service, *words, timeout=timeout, check=check)

    def sql(self, query: str) -> str:
        password = "export PGPASSWORD=$(cat /run/secrets/database_password)"
        return self.inside("postgres", "sh", "-c", f'{password}; psql -U santral -Atc "$0"', query)

    def inspect(self, service: str) -> dict[str, Any]:
        container = self.run("ps", "-aq", service).strip()
        found = self.docker.run("inspect", container, timeout=20).stdout
        return dict(json.loads(found)[0])


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    """Everything up and well; afterwards everything down, volumes and networks too."""
    state = Settings.from_environment().state
    try:
        with docker_engine(state) as docker:
            # Where the engine sees it, whichever root it was given.
            home = state / "docker-home" if docker.made_here else tmp_path_factory.mktemp("home")
            yield from _up(docker, home.resolve() / f"project-{secrets.token_hex(3)}")
    except NoEngine as reason:
        pytest.skip(str(reason))


def _up(docker: Docker, home: Path) -> Iterator[Compose]:
    home.mkdir(mode=0o700)
    made = new_secrets(home)
    for name, text in made.items():
        (home / name).write_text(text + "\n")
        (home / name).chmod(0o444)
    first, _ = free_port_range(PORTS)
    net = secrets.randbelow(100)
    gateway = f"172.31.{100 + net}.1"
    (home / "edge.yml").write_text(EDGE.format(subnet=f"172.31.{100 + net}.0/24", gateway=gateway))
    (home / "telephony.yaml").write_text(TELEPHONY.format(gateway=gateway, port=first + 2))
    # Whom to call is what ships, at any hour of the day; nobody waits for a webhook here.
    demo_rules(CHECKOUT / "scenarios", home / "scenarios", 9)
    environment = {
        "SANTRAL_SECRETS": str(home),
        "SANTRAL_EXTERNAL_ADDRESS": "127.0.0.1",
        "SANTRAL_SIP_PUBLISH": f"127.0.0.1:{first}",
        "SANTRAL_RTP_PORTS": f"{first + 4}-{first + PORTS - 1}",
        "SANTRAL_RTP_PUBLISH": f"127.0.0.1:{first + 4}-{first + PORTS - 1}",
        "SANTRAL_WEB_PUBLISH": f"127.0.0.1:{first + 1}",
        "SANTRAL_SUBNET": f"172.30.{100 + net}.0/24",
        "SANTRAL_TELEPHONY_FILE": str(home / "telephony.yaml"),
        "SANTRAL_SCENARIOS_FOLDER": str(home / "scenarios"),
        "SANTRAL_TRUNKS": "main=PJSIP/{number}@customers",
    }
    if docker.made_here:
        environment |= build_secrets(home)
    compose = Compose(
        docker, environment, home.name, first, made["phone_password"], gateway, first + 2
    )
    try:
        compose.run("build", timeout=BUILD)
        try:
            compose.run("up", "--wait", timeout=UP)
        except RuntimeError as error:
            raise RuntimeError(f"{error}\n{compose.run('logs', '--tail', '40')}") from error
        compose.inside("santral", "santral", "shop")
        yield compose
    finally:
        compose.run("down", "--volumes", "--timeout", "20", timeout=120)
        shutil.rmtree(home)


def test_all_of_it_is_up_and_well(compose: Compose) -> None:
    for service in ("postgres", "asterisk", "santral"):
        assert compose.inspect(service)["State"]["Health"]["Status"] == "healthy"
    assert compose.inspect("configure")["State"]["ExitCode"] == 0


async def test_a_caller_hears_their_order_through_the_published_ports(compose: Compose) -> None:
    files = json.loads(compose.inside("santral", "python", "-c", EXPECTED).splitlines()[-1])
    sounds = {
        name: [_prompt(Path(compose.environment["SANTRAL_SECRETS"]), one) for one in pieces]
        for name, pieces in files.items()
    }
    server = ("127.0.0.1", compose.sip_port)
    async with Phone("demo", server=server, password=compose.password) as phone:
        call = await phone.dial("100", ring_for=20)
        for prompt, keys in (("main", "1"), ("ask_number", f"{ORDER}#")):
            await call.wait_for(until.prompt(sounds[prompt][0], least=0.5), 30, prompt)
            await call.press(keys)
        await call.until_over(60)
    pieces = in_order(Recording(call.heard), sounds["status"])
    assert len(pieces) == len(sounds["status"]) > 3
    assert all(piece.whole for piece in pieces)


def test_the_call_is_in_the_journal_of_postgresql(compose: Compose) -> None:
    query = f"select caller, flow, why from calls where caller = '{CALLER}'"
    said = compose.sql(query)
    assert said.split() == [f"{CALLER}|order_line|hangup"]


async def test_an_order_leads_to_a_call_that_the_customer_confirms(compose: Compose) -> None:
    """The shop tells of an order over HTTP; the customer's telephone rings, they listen, press."""
    home, number = Path(compose.environment["SANTRAL_SECRETS"]), f"7{secrets.randbelow(10**6):06d}"
    told = compose.inside("santral", "python", "-c", EXPECTED_BY_CUSTOMER, number, timeout=120)
    files = json.loads(told.splitlines()[-1])
    (home / "hello.wav").write_bytes(base64.b64decode(files.pop("hello")[0]))
    sounds = {name: [_prompt(home, one) for one in pieces] for name, pieces in files.items()}
    hello = resample(*read_wav(home / "hello.wav"), TELEPHONE_RATE)
    calls: list[IncomingCall] = []

    def presses(name: str, keys: str) -> Any:
        async def act(call: Call) -> None:
            await call.wait_for(until.prompt(sounds[name][-1], least=KNOWN), 40, name)
            await call.press(keys)

        return act

    async def pick_up(call: IncomingCall) -> None:
        calls.append(call)
        doing = waits(0.3), says(hello), presses("who", "1"), presses("choice", "1")
        await answers(*doing, after=0.5)(call)

    phone = f"+90532{secrets.randbelow(10**7):07d}"
    async with Phone(host=compose.gateway, port=compose.customers_port, on_call=pick_up):
        decision = await _post_order(compose, number, phone)
        assert decision["decision"] == "call", decision
        query = f"select status from orders where number = '{number}'"
        status = await _said(compose, query, "confirmed", 90)
        assert len(calls) == 1
        await calls[0].until_over(60)  # they listen to the end
    assert status == "confirmed"
    assert calls[0].number == phone
    recording = Recording(calls[0].heard)
    for name in ("who", "choice", "confirmed"):
        matches = in_order(recording, sounds[name])
        assert sum(one.fraction for one in matches) / len(sounds[name]) > HEARD, name
    jobs = f"select state, result from outbound_jobs where order_number = '{number}'"
    assert await _said(compose, jobs, "done|confirmed", 60) == "done|confirmed"


async def _post_order(compose: Compose, number: str, phone: str) -> dict[str, Any]:
    words = (
        "user",
        "token",
        "create",
        "admin",
        "--label",
        "shop",
        "--scopes",
        "orders:write",
        "--json",
    )
    made = compose.inside("santral", "santral", *words)
    token = json.loads(made[made.index("{") :])["token"]
    order = {
        "number": number, "total": str(TOTAL), "currency": "TRY", "categories": ["kitchen"],
        "items": [{"sku": "CZV-1", "name": "Bakır cezve", "unit_price": str(TOTAL)}],
    }  # fmt: skip
    customer = {"phone": phone, "name": NAME, "language": "tr", "tier": "gold", "consent": True}
    event = {"id": number, "event": "order.created", "customer": customer, "order": order}
    url = f"http://{compose.environment['SANTRAL_WEB_PUBLISH']}/api/v1/orders"
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json=event, headers=headers) as answer,
    ):
        said = await answer.text()
        assert answer.status == 202, said + compose.run("logs", "--tail", "30", "santral")
        return dict(await answer.json())


async def _said(compose: Compose, query: str, wanted: str, seconds: float) -> str:
    """What the database says to a question, as soon as it is what is waited for."""
    deadline, said = time.monotonic() + seconds, ""
    while time.monotonic() < deadline:
        said = (await asyncio.to_thread(compose.sql, query)).strip()
        if said == wanted:
            break
        await asyncio.sleep(1)
    return said


@pytest.mark.parametrize("service", ["postgres", "asterisk", "santral"])
def test_nobody_is_root_and_nothing_can_be_written(compose: Compose, service: str) -> None:
    assert compose.inside(service, "id", "-u").strip() != "0"
    host = compose.inspect(service)["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    refused = compose.inside(service, "sh", "-c", "echo x >/usr/new", check=False)
    assert "Read-only file system" in refused or "Permission denied" in refused


def test_no_secret_is_in_an_image_or_in_the_environment(compose: Compose) -> None:
    home = Path(compose.environment["SANTRAL_SECRETS"])
    wanted = ("ami_secret", "agi_key", "database_password", "phone_password")
    found = {name: (home / name).read_text().strip() for name in wanted}
    for service in ("postgres", "asterisk", "santral", "configure"):
        told = json.dumps(compose.inspect(service)["Config"])
        image = compose.inspect(service)["Image"]
        told += compose.docker.run("history", "--no-trunc", image, timeout=30).stdout
        assert not [name for name in wanted if found[name] in told]


def test_no_build_tools_are_left_in_the_images(compose: Compose) -> None:
    for service in ("postgres", "asterisk", "santral"):
        tools = "for tool in gcc cc make pip pip3 uv; do command -v $tool; done; true"
        assert compose.inside(service, "sh", "-c", tools).strip() == ""


def test_only_sip_sound_and_the_pages_are_published(compose: Compose) -> None:
    published = {
        service: set(compose.inspect(service)["HostConfig"]["PortBindings"] or {})
        for service in ("postgres", "asterisk", "santral")
    }
    assert published["postgres"] == set()
    assert published["santral"] == {"8080/tcp"}
    assert all(port.endswith("/udp") for port in published["asterisk"])
    ports = compose.inspect("santral")["HostConfig"]["PortBindings"]["8080/tcp"]
    assert [one["HostIp"] for one in ports] == ["127.0.0.1"]


def test_the_manager_is_not_reached_from_outside_its_network(compose: Compose) -> None:
    """From this machine, at the address Asterisk has on the network whose ports are published."""
    networks = compose.inspect("asterisk")["NetworkSettings"]["Networks"]
    edge = networks[f"{compose.project}_edge"]["IPAddress"]
    with socket.create_connection((edge, 5038), timeout=5) as line:
        line.sendall(b"Action: Login\r\nUsername: santral\r\nSecret: ")
        secret = Path(compose.environment["SANTRAL_SECRETS"], "ami_secret").read_bytes().strip()
        line.sendall(secret + b"\r\n\r\n")
        said = b""
        while b"\r\n\r\n" not in said and (more := line.recv(4096)):
            said += more
    assert b"Authentication failed" in said


def _prompt(home: Path, text: str) -> Prompt:
    path = home / "piece.wav"
    path.write_bytes(base64.b64decode(text))
    return Prompt(path)


def test_the_base_images_are_pinned() -> None:
    from tests.compose.docker_engine import pinned_bases

    bases = pinned_bases()
    assert bases
    assert all(name.rpartition("-")[0].rpartition("-")[2].isdigit() for name in bases), bases


def test_a_start_without_secrets_is_refused(compose: Compose) -> None:
    project = ("compose", "-p", f"{compose.project}-bare")
    nowhere = {"SANTRAL_SECRETS": "/nowhere", "SANTRAL_SUBNET": "172.30.250.0/24"}
    environment = compose.environment | nowhere
    words = (*project, "up", "--no-build", "--no-start")
    refused = compose.docker.run(*words, timeout=60, check=False, **environment)
    compose.docker.run(*project, "down", "--volumes", timeout=60, **environment)
    assert refused.returncode != 0
    assert "/nowhere" in refused.stdout


def test_on_the_hosts_network_only_sip_and_sound_are_open(compose: Compose) -> None:
    files = ("-f", "docker-compose.yml", "-f", "containers/host.yml")
    done = compose.docker.run(
        "compose", *files, "config", "--format", "json", timeout=30, **compose.environment
    )
    services = json.loads(done.stdout[done.stdout.index("{") :])["services"]
    assert services["asterisk"]["network_mode"] == services["santral"]["network_mode"] == "host"
    assert "--inside=127.0.0.1" in services["configure"]["command"]
    assert {one["host_ip"] for one in services["postgres"]["ports"]} == {"127.0.0.1"}
    inside = {"SANTRAL_AGI_HOST", "SANTRAL_SPEECH_HOST", "SANTRAL_AMI_HOST"}
    assert {services["santral"]["environment"][name] for name in inside} == {"127.0.0.1"}


def test_the_engine_is_ready_with_everything_it_has(compose: Compose) -> None:
    """Asked from inside, where the reasons may be known: the Manager and speech are among them."""
    look = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/readyz').read().decode())"
    told = json.loads(compose.inside("santral", "python", "-c", look))
    assert told["ready"]
    assert {one["name"] for one in told["checks"] if one["ok"]} >= {
        "engine", "loop", "flows", "journal", "database", "disk", "speech", "manager",
    }  # fmt: skip


async def test_the_pages_are_published_and_the_metrics_are_not(compose: Compose) -> None:
    address = f"http://{compose.environment['SANTRAL_WEB_PUBLISH']}"
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{address}/healthz") as answer:
            assert answer.status == 200
        async with session.get(f"{address}/") as answer:
            assert "<html" in (await answer.text()).lower()
        async with session.get(f"{address}/metrics") as answer:
            assert answer.status == 403


def test_every_line_of_the_engines_log_is_json(compose: Compose) -> None:
    lines = compose.run("logs", "--no-log-prefix", "santral").splitlines()
    said = ("ready ", "The desk's first user")  # by the command itself, not its log
    told = [line for line in lines if not line.startswith(said)]
    assert [line for line in told if not line.startswith("{")] == []
    assert all("call" in json.loads(line) for line in told)


def test_a_backup_brings_back_what_was_lost(compose: Compose) -> None:
    """The scripts as operations runs them; in between the journal is emptied."""
    home = Path(compose.environment["SANTRAL_SECRETS"])
    calls = "select count(*) from calls"
    assert int(compose.sql(calls)) > 0
    before = compose.sql(calls)
    script(compose, "backup.sh", home / "backup")
    compose.sql("delete from call_events; delete from calls")
    assert int(compose.sql(calls)) == 0
    script(compose, "restore.sh", home / "backup")
    assert compose.sql(calls) == before
    compose.run("up", "--wait", timeout=UP)  # the engine is ready again
    shutil.rmtree(home / "backup")


def script(compose: Compose, name: str, folder: Path) -> None:
    """Run one of containers/*.sh where `docker` is the one under test."""
    shim = folder.parent / "docker"
    words = " ".join(f"'{word}'" for word in compose.docker.before)
    # Without our folder in its PATH: the shim would call itself, for ever.
    path = compose.docker.environment.get("PATH", os.environ["PATH"])
    shim.write_text(f"#!/bin/sh\nPATH='{path}'\nexport PATH\nexec {words} \"$@\"\n")
    shim.chmod(0o755)
    done = subprocess.run(
        ["sh", f"containers/{name}", str(folder), *compose.which],
        cwd=CHECKOUT,
        env=os.environ | dict(compose.docker.environment) | compose.environment
        | {"PATH": f"{folder.parent}:{os.environ['PATH']}:/usr/sbin"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )  # fmt: skip
    shim.unlink()
    assert done.returncode == 0, done.stdout + done.stderr
