"""Who works here, in which queues and at which phone: from the accounts and `queues.yaml` to
Asterisk's files and to the agents' presence. What changes in either is in force seconds later,
without a restart of anything.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from cti.agents import Person, Seat
from cti.ami.bridge import Bridge
from cti.asterisk.phones import PhoneAccount, PhoneFile
from cti.db.store.desk import DeskStore
from cti.db.store.people import PeopleStore, User
from cti.queues import AgentSkills, Files, Queues, apply, load_queues, penalty, personal_queue
from ivr.errors import FlowRefused, SantralError
from ivr.flow.finding import Finding

log = logging.getLogger(__name__)
LOOK_EVERY: Final = 2.0  # seconds
FILE: Final = "queues.yaml"
NONE: Final = Queues.model_construct(queues={}, pauses={}, dispositions={})


class Roster:
    """`queues` and `users` as of now. `listeners` hear when they have changed.

    `files` is None where Asterisk's configuration is somebody else's to write, `phones` likewise.
    """

    def __init__(
        self,
        people: PeopleStore,
        desk: DeskStore,
        folder: Path,
        key: str,
        phones: PhoneFile | None = None,
        files: Files | None = None,
    ) -> None:
        self._people, self._desk, self._path, self._key = people, desk, folder / FILE, key.encode()
        self.files, self._phones = files, phones
        self._seen: tuple[int, int] | None = None
        self._applied = False
        self.queues: Queues = NONE
        self.users: Mapping[str, User] = {}
        self.findings: tuple[Finding, ...] = ()
        self.listeners: list[Callable[[], None]] = []

    # --- what is asked of it

    def user(self, login: str) -> User | None:
        return self.users.get(login)

    def people(self) -> Sequence[Person]:
        """Everybody with a desk, as `Agents` wants them."""
        return [self._person(user) for user in self.users.values() if user.active and user.desk]

    def person(self, login: str) -> Person | None:
        user = self.users.get(login)
        return self._person(user) if user and user.active and user.desk else None

    def login_of(self, interface: str) -> str:
        """Whose phone it is, or ""."""
        name = interface.partition("/")[2]
        return next(
            (u.login for u in self.users.values() if u.desk and u.desk.extension == name), ""
        )

    def wrap_up(self, queue: str) -> float:
        found = self.queues.get(queue)
        return found.wrap_up if found else 0.0

    def password(self, extension: str) -> str:
        """The SIP password of an account: made from this installation's key, kept nowhere."""
        return hmac.new(self._key, f"sip:{extension}".encode(), hashlib.sha256).hexdigest()[:40]

    def _person(self, user: User) -> Person:
        assert user.desk is not None
        skills = AgentSkills(user.login, user.desk.skills)
        seats = [Seat(personal_queue(user.login))] if user.desk.seats else []
        for name, own in user.desk.seats.items():
            queue = self.queues.get(name)
            if queue is not None:
                seats.append(Seat(name, max(own, penalty(queue, skills))))
        return Person(user.login, user.name, f"PJSIP/{user.desk.extension}", tuple(seats))

    # --- keeping in step

    async def open(self) -> None:
        """Read both and write Asterisk's files; before Asterisk starts, if we start it. Never
        raises: calls are taken without."""
        await self._read_queues()
        await self._read_people()
        await self._write()

    async def watch(self, bridge: Bridge | None) -> None:
        """Keep in step. Never returns."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self.look(bridge)
            except Exception:
                log.exception("the roster could not be brought up to date")

    async def look(self, bridge: Bridge | None) -> None:
        """Look at both once, and pass on what is new."""
        queues = await self._read_queues()
        people = await self._read_people()
        if queues or people:
            self._applied = False
            for listener in self.listeners:
                listener()
        if not self._applied and bridge is not None and bridge.connected:
            await self._apply(bridge)

    async def _read_queues(self) -> bool:
        try:
            stat = await asyncio.to_thread(self._path.stat)
            seen = (stat.st_mtime_ns, stat.st_size)
            if seen == self._seen:
                return False
            self._seen = seen
            queues = await asyncio.to_thread(load_queues, self._path)
        except FileNotFoundError:
            return False
        except FlowRefused as error:
            self.findings = error.findings
            log.error("%s is bad; the queues stay as they were:\n%s", self._path.name, error)
            return False
        self.findings = ()
        try:
            await self._people.know_queues(queue_rows(queues))
            await self._desk.know_dispositions(queues.dispositions)
        except (SQLAlchemyError, OSError) as error:
            log.error("the queues are not in the database yet: %s", type(error).__name__)
            self._seen = None
        changed, self.queues = queues != self.queues, queues
        return changed

    async def _read_people(self) -> bool:
        try:
            found = {user.login: user for user in await self._people.everybody()}
        except (SQLAlchemyError, OSError) as error:
            log.warning("the accounts cannot be read: %s", type(error).__name__)
            return False
        before = {login: _works(user) for login, user in self.users.items()}
        self.users = found
        return before != {login: _works(user) for login, user in found.items()}

    async def _write(self) -> None:
        try:
            if self.files is not None:
                await asyncio.to_thread(self.files.write, self.queues, self._logins())
            if self._phones is not None:
                await asyncio.to_thread(self._phones.write, self._accounts())
        except (OSError, SantralError) as error:
            log.error("Asterisk's files cannot be written: %s", error)

    async def _apply(self, bridge: Bridge) -> None:
        try:
            if self.files is not None:
                await apply(self.files, bridge, self.queues, self._logins())
            if self._phones is not None:
                await self._phones.apply(self._accounts())
            self._applied = True
        except (OSError, SantralError) as error:
            log.error("Asterisk has not taken the queues or phones: %s", error)

    def _logins(self) -> list[str]:
        return [user.login for user in self.users.values() if user.active and user.desk]

    def _accounts(self) -> list[PhoneAccount]:
        return [
            PhoneAccount(
                user.desk.extension, self.password(user.desk.extension), user.name,
                web=user.desk.phone == "web",
            )
            for user in self.users.values()
            if user.active and user.desk
        ]  # fmt: skip


def _works(user: User) -> tuple[object, ...]:
    """What of a user matters for queues and phones."""
    return user.active, user.name, user.role, user.desk


def queue_rows(queues: Queues) -> list[dict[str, object]]:
    """The queues as `PeopleStore.know_queues` takes them."""
    return [
        {
            "name": name, "title": queue.title.get("tr", name), "strategy": queue.strategy,
            "wrap_up_seconds": round(queue.wrap_up),
            "service_level_seconds": round(queue.service_level), "active": True,
        }
        for name, queue in queues.queues.items()
    ]  # fmt: skip
