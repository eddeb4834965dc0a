"""`santral doctor`: everything a beginner gets wrong, looked at from outside, each with its remedy.

Every check asks the real thing - a socket, a file, the database - and none changes anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import hashlib
import ipaddress
import os
import resource
import secrets
import shlex
import shutil
import socket
import time
import zoneinfo
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import psutil
from sqlalchemy import text

from cti.asterisk.exchange import load_telephony
from cti.db import migrate
from cti.db.engine import open_engine
from cti.settings import Settings
from cti.status import read_status
from ivr.audio import wav_format
from ivr.errors import SantralError
from ivr.flow.folder import load_folder
from ivr.speech.engines import SHIPPED_MODELS

Level = Literal["ok", "warning", "wrong"]
PATIENCE: Final = 4.0  # seconds for anything that is asked over a socket
FREE: Final = (1 << 30, 200 << 20)  # bytes on a disk below which it is a warning, or wrong
LONGEST_DRIFT: Final = 2.0  # seconds
FEW_FILES: Final = 4096
TIME_ERROR: Final = 5  # adjtimex(2): the clock is not synchronised


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that was looked at, and what to do about it."""

    name: str
    level: Level
    text: str
    fix: str = ""

    def to_dict(self) -> dict[str, str]:
        return asdict(self)


Check = Callable[[Settings], Awaitable[list[Told]]]


async def examine(settings: Settings) -> AsyncIterator[Told]:
    """Every check in turn. One that fails itself says so and keeps none of the others back."""
    for check in CHECKS:
        try:
            async with asyncio.timeout(4 * PATIENCE):
                found = await check(settings)
        except TimeoutError:
            found = [Told(_name(check), "wrong", "it took too long to find out")]
        except (SantralError, OSError, ValueError) as error:
            found = [Told(_name(check), "wrong", str(error))]
        for one in found:
            yield one


def _name(check: Check) -> str:
    return check.__name__.strip("_").replace("_", " ")


async def _state(settings: Settings) -> list[Told]:
    folder = settings.state
    if not folder.is_dir():
        fix = f"mkdir -p {folder}; or name another in SANTRAL_STATE"
        return [Told("state", "warning", f"{folder} is not there yet", fix)]
    if not os.access(folder, os.W_OK):
        fix = f"chown it to the user that runs Santral: chown -R santral {folder}"
        return [Told("state", "wrong", f"{folder} cannot be written", fix)]
    return [Told("state", "ok", str(folder)), *_disk(folder)]


def _disk(folder: Path) -> list[Told]:
    free = shutil.disk_usage(folder).free
    level: Level = "ok" if free > FREE[0] else "warning" if free > FREE[1] else "wrong"
    fix = "" if level == "ok" else "make room: santral's recordings and the spool are in there"
    return [Told("disk", level, f"{free / 1e9:.1f} GB are free in {folder}", fix)]


async def _ports(settings: Settings) -> list[Told]:
    """The engine's own port: served by it, free, or somebody else's."""
    where = f"{settings.agi_host}:{settings.agi_port}"
    running = read_status(settings.state)
    told = []
    if running is not None:
        port = int(running.get("ports", {}).get("agi", settings.agi_port))
        there = await _connects(settings.agi_host, port)
        level: Level = "ok" if there and not running.get("stale") else "wrong"
        fix = "" if level == "ok" else "santral restart; its log says what it is waiting for"
        told.append(Told("engine", level, f"an engine serves calls at port {port}", fix))
    elif await _connects(settings.agi_host, settings.agi_port):
        fix = "stop that program (ss -ltnp shows it), or set SANTRAL_AGI_PORT to another port"
        told.append(Told("engine", "wrong", f"another program listens at {where}", fix))
    else:
        told.append(Told("engine", "warning", "no engine runs here", "santral engine"))
    outside = settings.agi_host not in ("127.0.0.1", "::1", "localhost")
    if outside and not settings.agi_key.get_secret_value():
        fix = "set SANTRAL_AGI_KEY, and write Asterisk's configuration again (santral configure)"
        told.append(Told("agi key", "wrong", f"anybody who reaches {where} can play Asterisk", fix))
    return [*told, *_sound_ports(settings)]


