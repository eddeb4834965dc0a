"""The demo's people: agents, a supervisor, an editor and an admin, each with a new password."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.store.people import PeopleStore

# login, name, role, queues, skills
PEOPLE: Final[Sequence[tuple[str, str, str, Sequence[str], Mapping[str, int]]]] = (
    ("ayse", "Ayşe Demir", "agent", ("support", "returns", "backup"), {"returns": 3}),
    ("mehmet", "Mehmet Kaya", "agent", ("support", "returns", "backup"), {"returns": 1}),
    ("zeynep", "Zeynep Arslan", "supervisor", (), {}),
    ("emre", "Emre Yıldız", "editor", (), {}),
    ("admin", "Admin", "admin", (), {}),
)


async def seed_desk(engine: AsyncEngine, scenarios: Path) -> dict[str, str]:
    """Make them where there is no user yet; their passwords by login, to be shown once."""
    people = PeopleStore(engine)
    if await people.count():
        return {}
    # Only the first start waits for these to load.
    from cti.accounts import Passwords, fresh_password
    from cti.queues import Queues, load_queues
    from cti.roster import FILE, queue_rows

    path = scenarios / FILE
    queues = load_queues(path) if path.is_file() else Queues.model_construct(queues={})
    await people.know_queues(queue_rows(queues))
    hasher = Passwords()
    try:
        shown = {}
        for login, name, role, seats, skills in PEOPLE:
            shown[login] = fresh_password()
            await people.add(login, name, role, await hasher.hash(shown[login]), "tr")
            if role != "editor":
                known = {seat: 0 for seat in seats if seat in queues.queues}
                await people.seat(login, extension=login, skills=skills, seats=known)
        return shown
    finally:
        hasher.close()
