"""The environment -> one frozen `Settings`, built once in `cli.py` and handed on from there."""

from __future__ import annotations

import difflib
import ipaddress
import os
import sysconfig
from base64 import b64decode
from collections.abc import Mapping
from datetime import time
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from ivr.errors import BadSetting

PREFIX: Final = "SANTRAL_"
# Names with our prefix that are not settings of the engine: the launcher's and the tests' own.
NOT_SETTINGS: Final = frozenset({"SANTRAL_PYTHON", "SANTRAL_VOICES"})
CHECKOUT: Final = Path(__file__).resolve().parent.parent
INSTALLED: Final = Path(sysconfig.get_path("data")) / "share" / "santral"
# Where flows and sounds are: beside the packages in a checkout, else where the wheel put them.
HOME: Final = CHECKOUT if (CHECKOUT / "scenarios").is_dir() else INSTALLED
STATE: Final = (CHECKOUT if HOME == CHECKOUT else Path.cwd()) / ".santral"


class Settings(BaseModel):
    """Every setting, with its default. `SANTRAL_AGI_PORT=4573` sets `agi_port`, and so on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scenarios: Path = Field(HOME / "scenarios", description="The folder of flows and their tables.")
    sounds: Path = Field(HOME / "sounds", description="Recorded prompts, by language.")
    state: Path = Field(STATE, description="Where everything is kept that is made while running.")
    agi_host: str = Field("127.0.0.1", description="The address Asterisk reaches the engine at.")
    agi_port: int = Field(4573, ge=0, le=65535, description="FastAGI port; 0 takes a free one.")
    agi_key: SecretStr = Field(
        SecretStr(""), description="Shared with the dialplan: a call without it is not served."
    )
    database_url: str = Field("", description="The journal's database; SQLite in `state` if empty.")
    lookup_database_url: str = Field(
        "", description="What lookups ask, read-only; the demo shop in `state` if empty."
    )
    speech_host: str = Field("127.0.0.1", description="The address Asterisk reaches it at.")
    speech_port: int = Field(
        0, ge=0, le=65535, description="Where Asterisk finds our speech engine; 0: keys only."
    )
    speech_workers: int = Field(2, ge=1, le=64, description="Recogniser processes.")
    speech_engines: str = Field(
        "",
        description="Which engines hear a language, the second behind the first: "
        "`tr=vosk:/models/tr; en=remote:ws://host:2700|vosk`; the rest as `santral models` says.",
    )
    transcription_engines: str = Field(
        "", description="Likewise, for recordings after the call: a large model; else the same."
    )
    update_database_url: str = Field(
        "", description="What updates write to; the demo shop in `state` if lookups ask it, too."
    )
    http_hosts: str = Field(
        "",
        description="Hosts that `http` steps may ask: api.example.com, *.example.com, host:8443.",
    )
    http_private: str = Field(
        "", description="Hosts and networks among them that may be private, as 10.1.0.0/16."
    )
    webhook_secret: SecretStr = Field(
        SecretStr(""), description="Signs webhooks; made and kept in `state` if empty."
    )
    ami_host: str = Field("127.0.0.1", description="Asterisk's Manager interface.")
    ami_port: int = Field(5038, ge=1, le=65535, description="Its port.")
    ami_user: str = Field("", description="Its user; without one the engine runs without AMI.")
    ami_secret: SecretStr = Field(SecretStr(""), description="Its password.")
    sip_port: int = Field(5060, ge=1, le=65535, description="Where phones and trunks call.")
    sip_tls_port: int = Field(0, ge=0, le=65535, description="SIP over TLS; 0: not spoken.")
    sip_certificate: Path | None = Field(None, description="Its certificate, a PEM file.")
    sip_private_key: Path | None = Field(None, description="The certificate's key, a PEM file.")
    rtp_ports: str = Field(
        "10000-10199",
        pattern=r"^\d{4,5}-\d{4,5}$",
        description="The UDP ports of the calls' sound, two a call.",
    )
    external_address: str = Field(
        "", description="The address the world reaches Asterisk at, where that is behind NAT."
    )
    local_networks: str = Field(
        "", description="Networks behind the same NAT, as 10.0.0.0/8; they see our own address."
    )
    telephony: Path | None = Field(
        None, description="Phones, trunks and numbers outside: docs/operations.md, Trunks."
    )
    asterisk_etc: Path | None = Field(
        None, description="Asterisk's configuration: queues and phones are written there."
    )
    asterisk_control: Path | None = Field(
        None, description="Asterisk's control socket, to have it read its phones again."
    )
    asterisk_websocket: str = Field(
        "", description="Asterisk's WebSocket (ws://127.0.0.1:8088/ws), for phones in the page."
    )
    web_host: str = Field("127.0.0.1", description="The address the desk is served at.")
    web_port: int = Field(
        0, ge=0, le=65535, description="Its port; 0: no desk. Loopback speaks http, a proxy https."
    )
    web_pages: Path | None = Field(
        None, description="Where the pages' bundle is made and kept; in `state` if not given."
    )
    web_proxies: str = Field(
        "", description="Networks of proxies whose X-Forwarded-For and -Proto are believed."
    )
    trunks: str = Field(
        "",
        description="Calls go out by these, as main=PJSIP/{number}@provider; without one none do.",
    )
    tts: str = Field(
        "espeak-ng", description="The speech synthesiser: espeak-ng, pyttsx3 or command."
    )
    tts_command: str = Field(
        "", description="The command line of `command`, with {text} and {output}."
    )
    espeak: str = Field("espeak-ng", description="The espeak-ng command, with its options if any.")
    prompt_cache: Path | None = Field(
        None, description="Where synthesised prompts are kept; in `state` if not given."
    )
    prompt_cache_mb: int = Field(
        500, ge=10, description="How large the synthesised prompts may grow."
    )
    language: str = Field(
        "tr", pattern=r"^[a-z]{2,3}$", description="The language when none is given."
    )
    country: str = Field("TR", pattern=r"^[A-Z]{2}$", description="For numbers without a country.")
    time_zone: str = Field("Europe/Istanbul", description="The shop's time zone.")
    currency: str = Field("TRY", pattern=r"^[A-Z]{3}$", description="The shop's currency.")
    reports_every: float = Field(
        20.0, ge=0, description="Seconds between two updates of the reports; 0: never."
    )
    smtp: str = Field(
        "", description="Where report mails are handed in: smtp://user@host:587 (with STARTTLS) or "
        "smtps://user@host:465; empty: no mails.",
    )  # fmt: skip
    smtp_password: SecretStr = Field(SecretStr(""), description="Of the user in `smtp`.")
    mail_from: str = Field("", description="Whom report mails are from.")
    web_url: str = Field(
        "", description="Where people open the desk (https://santral.example.com): links in mails."
    )
    drain: float = Field(
        30.0, ge=0, description="Seconds calls may go on after a stop is asked for."
    )
    restart_drain: float = Field(
        300.0, ge=0, description="Seconds calls may go on in the old engine after a restart."
    )
    retire_at: time = Field(
        time(3, 30), description="When what is old is removed: a time of day in `time_zone`."
    )
    recording_keys: SecretStr = Field(
        SecretStr(""),
        description="Recordings are sealed with the first of these keys once their call is over "
        "(base64 of 32 bytes each, newest first); all open them. None: kept as they are.",
    )
    keep_recordings: int = Field(90, ge=0, description="Days; 0 keeps them for ever.")
    keep_personal: int = Field(
        180, ge=0, description="Days that a call tells of a person (numbers, words, values)."
    )
    keep_events: int = Field(730, ge=0, description="Days that a call's whole way is kept.")
    keep_audit: int = Field(730, ge=0, description="Days of the audit log.")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="Log level.")
    log_format: str = Field(
        "plain", pattern="^(plain|json)$", description="Lines for people, or one JSON object each."
    )
    metrics_from: str = Field(
        "", description="Networks that may read /metrics and the reasons of /readyz: 10.1.0.0/16."
    )
    trace_endpoint: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="An OpenTelemetry collector (OTLP over HTTP) for a trace of each call, as "
        "http://collector:4318/v1/traces; none is made if empty.",
    )
    watchdog: float = Field(
        60.0, ge=0, description="Seconds a standing event loop is borne; then another takes over."
    )

    @field_validator("database_url", "lookup_database_url", "update_database_url")
    @classmethod
    def _known_engine(cls, url: str) -> str:
        scheme = urlsplit(url).scheme
        if url and scheme not in {"sqlite+aiosqlite", "postgresql+asyncpg"}:
            raise ValueError("must begin with sqlite+aiosqlite:// or postgresql+asyncpg://")
        return url

    @field_validator("recording_keys")
    @classmethod
    def _keys(cls, text: SecretStr) -> SecretStr:
        for word in text.get_secret_value().split():
            if len(b64decode(word, validate=True)) != 32:
                raise ValueError("each key must be base64 of 32 bytes")
        return text

    @field_validator("metrics_from")
    @classmethod
    def _networks(cls, text: str) -> str:
        for word in text.replace(",", " ").split():
            ipaddress.ip_network(word, strict=False)
        return text

    @property
    def metrics_networks(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        """Who may read the metrics, beside this machine."""
        listed = self.metrics_from.replace(",", " ").split()
        return tuple(ipaddress.ip_network(word, strict=False) for word in listed)

    @property
    def prompts(self) -> Path:
        return self.prompt_cache or self.state / "prompts"

    @property
    def recordings(self) -> Path:
        """Where what callers say is recorded."""
        return self.state / "recordings"

    @property
    def models(self) -> Path:
        """Where speech models that were added are."""
        return self.state / "models"

    @property
    def announcements(self) -> Path:
        """Where the dialplan finds what it says without the engine."""
        return self.state / "announcements"

    @property
    def journal_database(self) -> str:
        return self.database_url or f"sqlite+aiosqlite:///{self.state / 'santral.db'}"

    @property
    def lookup_database(self) -> str:
        return self.lookup_database_url or self.journal_database

    @property
    def update_database(self) -> str:
        """Empty where lookups ask a shop's own database and nothing says where to write."""
        return self.update_database_url or (
            "" if self.lookup_database_url else self.journal_database
        )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read `SANTRAL_*` (and `LOOKUP_DATABASE_URL`); `BadSetting` names the wrong one."""
        given = os.environ if environment is None else environment
        names = {
            name: name.removeprefix(PREFIX).lower()
            for name in given
            if name.startswith(PREFIX) and name not in NOT_SETTINGS
        }
        # A secret may stand in a file (`SANTRAL_AMI_SECRET_FILE=/run/secrets/ami_secret`).
        files = {
            field: name
            for name, field in names.items()
            if field.endswith("_file") and field.removesuffix("_file") in cls.model_fields
        }
        for name, field in names.items():
            if field not in cls.model_fields and field not in files:
                near = difflib.get_close_matches(field, cls.model_fields, n=1)
                hint = f"; did you mean {PREFIX}{near[0].upper()}?" if near else ""
                raise BadSetting(f"there is no setting {name}{hint}")
        values = {field: given[name] for name, field in names.items() if field not in files}
        for field, name in files.items():
            if field.removesuffix("_file") in values:
                raise BadSetting(f"{name} and {name.removesuffix('_FILE')}: give one of them")
            values[field.removesuffix("_file")] = _file(name, given[name])
        if "LOOKUP_DATABASE_URL" in given:
            values.setdefault("lookup_database_url", given["LOOKUP_DATABASE_URL"])
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            name = PREFIX + str(first["loc"][0]).upper()
            raise BadSetting(f"{name}: {first['msg'].removeprefix('Value error, ')}") from None


def _file(name: str, path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise BadSetting(f"{name}: {path} cannot be read: {reason}") from None