def _sound_ports(settings: Settings) -> Iterator[Told]:
    first, last = map(int, settings.rtp_ports.split("-"))
    if last - first < 3 or last > 65_535:
        fix = "SANTRAL_RTP_PORTS=10000-10199 has room for 100 calls"
        yield Told("sound ports", "wrong", f"{settings.rtp_ports} is no range with room", fix)
        return
    with contextlib.suppress(OSError, ValueError):
        text_ = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
        low, high = map(int, text_.split())
        if first <= high and low <= last:
            fix = f"choose ports below {low}: SANTRAL_RTP_PORTS=10000-10199"
            what = f"{settings.rtp_ports} overlaps the ports this machine hands out ({low}-{high})"
            yield Told("sound ports", "warning", what, fix)
            return
    yield Told("sound ports", "ok", f"{settings.rtp_ports}: {(last - first + 1) // 2} calls")


async def _sip(settings: Settings) -> list[Told]:
    host = "127.0.0.1"
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.setblocking(False)
        line.connect((host, settings.sip_port))
        mine = line.getsockname()
        await loop.sock_sendall(line, _options(host, settings.sip_port, mine))
        try:
            async with asyncio.timeout(PATIENCE / 2):
                answer = await loop.sock_recv(line, 4096)
        except (TimeoutError, OSError):
            fix = (
                "is Asterisk running? `pjsip show transports` in its console says where it is;"
                " SANTRAL_SIP_PORT must say the same"
            )
            return [
                Told("sip", "warning", f"nobody answers SIP at {host}:{settings.sip_port}", fix)
            ]
    said = answer.split(b"\r\n", 1)[0].decode("ascii", "replace")
    return [Told("sip", "ok", f"{host}:{settings.sip_port} answers: {said}")]


