"""`telephony.yaml` and the settings -> what an Asterisk of its own is given.

The file names the phones, the trunks and the numbers outside; ports, addresses and secrets come
from the environment. A password stands in a file of its own (`password_file`) or in the environment
(`password_env`), so that this file can be kept with the flows.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, ValidationError

from cti.asterisk.install import Installation
from cti.asterisk.settings import Account, InstanceSettings, Outside, Trunk
from cti.settings import Settings
from ivr.errors import BadInput, BadSetting
from ivr.flow.reader import read_file, refused
from ivr.steps.base import Model

NOT_IN_DEBIAN: Final = frozenset({"codec_opus"})


class _Named(Model):
    password: str = ""
    password_file: Path | None = None
    password_env: str = ""

    def secret(self, folder: Path, environment: Mapping[str, str], whose: str) -> str:
        """The password, from wherever the file says; `BadInput` names what is missing."""
        if self.password_file is not None:
            try:
                return (folder / self.password_file).read_text("utf-8").strip()
            except OSError as error:
                raise BadInput(f"{whose}: {self.password_file}: {error.strerror}") from None
        if self.password_env:
            if not environment.get(self.password_env):
                raise BadInput(f"{whose}: {self.password_env} is not in the environment")
            return environment[self.password_env]
        return self.password


class Phone(_Named):
    """One phone; its key in the file is its SIP user name."""

    kind: Literal["phone", "web"] = "phone"
    caller: bool = False
    title: str = ""
    number: str = ""
    contacts: int = Field(1, ge=1, le=10)
    secure: bool = False


class Line(_Named):
    """One trunk."""

    contact: str
    match: tuple[str, ...] = ()
    username: str = ""
    register_as: str = Field("", alias="register")
    secure: bool = False


class Numbers(Model):
    """Numbers that may be dialled outside, and the trunk they take."""

    pattern: str
    trunk: str
    strip: int = Field(0, ge=0, le=20)
    prefix: str = ""


class Telephony(Model):
    """The file."""

    phones: Mapping[str, Phone] = Field(default_factory=dict)
    trunks: Mapping[str, Line] = Field(default_factory=dict)
    outside: tuple[Numbers, ...] = ()


@dataclass(frozen=True, slots=True)
class ElsewhereInstallation(Installation):
    """The Asterisk of Debian's package on another machine, or in another container: its modules
    cannot be looked at from here, and Debian's package has all that we load."""

    def has_module(self, name: str) -> bool:
        return name not in NOT_IN_DEBIAN


def debian_installation(processor: str = "") -> Installation:
    """Where Debian's packages put Asterisk 22."""
    processor = processor or platform.machine()
    return ElsewhereInstallation(
        program=("/usr/sbin/asterisk",),
        version=(22, 0),
        modules=Path(f"/usr/lib/{processor}-linux-gnu/asterisk/modules"),
        data=Path("/usr/share/asterisk"),
        origin="elsewhere",
    )


def load_telephony(path: Path) -> Telephony:
    """Read the file; `FlowRefused` with line and column for what is wrong in it."""
    document = read_file(path)
    try:
        return Telephony.model_validate(document.data)
    except ValidationError as error:
        findings = []
        for detail in error.errors(include_url=False):
            place = [*map(str, detail["loc"])]
            message = f"{'.'.join(place)}: {detail['msg']}"
            findings.append(document.finding(place, "bad-telephony", message))
        raise refused(*findings) from error


def instance_settings(
    settings: Settings,
    directory: Path,
    *,
    bind: str = "127.0.0.1",
    inside: str = "",
    permit: tuple[str, ...] = ("127.0.0.1/32",),
    engine: str = "",
    http_port: int = 8088,
    console: bool = False,
    environment: Mapping[str, str] | None = None,
) -> InstanceSettings:
    """What `write_instance` takes. `engine` is the host Asterisk finds the engine at, the engine's
    own address if empty; with `console` Asterisk's warnings go to its standard output, too.
    Raises `BadSetting` for a secret that is missing."""
    given = os.environ if environment is None else environment
    if not settings.ami_user or not settings.ami_secret.get_secret_value():
        raise BadSetting("SANTRAL_AMI_USER and SANTRAL_AMI_SECRET are needed, and have no default")
    if not settings.agi_key.get_secret_value():
        raise BadSetting("SANTRAL_AGI_KEY is needed, and has no default")
    telephony = load_telephony(settings.telephony) if settings.telephony else Telephony()
    folder = settings.telephony.parent if settings.telephony else Path()
    first, last = map(int, settings.rtp_ports.split("-"))
    if last - first < 3:
        raise BadSetting(f"SANTRAL_RTP_PORTS: {settings.rtp_ports} has no room for a call")
    host = engine or settings.agi_host
    speech = engine or settings.speech_host
    return InstanceSettings(
        directory=directory, sip_port=settings.sip_port, ami_port=settings.ami_port,
        http_port=http_port, rtp_ports=(first, last), bind=bind, inside=inside, permit=permit,
        ami_user=settings.ami_user, ami_secret=settings.ami_secret.get_secret_value(),
        agi_key=settings.agi_key.get_secret_value(), agi_url=f"agi://{host}:{settings.agi_port}",
        speech_url=f"ws://{speech}:{settings.speech_port}/aeap" if settings.speech_port else "",
        external=settings.external_address, local_networks=words(settings.local_networks),
        tls_port=settings.sip_tls_port, certificate=settings.sip_certificate,
        private_key=settings.sip_private_key, sounds=settings.announcements,
        country=settings.country.lower(),
        extra={"logger.conf": "console => notice,warning,error"} if console else {},
        **_people(telephony, folder, given),
    )  # fmt: skip


def words(text: str) -> tuple[str, ...]:
    """A list as it stands in a setting: by commas or spaces."""
    return tuple(text.replace(",", " ").split())


def _people(telephony: Telephony, folder: Path, given: Mapping[str, str]) -> dict[str, Any]:
    return {
        "accounts": tuple(
            Account(
                name,
                phone.secret(folder, given, f"phone {name}"),
                kind=phone.kind,
                context="santral-inbound" if phone.caller else "santral-desk",
                title=phone.title,
                number=phone.number,
                contacts=phone.contacts,
                secure=phone.secure,
            )
            for name, phone in telephony.phones.items()
        ),
        "trunks": tuple(
            Trunk(
                name,
                trunk.contact,
                trunk.match,
                trunk.username,
                trunk.secret(folder, given, f"trunk {name}"),
                trunk.register_as,
                trunk.secure,
            )
            for name, trunk in telephony.trunks.items()
        ),
        "outside": tuple(
            Outside(one.pattern, one.trunk, one.strip, one.prefix) for one in telephony.outside
        ),
    }
