"""What one Asterisk instance is given: its directory, ports, secrets, accounts, queues and lines.

Nothing here has a default secret. `InstanceSettings.fresh` makes one for a new instance, with ports
that were free a moment ago and passwords nobody has seen.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from cti.asterisk.ports import free_port_range, free_ports
from ivr.errors import BadSetting

INBOUND = "santral-inbound"
OUTBOUND = "santral-outbound"
DESK = "santral-desk"
FALLBACK_QUEUE = "santral-fallback"
LOOPBACK = "127.0.0.1"
RTP_PORTS = 2000

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_PATTERN = re.compile(r"_?[0-9XZN+*.!\[\]-]+")


def password() -> str:
    """A new secret of 160 random bits, in letters and digits only."""
    return secrets.token_hex(20)


def check_name(name: str, what: str) -> None:
    """Names go into section heads and dialplan: letters, digits, `-` and `_`."""
    if not _NAME.fullmatch(name):
        raise BadSetting(f"{what} {name!r}: use letters, digits, - and _ only.")


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may register and call: any SIP `phone`, or the phone in the `web` page.

    Desk accounts have the context `santral-desk` and can be rung; one with `santral-inbound` is a
    caller, as the demo's softphone is. The name is the SIP user name; `title` and `number` are who
    calls, the name if empty. A `secure` phone is called over TLS and its sound is encrypted (SRTP
    with keys from SDES, RFC 4568): a call without is refused.
    """

    name: str
    password: str = field(repr=False)
    kind: Literal["phone", "web"] = "phone"
    context: str = DESK
    title: str = ""
    number: str = ""
    contacts: int = 1
    secure: bool = False

    def __post_init__(self) -> None:
        check_name(self.name, "account")
        check_name(self.context, "context")
        if len(self.name) < 2:
            raise BadSetting(f"account {self.name!r}: use two characters or more.")
        if len(self.password) < 12:
            raise BadSetting(f"account {self.name}: a password has 12 characters or more.")
        if re.search(r'["<>\\]', self.title):
            raise BadSetting(f'account {self.name}: a title has none of the characters " < > \\.')
        if not re.fullmatch(r"\+?[0-9]*", self.number):
            raise BadSetting(f"account {self.name}: {self.number!r} is not a number.")

    @classmethod
    def fresh(cls, name: str, **rest: Any) -> Self:
        """An account with a new password."""
        return cls(name, password(), **rest)


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue for people. Times are seconds; `limit` 0 lets any number wait.

    `join_empty` and `leave_when_empty` are Asterisk's words (queues.conf): `yes`, `no`, `strict`,
    `loose`, or a list of states. `members` are static ones, such as `PJSIP/ayse`.
    """

    name: str
    strategy: str = "rrmemory"
    ring: int = 20
    wrap_up: int = 0
    limit: int = 0
    weight: int = 0
    join_empty: str = "yes"
    leave_when_empty: str = "no"
    members: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_name(self.name, "queue")


@dataclass(frozen=True, slots=True)
class Trunk:
    """A line to the public network, or to another exchange.

    `contact` is where calls are sent (`sip:host:port`), `match` the addresses calls come from
    without a password, `register` our own address when the provider wants us to register.
    A `secure` trunk is spoken to over TLS, with encrypted sound.
    """

    name: str
    contact: str
    match: tuple[str, ...] = ()
    username: str = ""
    password: str = field(default="", repr=False)
    register: str = ""
    secure: bool = False

    def __post_init__(self) -> None:
        check_name(self.name, "trunk")
        if self.register and not self.username:
            raise BadSetting(f"trunk {self.name}: registering takes a user name.")


@dataclass(frozen=True, slots=True)
class Outside:
    """Numbers that may be dialled (Asterisk's pattern, `_0850XXXXXXX`) and the trunk they take.

    `strip` digits are cut from the front first, then `prefix` goes before the rest.
    """

    pattern: str
    trunk: str
    strip: int = 0
    prefix: str = ""

    def __post_init__(self) -> None:
        check_name(self.trunk, "trunk")
        if not _PATTERN.fullmatch(self.pattern) or not re.fullmatch(r"[0-9+]*", self.prefix):
            raise BadSetting(
                f"outside {self.pattern!r}: not a pattern of numbers, as _0850XXXXXXX."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceSettings:
    """Everything that is written into one instance's configuration.

    `agi_url` is the engine's address without a path (`agi://host:port`), `speech_url` the
    recogniser's (`ws://host:port/path`; empty = none). `external` is the address written into SIP
    and SDP for everybody outside `local_networks`: needed behind NAT and in a container. `inside`
    is the Manager's and the HTTP server's address where it is not `bind`. `sounds` holds
    `<language>/santral-*.wav`; none has to be there. `extra` is text added to the end of a
    configuration file, by its name.
    """

    directory: Path
    sip_port: int
    ami_port: int
    http_port: int
    rtp_ports: tuple[int, int]
    ami_secret: str = field(repr=False)
    agi_key: str = field(repr=False)
    agi_url: str = "agi://127.0.0.1:4573"
    speech_url: str = ""
    ami_user: str = "santral"
    name: str = "santral"
    bind: str = LOOPBACK
    inside: str = ""
    permit: tuple[str, ...] = ("127.0.0.1/32",)
    external: str = ""
    local_networks: tuple[str, ...] = ()
    tls_port: int = 0
    certificate: Path | None = None
    private_key: Path | None = None
    languages: tuple[str, ...] = ("tr", "en")
    country: str = "tr"
    sounds: Path | None = None
    music: Path | None = None
    accounts: tuple[Account, ...] = ()
    queues: tuple[Queue, ...] = (Queue("support"),)
    trunks: tuple[Trunk, ...] = ()
    outside: tuple[Outside, ...] = ()
    tries: int = 15
    wait: float = 1.0
    entries: int = 50
    engine_limit: int = 3600
    fallback_wait: int = 600
    fallback_members: tuple[str, ...] = ()
    ring: int = 25
    ring_outside: int = 45
    extra: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def fresh(cls, directory: Path, **rest: Any) -> Self:
        """Settings with free ports, new secrets and a name of its own; `rest` overrides any."""
        sip_port, ami_port, http_port = free_ports(3)
        made: dict[str, Any] = {
            "directory": directory,
            "sip_port": sip_port,
            "ami_port": ami_port,
            "http_port": http_port,
            "rtp_ports": free_port_range(RTP_PORTS),
            "ami_secret": password(),
            "agi_key": password(),
            "name": f"santral-{secrets.token_hex(4)}",
        }
        return cls(**(made | rest))

    def __post_init__(self) -> None:
        if min(len(self.ami_secret), len(self.agi_key)) < 12:
            raise BadSetting("The secrets of an Asterisk instance have 12 characters or more.")
        check_name(self.name, "instance")
        check_name(self.ami_user, "AMI user")
        if self.tls_port and not (self.certificate and self.private_key):
            raise BadSetting("SIP over TLS takes a certificate and its private key.")
        secure = [one.secure for one in self.accounts] + [one.secure for one in self.trunks]
        if any(secure) and not self.tls_port:
            raise BadSetting("A secure phone or trunk takes SIP over TLS: set its port.")
        # The dialplan separates its words with these, and would cut a path there.
        if re.search(r"[,;&|^\"'$\[\]()\n]", str(self.directory) + str(self.sounds or "")):
            raise BadSetting(f"Asterisk cannot use a directory of this name: {self.directory}")
        names = [account.name for account in self.accounts]
        if len(set(names)) < len(names):
            raise BadSetting("Two accounts have the same name.")

    @property
    def etc(self) -> Path:
        return self.directory / "etc"

    @property
    def control(self) -> Path:
        """Asterisk's control socket, or a link to it."""
        return self.directory / "run" / "asterisk.ctl"

    @property
    def log(self) -> Path:
        """The file with every notice, warning and error."""
        return self.directory / "log" / "messages.log"

    @property
    def sound_directory(self) -> Path:
        return self.sounds or self.directory / "sounds"

    @property
    def all_queues(self) -> tuple[Queue, ...]:
        """The queues, with the fallback queue among them in any case."""
        if any(queue.name == FALLBACK_QUEUE for queue in self.queues):
            return self.queues
        fallback = Queue(FALLBACK_QUEUE, strategy="ringall", members=self.fallback_members)
        return (*self.queues, fallback)
