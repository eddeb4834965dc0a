"""Writes one instance's configuration from `asterisk-conf/`.

The templates are Asterisk's own files with Jinja2's marks in them. A value that could end a line,
or a comment, is refused and never written.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import sysconfig
from dataclasses import fields
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cti.ami.events import UNREAD
from cti.asterisk.install import Installation
from cti.asterisk.settings import DESK, InstanceSettings
from cti.settings import HOME
from ivr.errors import BadSetting, CannotInstall

# Dialled numbers as patterns; one letter alone is a name of the dialplan's own (h, i, t, …).
DIALLED = ("_X!", "_[+*#]!", "_[a-zA-Z][a-zA-Z0-9]!", "s")
NAME_CHARACTERS = r"a-zA-Z0-9_\x2D"
OPUS = ("codec_opus_open_source", "codec_opus")
PARTS = ("lib", "db", "keys", "agi", "spool", "log", "cache", "sounds", "data")
# The length of a Unix socket's name is limited (unix(7): 108 bytes with the final zero).
LONGEST_SOCKET = 107
MOST_FILES = 65_536


def write_instance(
    installation: Installation, settings: InstanceSettings, *, run: Path | None = None
) -> Path:
    """Write the instance's directory and give back the path of its asterisk.conf.

    Every file is readable by its owner only. `run` is where the control socket goes, `run` below
    the directory by default. Raises `BadSetting` for a value that cannot be written, and
    `CannotInstall` when the installation lacks a module.
    """
    make_directories(settings)
    run = run or settings.directory / "run"
    run.mkdir(mode=0o700, parents=True, exist_ok=True)
    rendered = render(installation, settings, run)
    if missing := missing_modules(installation, rendered["modules.conf"]):
        raise CannotInstall(
            f"{installation.title} lacks modules: {', '.join(missing)}. "
            "Install all of Asterisk's modules (asterisk-modules)."
        )
    for name, text in rendered.items():
        write_private(settings.etc / name, text)
    link_data(installation, settings)
    return settings.etc / "asterisk.conf"


def make_directories(settings: InstanceSettings) -> None:
    """The instance's directories, for its owner only."""
    for directory in (settings.directory, settings.etc, *(settings.directory / p for p in PARTS)):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)


def link_data(installation: Installation, settings: InstanceSettings) -> None:
    """Asterisk's data directory of this instance: the installation's own, by links, and among its
    sounds ours, by language - app_queue.c and say.c look nowhere else for the caller's language.

    Links to sounds that the engine has not written yet lead nowhere until it has.
    """
    from ivr.prompts.builtin import played_names  # loads what reads flows: not at once

    data = settings.directory / "data"
    shutil.rmtree(data)
    data.mkdir(mode=0o700)
    _link_all(installation.data, data, but="sounds")
    for language in settings.languages:
        sounds = data / "sounds" / language
        for directory in (sounds.parent, sounds, sounds / "digits"):
            directory.mkdir(mode=0o700, exist_ok=True)
        _link_all(installation.data / "sounds" / language, sounds, but="digits")
        _link_all(installation.data / "sounds" / language / "digits", sounds / "digits")
        for name in played_names():
            link = sounds / f"{name}.wav"
            link.unlink(missing_ok=True)
            link.symlink_to(settings.sound_directory / language / f"{name}.wav")


def _link_all(source: Path, target: Path, *, but: str = "") -> None:
    for path in source.iterdir() if source.is_dir() else ():
        if path.name != but:
            (target / path.name).symlink_to(path)


def render(
    installation: Installation, settings: InstanceSettings, run: Path | None = None
) -> dict[str, str]:
    """The text of every configuration file, by name."""
    environment = Environment(
        loader=FileSystemLoader(templates()),
        undefined=StrictUndefined,
        finalize=_safe,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - these are no web pages; _safe guards what goes in
    )
    values = _values(installation, settings, run or settings.directory / "run")
    rendered = {
        name: environment.get_template(name).render(values)
        for name in sorted(environment.list_templates(["conf"]))
    }
    if unknown := settings.extra.keys() - rendered.keys():
        raise BadSetting(f"There is no configuration file {', '.join(sorted(unknown))}.")
    for name, text in settings.extra.items():
        rendered[name] += f"\n{text}\n"
    return rendered


def templates() -> Path:
    """Where `asterisk-conf/` is: beside the packages in a checkout, else in the environment."""
    checkout = HOME / "asterisk-conf"
    installed = Path(sysconfig.get_path("data")) / "share/santral/asterisk-conf"
    return checkout if checkout.is_dir() else installed


def missing_modules(installation: Installation, modules_conf: str) -> list[str]:
    """The modules that are to be loaded and that the installation does not have."""
    wanted = re.findall(r"^load=(\w+)\.so", modules_conf, re.MULTILINE)
    return [name for name in wanted if not installation.has_module(name)]


def write_private(path: Path, text: str) -> None:
    """Write a file only its owner can read, by rename, so that no reader sees half of it."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)


def fits_socket(run: Path) -> bool:
    """Whether Asterisk's control socket has room for its name in this directory."""
    return len(os.fsencode(run / "asterisk.ctl")) <= LONGEST_SOCKET


def _values(installation: Installation, settings: InstanceSettings, run: Path) -> dict[str, Any]:
    values: dict[str, Any] = {
        field.name: getattr(settings, field.name) for field in fields(settings)
    }
    music = settings.music or installation.data / "moh"
    return values | {
        "installation": installation,
        "etc": settings.etc,
        "run": run,
        "sounds": settings.sound_directory,
        "music": music if music.is_dir() and any(music.iterdir()) else "",
        "queues": settings.all_queues,
        "opus_codecs": [name for name in OPUS if installation.has_module(name)][:1],
        "dialled": DIALLED,
        "unread_events": UNREAD,
        "filters_by_name": _filters_by_name(installation.version),
        "name_characters": NAME_CHARACTERS,
        "desk_context": DESK,
        "most_files": _most_files(),
        "transports": [("udp", settings.sip_port)]
        + ([("tls", settings.tls_port)] if settings.tls_port else []),
    }


def _filters_by_name(version: tuple[int, int]) -> bool:
    """Whether manager.conf of this Asterisk knows `eventfilter(name(...))`."""
    return version >= {20: (20, 11), 21: (21, 6)}.get(version[0], (22, 1))


def _most_files() -> int:
    """How many files Asterisk may have open, within what this machine lets us have."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)


def _safe(value: object) -> object:
    """Refuse what would end a line or a value: line breaks and the mark of a comment."""
    text = str(value)
    if re.search(r"[\x00-\x1f\x7f;]", text) or text.startswith("#"):
        raise BadSetting(f"This cannot be written into Asterisk's configuration: {text[:40]!r}")
    return value
