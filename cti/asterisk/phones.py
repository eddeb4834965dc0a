"""The SIP accounts of agents: a file that Asterisk includes, and its reload by the control socket.

The Manager account may not reload modules (that right would let it write configuration), so the
reload goes the way `asterisk -rx` goes: a line to the Unix socket that only Asterisk's own user can
open (source: main/asterisk.c, `netconsole` and `ast_cli_command_multiple_full`: commands end with a
zero byte; the first line that comes back is `host/pid/version`).
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cti.asterisk.instance import write_private
from cti.asterisk.settings import DESK
from ivr.errors import AsteriskDown

log = logging.getLogger(__name__)
FILE: Final = "santral-phones.conf"
OTHERS: Final = ("pjsip.conf", "pjsip_accounts.conf", "pjsip_trunks.conf")
RELOAD: Final = "module reload res_pjsip.so"
TIMEOUT: Final = 5.0
_SECTION: Final = re.compile(r"^\[([^\]]+)\]", re.MULTILINE)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{1,62}\Z")


@dataclass(frozen=True, slots=True)
class PhoneAccount:
    """`web`: the phone in the page; else a telephone on the desk."""

    name: str
    password: str = field(repr=False)
    title: str
    web: bool = True


class PhoneFile:
    """`control` is Asterisk's control socket; without one somebody else reloads it."""

    def __init__(self, directory: Path, control: Path | None = None) -> None:
        self._directory, self._control = directory, control
        self._path = directory / FILE

    def write(self, accounts: Sequence[PhoneAccount]) -> bool:
        """Write the file; False when it says that already. Only its owner can read it."""
        taken = self._taken()
        usable = []
        for account in accounts:
            if account.name in taken or not _NAME.match(account.name):
                log.error("the SIP account %r is another's; choose an extension", account.name)
            else:
                usable.append(account)
        text = render(usable)
        try:
            if self._path.read_text("utf-8") == text:
                return False
        except FileNotFoundError:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(self._path, text)
        return True

    async def apply(self, accounts: Sequence[PhoneAccount]) -> bool:
        """Write, and have a running Asterisk read it, which may have been up before the file was;
        False when it said so already. Registrations and calls stay. Raises `AsteriskDown` when it
        does not answer."""
        changed = await asyncio.to_thread(self.write, accounts)
        if self._control is not None:
            await command(self._control, RELOAD)
        return changed

    def _taken(self) -> set[str]:
        """Names that sections of the other files have."""
        names: set[str] = set()
        for other in OTHERS:
            path = self._directory / other
            if path.is_file():
                names |= set(_SECTION.findall(path.read_text("utf-8")))
        return names


def render(accounts: Sequence[PhoneAccount]) -> str:
    parts = ["; Written by Santral from its accounts; changes here are lost."]
    for one in sorted(accounts, key=lambda one: one.name):
        title = re.sub(r'[\x00-\x1f\x7f;"<>\\]', "", one.title) or one.name
        parts.append(
            f"[{one.name}]({'web-phone' if one.web else 'phone'})\n"
            f"context = {DESK}\nauth = {one.name}-auth\naors = {one.name}\n"
            f'callerid = "{title}" <{one.name}>\ndevice_state_busy_at = 1\n\n'
            f"[{one.name}-auth]\ntype = auth\nauth_type = userpass\n"
            f"username = {one.name}\npassword = {one.password}\n\n"
            f"[{one.name}]\ntype = aor\nmax_contacts = 1\nremove_existing = yes"
        )
    return "\n\n".join(parts) + "\n"


async def command(control: Path, text: str, timeout: float = TIMEOUT) -> None:
    """Have Asterisk's console do something. Raises `AsteriskDown`."""
    try:
        async with asyncio.timeout(timeout):
            path = await asyncio.to_thread(control.resolve)  # a link where the name is too long
            reader, writer = await asyncio.open_unix_connection(str(path))
            try:
                await reader.readline()
                writer.write(text.encode() + b"\0")
                await writer.drain()
                await reader.read(1)  # it answers when the command has run
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        raise AsteriskDown(f"Asterisk's console does not answer ({type(error).__name__})") from None
