"""The demo: an Asterisk, an engine and a small shop on this machine, all on loopback.

What makes an instance itself - its ports, its secrets - is kept in `.santral/demo`, so that a
softphone that was set up once works at the next start too. None of it is ever in git.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import shlex
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NoReturn, Self

from cti.asterisk import (
    Account,
    Asterisk,
    Espeak,
    InstanceSettings,
    Progress,
    Trunk,
    find_asterisk,
    find_espeak,
    free_ports,
)
from cti.asterisk.instance import write_private
from cti.asterisk.ports import are_free
from cti.engine_process import EngineProcess
from cti.settings import Settings
from ivr.errors import AsteriskDown, BadInput, EngineDown

ACCOUNT: Final = "demo"


@dataclass(frozen=True, slots=True)
class Kept:
    """What stays from one start to the next: ports and secrets of this checkout's demo."""

    name: str
    sip_port: int
    ami_port: int
    http_port: int
    rtp_ports: tuple[int, int]
    agi_port: int
    speech_port: int
    ami_secret: str
    agi_key: str
    password: str
    web_port: int

    @classmethod
    def fresh(cls, directory: Path) -> Self:
        made = InstanceSettings.fresh(directory)
        agi_port, speech_port, web_port = free_ports(3)
        return cls(
            made.name, made.sip_port, made.ami_port, made.http_port, made.rtp_ports, agi_port,
            speech_port, made.ami_secret, made.agi_key, Account.fresh(ACCOUNT).password,
            web_port,
        )  # fmt: skip

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """What was kept, unless there is nothing or one of its ports is taken now."""
        try:
            data = json.loads(path.read_text("utf-8"))
            kept = cls(**{**data, "rtp_ports": tuple(data["rtp_ports"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None
        ports = (
            *(kept.sip_port, kept.ami_port, kept.http_port, kept.agi_port),
            kept.speech_port,
            kept.web_port,
        )
        return kept if are_free(ports) else None


@dataclass(frozen=True, slots=True)
class Demo:
    """What is running: where it listens, and who may call."""

    asterisk: Asterisk
    engine: EngineProcess
    account: Account
    settings: Settings
    espeak: str
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Of the desk's users, when they were made just now."""

    @property
    def url(self) -> str:
        """The desk's address."""
        return f"http://{self.settings.web_host}:{self.settings.web_port}/"

    async def ended(self) -> NoReturn:
        """Wait until one of them ends by itself; `Fault` says which."""
        engine = asyncio.ensure_future(self.engine.wait())
        asterisk = asyncio.ensure_future(self.asterisk.wait())
        await asyncio.wait({engine, asterisk}, return_when=asyncio.FIRST_COMPLETED)
        raise EngineDown if engine.done() else AsteriskDown

    @property
    def sip(self) -> tuple[str, int]:
        return self.asterisk.settings.bind, self.asterisk.settings.sip_port


@contextlib.asynccontextmanager
async def demo_running(
    state: Path,
    progress: Progress,
    *,
    home: Path | None = None,
    history: bool = False,
    trunks: Sequence[Trunk] = (),
    engine_module: str = "cti.cli",
    **changes: Any,
) -> AsyncIterator[Demo]:
    """Everything, up and serving; on leaving nothing is left running.

    `state` holds what was unpacked, `home` (its `demo` if not given) this demo's instance;
    `history`: with thirty days of calls that nobody made, for the reports. `trunks` are lines that
    calls go out by; `changes` are to the engine's settings; `engine_module` is run as the engine.
    Raises `BadInput` when this checkout's demo runs already, `CannotInstall` when something that it
    needs cannot be had.
    """
    home = home or state / "demo"
    home.mkdir(parents=True, exist_ok=True)
    with _alone(home / "lock"):
        installation = await find_asterisk(state, progress)
        espeak = await find_espeak(state, progress)
        kept = await asyncio.to_thread(_kept, home)
        values: dict[str, Any] = {
            "state": home,
            "agi_port": kept.agi_port,
            "agi_key": kept.agi_key,
            "speech_port": kept.speech_port,
            "ami_port": kept.ami_port,
            "ami_user": "santral",
            "ami_secret": kept.ami_secret,
            "web_port": kept.web_port,
            "web_pages": state,
            "asterisk_etc": home / "asterisk" / "etc",
            "asterisk_control": home / "asterisk" / "run" / "asterisk.ctl",
            "asterisk_websocket": f"ws://127.0.0.1:{kept.http_port}/ws",
        }
        values["trunks"] = " ".join(f"{one.name}=PJSIP/{{number}}@{one.name}" for one in trunks)
        settings = Settings.model_validate(values | changes)
        made = any((settings.prompts / "sounds").glob("*"))
        makes = "" if made else " (the first time it makes the prompts)"
        environment = engine_environment(settings, espeak)
        mark = home / ("opened-with-history" if history else "opened")
        engine = EngineProcess(environment, home / "engine.log", engine_module)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(engine.stop)
            opening = asyncio.ensure_future(_shop(settings, progress if history else None, mark))
            stack.push_async_callback(_given_up, opening)
            again = _was_opened(settings, mark)
            if not again:
                await opening
            progress(f"starting the engine{makes} ...")
            serving = asyncio.ensure_future(engine.start())
            stack.push_async_callback(_given_up, serving)
            if (
                not again
            ):  # the first time it writes the queues and phones for Asterisk to boot with
                await serving
            account, instance = await asyncio.to_thread(
                _who_and_where, kept, settings, home, trunks
            )
            asterisk = await stack.enter_async_context(Asterisk(installation, instance))
            await serving
            passwords, program = await opening, shlex.join(espeak.program)
            yield Demo(asterisk, engine, account, settings, program, passwords)


def _was_opened(settings: Settings, mark: Path) -> bool:
    """Whether the shop's database was made ready before, as far as files can tell."""
    return not settings.database_url and mark.exists() and (settings.state / "santral.db").exists()


async def _shop(settings: Settings, history: Progress | None, mark: Path) -> dict[str, str]:
    """Look that everything is in the shop's database, and put in what is not."""
    # Both take a second or more to load, beside the engine's start.
    opening = await asyncio.to_thread(import_module, "cti.demo_opening")
    await asyncio.to_thread(import_module, "ivr.flow.folder")
    passwords: dict[str, str] = await opening.open_shop(settings, history)
    await asyncio.to_thread(mark.touch)
    return passwords


async def _given_up(work: asyncio.Future[Any]) -> None:
    """What is not waited for any more ends here; of what is over somebody has been told."""
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


def _who_and_where(
    kept: Kept, settings: Settings, home: Path, trunks: Sequence[Trunk]
) -> tuple[Account, InstanceSettings]:
    """The softphone's account, and the Asterisk that it registers with."""
    from cti.demo_shop import CALLER, CALLER_NAME

    account = Account(
        ACCOUNT, kept.password, context="santral-inbound", title=CALLER_NAME, number=CALLER
    )
    instance = InstanceSettings(
        directory=home / "asterisk", sip_port=kept.sip_port, ami_port=kept.ami_port,
        http_port=kept.http_port, rtp_ports=kept.rtp_ports, ami_secret=kept.ami_secret,
        agi_key=kept.agi_key, agi_url=f"agi://127.0.0.1:{kept.agi_port}", name=kept.name,
        speech_url=f"ws://127.0.0.1:{kept.speech_port}/aeap",
        accounts=(account,), queues=(), sounds=settings.announcements,
        trunks=tuple(trunks),
    )  # fmt: skip
    return account, instance


def engine_environment(settings: Settings, espeak: Espeak) -> dict[str, str]:
    """What the engine's process is given: these settings, and espeak-ng where it was unpacked."""
    return {
        "SANTRAL_STATE": str(settings.state),
        "SANTRAL_DATABASE_URL": settings.database_url,
        "SANTRAL_LOOKUP_DATABASE_URL": settings.lookup_database_url,
        "SANTRAL_SCENARIOS": str(settings.scenarios),
        "SANTRAL_SOUNDS": str(settings.sounds),
        "SANTRAL_PROMPT_CACHE": str(settings.prompts),
        "SANTRAL_AGI_PORT": str(settings.agi_port),
        "SANTRAL_SPEECH_PORT": str(settings.speech_port),
        "SANTRAL_AGI_KEY": settings.agi_key.get_secret_value(),
        "SANTRAL_ESPEAK": shlex.join(espeak.program),
        "SANTRAL_DRAIN": str(settings.drain),
        "SANTRAL_RESTART_DRAIN": str(settings.restart_drain),
        "SANTRAL_HTTP_HOSTS": settings.http_hosts,
        "SANTRAL_HTTP_PRIVATE": settings.http_private,
        "SANTRAL_WEBHOOK_SECRET": settings.webhook_secret.get_secret_value(),
        "SANTRAL_LOG_LEVEL": settings.log_level,
        "SANTRAL_AMI_PORT": str(settings.ami_port),
        "SANTRAL_AMI_USER": settings.ami_user,
        "SANTRAL_AMI_SECRET": settings.ami_secret.get_secret_value(),
        "SANTRAL_WEB_HOST": settings.web_host,
        "SANTRAL_WEB_PORT": str(settings.web_port),
        "SANTRAL_WEB_PAGES": str(settings.web_pages or settings.state),
        "SANTRAL_ASTERISK_WEBSOCKET": settings.asterisk_websocket,
        **(
            {
                "SANTRAL_ASTERISK_ETC": str(settings.asterisk_etc),
                "SANTRAL_ASTERISK_CONTROL": str(settings.asterisk_control),
            }
            if settings.asterisk_etc
            else {}
        ),
        "SANTRAL_TRUNKS": settings.trunks,
    }


def _kept(home: Path) -> Kept:
    path = home / "instance.json"
    kept = Kept.read(path)
    if kept is None:
        kept = Kept.fresh(home / "asterisk")
        write_private(path, json.dumps(asdict(kept), indent=2) + "\n")
    return kept


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One demo a checkout: a lock that the kernel drops with its owner."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BadInput("the demo of this checkout runs already; stop it with Ctrl-C") from None
        yield