def _options(host: str, port: int, mine: tuple[str, int]) -> bytes:
    branch = "z9hG4bK" + secrets.token_hex(8)
    return (
        f"OPTIONS sip:doctor@{host}:{port} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {mine[0]}:{mine[1]};branch={branch};rport\r\nMax-Forwards: 70\r\n"
        f"From: <sip:doctor@{mine[0]}>;tag={secrets.token_hex(4)}\r\nTo: <sip:doctor@{host}>\r\n"
        f"Call-ID: {secrets.token_hex(8)}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    ).encode()


async def _manager(settings: Settings) -> list[Told]:
    """A login with challenge, as the engine does it; what Asterisk says of it."""
    if not settings.ami_user:
        fix = "set SANTRAL_AMI_USER and SANTRAL_AMI_SECRET as in Asterisk's manager.conf"
        return [Told("manager", "warning", "no Manager is set: no queues, no outbound calls", fix)]
    where = f"{settings.ami_host}:{settings.ami_port}"
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(settings.ami_host, settings.ami_port)
    except (TimeoutError, OSError):
        fix = "is Asterisk running, and `enabled = yes` and `bindaddr` in its manager.conf?"
        return [Told("manager", "wrong", f"nobody listens at {where}", fix)]
    try:
        async with asyncio.timeout(PATIENCE):
            return [await _login(settings, reader, writer, where)]
    except (TimeoutError, OSError, asyncio.IncompleteReadError):
        fix = "it is not Asterisk's Manager: check SANTRAL_AMI_PORT (5038 by default)"
        return [Told("manager", "wrong", f"{where} does not speak AMI", fix)]
    finally:
        writer.close()


async def _login(
    settings: Settings, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, where: str
) -> Told:
    await reader.readuntil(b"\r\n")
    writer.write(b"Action: Challenge\r\nAuthType: MD5\r\n\r\n")
    said = (await reader.readuntil(b"\r\n\r\n")).decode("utf-8", "replace")
    challenge = said.partition("Challenge: ")[2].partition("\r\n")[0]
    key = challenge + settings.ami_secret.get_secret_value()
    digest = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()
    login = f"Action: Login\r\nAuthType: MD5\r\nUsername: {settings.ami_user}\r\nKey: {digest}\r\n"
    writer.write(f"{login}Events: off\r\n\r\n".encode())
    said = (await reader.readuntil(b"\r\n\r\n")).decode("utf-8", "replace")
    if "Response: Success" in said:
        writer.write(b"Action: Logoff\r\n\r\n")
        return Told("manager", "ok", f"{settings.ami_user} may log in at {where}")
    fix = (
        "the secret in manager.conf must be SANTRAL_AMI_SECRET, and `permit` must hold this"
        " machine's address; `santral configure` writes both; then `manager reload`"
    )
    return Told("manager", "wrong", f"{where} refuses {settings.ami_user}", fix)


async def _database(settings: Settings) -> list[Told]:
    engine = open_engine(settings.journal_database)
    try:
        async with asyncio.timeout(PATIENCE):
            at = await migrate.current(engine)
            drift = await _drift(engine)
    except Exception as error:  # whatever the driver raises, it is the same to whoever reads this
        fix = "is it running, and is SANTRAL_DATABASE_URL (user, password, host) right?"
        return [Told("database", "wrong", f"it cannot be asked: {type(error).__name__}", fix)]
    finally:
        await engine.dispose()
    head = migrate.revisions()[-1]
    told = [Told("database", "ok", f"revision {at}")]
    if at != head:
        fix = "the next start of the engine upgrades it; back it up first (docs/operations.md)"
        known = at is None or at in migrate.revisions()
        what = f"at revision {at or 'none'}, this version wants {head}"
        if not known:
            fix = "it was upgraded by a newer Santral: run that one"
        told = [Told("database", "warning" if known else "wrong", what, fix)]
    if drift is not None and abs(drift) > LONGEST_DRIFT:
        fix = "run an NTP client (chrony) on both machines"
        text_ = f"the database's clock is {drift:+.1f} s off ours"
        told.append(Told("clocks", "warning", text_, fix))
    return told


async def _drift(engine: Any) -> float | None:
    if engine.dialect.name != "postgresql":
        return None
    async with engine.connect() as connection:
        theirs = await connection.scalar(text("select extract(epoch from clock_timestamp())"))
    return float(theirs) - time.time()


async def _clock(settings: Settings) -> list[Told]:
    try:
        zoneinfo.ZoneInfo(settings.time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        fix = "SANTRAL_TIME_ZONE=Europe/Istanbul; without tzdata on this machine: apt install it"
        return [Told("clock", "wrong", f"there is no time zone {settings.time_zone}", fix)]
    buffer = ctypes.create_string_buffer(512)  # struct timex, modes = 0: only asks
    state = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    if state == TIME_ERROR:
        fix = "run an NTP client: apt install chrony"
        return [Told("clock", "warning", "nobody keeps this machine's clock right", fix)]
    return [Told("clock", "ok", f"kept right; {settings.time_zone}")]


async def _sounds(settings: Settings) -> list[Told]:
    """Recordings that cannot be played as they are, and the synthesiser."""
    odd = await asyncio.to_thread(lambda: list(_odd_recordings(settings.sounds)))
    told = [
        Told("sounds", "warning", f"{path}: {why}", "sox IN -r 8000 -b 16 -c 1 OUT.wav")
        for path, why in odd[:10]
    ]
    if settings.tts == "espeak-ng":
        program = shlex.split(settings.espeak)[0]
        there = shutil.which(program)
        fix = "" if there else "apt install espeak-ng; or name it in SANTRAL_ESPEAK"
        level: Level = "ok" if there else "wrong"
        told.append(Told("synthesiser", level, f"{program}{'' if there else ' is missing'}", fix))
    return told or [Told("sounds", "ok", str(settings.sounds))]


def _odd_recordings(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.glob("[a-z][a-z]*/**/*")):
        if path.suffix in {".mp3", ".ogg", ".m4a", ".flac"}:
            yield path, "only wav files are played"
        elif path.suffix == ".wav":
            try:
                form = wav_format(path)
            except (SantralError, OSError) as error:
                yield path, str(error)
                continue
            if (form.rate, form.bits, form.channels) != (8000, 16, 1):
                yield path, "it is converted at every start: 8 kHz, 16 bit, mono is best"


async def _flows(settings: Settings) -> list[Told]:
    if not settings.scenarios.is_dir():
        fix = "name the folder of your flows in SANTRAL_SCENARIOS"
        return [Told("flows", "wrong", f"{settings.scenarios} is not there", fix)]
    library, findings = await asyncio.to_thread(load_folder, settings.scenarios)
    wrong = [one for one in findings if one.severity == "error"]
    flows = len(list(library))
    if wrong:
        fix = "santral check tells each with file and line"
        return [Told("flows", "wrong", f"{len(wrong)} errors; the first: {wrong[0]}", fix)]
    return [Told("flows", "ok", f"{flows} flows in {settings.scenarios}")]


async def _models(settings: Settings) -> list[Told]:
    if not settings.speech_port:
        return [Told("speech", "ok", "off: callers use keys (SANTRAL_SPEECH_PORT turns it on)")]
    missing = [
        language
        for language in ("tr", "en")
        if not (SHIPPED_MODELS / language / "am" / "final.mdl").is_file()
    ]
    if missing:
        fix = "install Santral whole: the small models are part of it"
        return [Told("speech", "wrong", f"no model for {', '.join(missing)}", fix)]
    return [Told("speech", "ok", "models for tr, en; `santral models` tells more")]


async def _nat(settings: Settings) -> list[Told]:
    """Whether callers outside are told an address they can reach."""
    if settings.telephony is None:
        return [Told("nat", "ok", "no trunks: SANTRAL_TELEPHONY names no file")]
    trunks = (await asyncio.to_thread(load_telephony, settings.telephony)).trunks
    given = settings.external_address
    own = [one.address for some in psutil.net_if_addrs().values() for one in some
           if one.family is socket.AF_INET]  # fmt: skip
    public = [one for one in own if ipaddress.ip_address(one).is_global]
    if not given:
        if trunks and not public:
            fix = "set SANTRAL_EXTERNAL_ADDRESS to the address your provider sends calls to"
            what = "this machine has private addresses only: callers will hear nothing"
            return [Told("nat", "wrong", what, fix)]
        return [Told("nat", "ok", f"no NAT: {', '.join(public) or 'no trunks'}")]
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(given)
        if trunks and (address.is_private or address.is_loopback):
            fix = "name the public address; networks inside go into SANTRAL_LOCAL_NETWORKS"
            return [Told("nat", "warning", f"{given} is no public address", fix)]
    return [Told("nat", "ok", f"callers are told {given}")]


async def _limits(settings: Settings) -> list[Told]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FEW_FILES:
        fix = f"LimitNOFILE=65536 in the systemd unit, or `ulimit -n {hard}`"
        return [Told("files", "warning", f"{soft} open files allowed; a call takes three", fix)]
    return [Told("files", "ok", f"{soft} open files allowed")]


async def _connects(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(_reached(host), port)
    except (TimeoutError, OSError):
        return False
    writer.close()
    return True


def _reached(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared only


CHECKS: Final[tuple[Check, ...]] = (
    _state, _limits, _clock, _database, _flows, _sounds, _models, _ports, _sip, _manager, _nat,
)  # fmt: skip
