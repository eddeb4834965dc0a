"""What operations runs: Asterisk's configuration, an installation's secrets, a shop to try."""

from __future__ import annotations

import argparse
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cti.settings import Settings
from ivr.errors import BadSetting

if TYPE_CHECKING:
    from cti.doctor import Told

CONFIGURE: Final = """examples:
  santral configure /etc/santral/asterisk        an Asterisk on this machine
  santral configure /srv/asterisk --bind 0.0.0.0 --permit 172.30.0.0/24 --engine santral
                                                 in a container, the engine in another

Writes DIRECTORY/etc; start it with `asterisk -C DIRECTORY/etc/asterisk.conf -f`. Phones, trunks and
numbers outside come from the file that SANTRAL_TELEPHONY names, the rest from the settings.
"""
SECRETS: Final = """example:
  santral secrets ./secrets      once; what is there already stays

Writes one file a secret: Asterisk's Manager and AGI, the database, the first phone. docker compose
mounts them; none is in an image, none has a default.
"""
SHOP: Final = """example:
  docker compose exec santral santral shop     then dial 100, press 1, and the order's number with #
"""
DOCTOR: Final = """examples:
  santral doctor           ports, Manager, database, sounds, models, clock, disk, NAT
  santral doctor --json    the same for scripts

Exit 0: nothing is wrong (warnings aside). Exit 1: something is.
"""
SETTINGS: Final = """examples:
  santral settings            each with its default, as Markdown
  santral settings --write    docs/settings.md anew, after a change of cti/settings.py
"""
MARKS: Final = {"ok": "ok     ", "warning": "warning", "wrong": "WRONG  "}


def add_commands(commands: Any) -> None:
    configure = commands.add_parser(
        "configure",
        help="write an Asterisk's configuration from asterisk-conf/ and the settings",
        epilog=CONFIGURE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    configure.add_argument("directory", type=Path)
    configure.add_argument("--bind", default="127.0.0.1", help="address Asterisk listens at")
    configure.add_argument(
        "--inside", default="", help="address of its Manager and HTTP server, if another"
    )
    configure.add_argument(
        "--permit", action="append", help="network that may use its Manager (this machine)"
    )
    configure.add_argument("--engine", default="", help="host Asterisk finds the engine at")
    configure.add_argument("--http-port", type=int, default=8088, help="for phones in web pages")
    configure.add_argument(
        "--elsewhere", action="store_true", help="Asterisk is Debian's, in another container"
    )
    configure.set_defaults(run=run_configure)
    secrets = commands.add_parser(
        "secrets",
        help="make the secrets of an installation",
        epilog=SECRETS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    secrets.add_argument("directory", type=Path)
    secrets.set_defaults(run=run_secrets)
    shop = commands.add_parser(
        "shop",
        help="put the demo's shop into the database, to try the shipped flows with",
        epilog=SHOP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    shop.set_defaults(run=run_shop)
    doctor = commands.add_parser(
        "doctor",
        help="look for what is set up wrong, and say the remedy",
        epilog=DOCTOR,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    doctor.add_argument("--json", action="store_true", help="as data")
    doctor.set_defaults(run=run_doctor)
    page = commands.add_parser(
        "settings",
        help="every setting, as in docs/settings.md",
        epilog=SETTINGS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    page.add_argument("--write", action="store_true", help="write docs/settings.md anew")
    page.set_defaults(run=run_settings)


def run_settings(arguments: argparse.Namespace) -> int:
    from cti.settings import CHECKOUT
    from cti.settings_page import settings_page

    if arguments.write:
        (CHECKOUT / "docs/settings.md").write_text(settings_page(), "utf-8")
    else:
        print(settings_page(), end="")
    return 0


def run_doctor(arguments: argparse.Namespace) -> int:
    import asyncio
    import json

    from cti.doctor import Told, examine

    try:
        settings = Settings.from_environment()
    except BadSetting as error:
        found = [Told("settings", "wrong", str(error), "docs/settings.md has every setting")]
    else:
        found = asyncio.run(_gathered(examine(settings)))
    if arguments.json:
        print(json.dumps([one.to_dict() for one in found], ensure_ascii=False, indent=1))
    else:
        for one in found:
            print(f"{MARKS[one.level]} {one.name:12} {one.text}")
            if one.fix:
                print(f"  {'':12} -> {one.fix}")
    return 1 if any(one.level == "wrong" for one in found) else 0


async def _gathered(found: AsyncIterator[Told]) -> list[Told]:
    return [one async for one in found]


def run_shop(arguments: argparse.Namespace) -> int:
    import asyncio

    from cti.db.engine import open_engine
    from cti.db.migrate import upgrade
    from cti.demo_shop import CALLER, ORDER, seed_shop

    async def seed() -> None:
        database = open_engine(Settings.from_environment().journal_database)
        try:
            await upgrade(database)
            await seed_shop(database)
        finally:
            await database.dispose()

    asyncio.run(seed())
    print(f"the demo's shop is there: dial 100 as {CALLER}, order {ORDER}")
    return 0


def run_configure(arguments: argparse.Namespace) -> int:
    import asyncio

    from cti.asterisk.exchange import debian_installation, instance_settings
    from cti.asterisk.install import find_asterisk
    from cti.asterisk.instance import write_instance

    settings = Settings.from_environment()
    if arguments.elsewhere:
        installation = debian_installation()
    else:
        installation = asyncio.run(find_asterisk(settings.state, print))
    instance = instance_settings(
        settings,
        arguments.directory.absolute(),
        bind=arguments.bind,
        inside=arguments.inside,
        permit=tuple(arguments.permit or ["127.0.0.1/32"]),
        engine=arguments.engine,
        http_port=arguments.http_port,
        console=arguments.elsewhere,
    )
    path = write_instance(installation, instance)
    print(f"written: {path}")
    return 0


def run_secrets(arguments: argparse.Namespace) -> int:
    directory: Path = arguments.directory
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in new_secrets(directory).items():
        # Readable by whoever can get at the file: the directory lets nobody but its owner in, and a
        # container that is given one file of it runs as a user of its own.
        handle = os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        print(f"made: {directory / name}")
    return 0


def new_secrets(directory: Path) -> Mapping[str, str]:
    """The secrets that are not there yet. The database's password is part of its address, too."""
    from cti.asterisk.settings import password

    made: dict[str, str] = {}
    for name in ("ami_secret", "agi_key", "database_password", "phone_password"):
        if not (directory / name).exists():
            made[name] = password()
    if not (directory / "recording_keys").exists():
        from cti.services.sealing import new_key

        made["recording_keys"] = new_key()
    if not (directory / "database_url").exists():
        known = made.get("database_password") or (
            directory / "database_password"
        ).read_text("utf-8").strip()  # fmt: skip
        made["database_url"] = f"postgresql+asyncpg://santral:{known}@postgres:5432/santral"
    return made
