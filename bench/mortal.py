"""An engine that kills itself with SIGKILL at a place that its plan names; for `bench.crash`.

    python -m bench.mortal engine             the keeper, whose workers are mortal

The next worker that begins to serve takes the plan in `<state>/mortal/next`, one line, for its own:

    main:before:1        before the first time that any caller's step `main` runs
    main:during:1        0.6 s after that: its prompt is being played
    insert:after:3       after the third batch has gone into the database
    write:during:2       in the middle of the second write to the spool: its line is torn
    migration:after:4    after the fourth statement of a migration that it finds due

and writes down in `<state>/mortal/died` that it died by it. Migrations are made up for the purpose,
as the schema has to be the newest for everything else to work.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import itertools
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

from cti.journal.drain import Drain
from cti.journal.spool import Files, Lock, Spool
from cti.journal.tables import JournalTables
from cti.settings import Settings

# Where the journal waits or changes something that outlives it.
STAGES: Final[dict[str, tuple[type, str]]] = {
    "append": (Spool, "append"),
    "next_segment": (Spool, "_next_segment"),
    "sync": (Spool, "sync"),
    "prune": (Spool, "prune"),
    "read": (Files, "read"),
    "lines_of": (Files, "lines_of"),
    "remove": (Files, "remove"),
    "mark": (Lock, "mark"),
    "insert": (JournalTables, "insert"),
    "insert_events": (JournalTables, "_insert_events"),
    "apply": (JournalTables, "_apply"),
    "history": (JournalTables, "history"),
    "own": (Drain, "own"),
    "orphan": (Drain, "_orphan"),
}
DURING: Final = 0.6  # seconds into a step
# Seconds without death, so that calls get on: callers are told of the interruption for three.
CALM: Final = 3.5
AT_THE_START: Final = frozenset({"migration", "orphan", "history", "lines_of", "read", "remove"})
REVISION: Final = '''"""A migration that the kill campaign made up."""

from alembic import op

revision = "{name}"
down_revision = "{before}"
branch_labels = depends_on = None


def upgrade():
    for number in range(3):
        op.execute(f"CREATE TABLE {name}_{{number}} (id INTEGER PRIMARY KEY, name TEXT)")
        op.execute(f"INSERT INTO {name}_{{number}} VALUES (1, 'one')")


def downgrade():
    for number in range(3):
        op.drop_table(f"{name}_{{number}}")
'''


class Death:
    """This process's end, as its plan has it."""

    def __init__(self, state: Path) -> None:
        self.folder = state / "mortal"
        self.plan = ""
        with contextlib.suppress(FileNotFoundError):
            taken = self.folder / f"taken.{os.getpid()}"
            (self.folder / "next").rename(taken)
            self.plan = taken.read_text().strip()
        self.place, self.when, number = (self.plan or "::0").split(":")
        self._number, self._count = int(number), itertools.count(1)
        early = self.place in AT_THE_START
        self._after = time.monotonic() + (0.0 if early else CALM)

    def due(self, place: str, when: str) -> bool:
        """Whether it is time to die here. Counts the times that we were here."""
        if (place, when) != (self.place, self.when) or time.monotonic() < self._after:
            return False
        return next(self._count) == self._number

    def come(self) -> None:
        file = os.open(self.folder / "died", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, f"{os.getpid()} {self.plan}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)

    def at(self, place: str, when: str) -> None:
        if self.due(place, when):
            self.come()

    def around(self, place: str, done: Callable[..., Any]) -> Callable[..., Any]:
        """`done` with death before and after it."""

        @functools.wraps(done)
        async def waits(*args: Any, **options: Any) -> Any:
            self.at(place, "before")
            result = await done(*args, **options)
            self.at(place, "after")
            return result

        @functools.wraps(done)
        def returns(*args: Any, **options: Any) -> Any:
            self.at(place, "before")
            result = done(*args, **options)
            self.at(place, "after")
            return result

        return waits if inspect.iscoroutinefunction(done) else returns


def arm(death: Death) -> None:
    """Put death where the plan may want it: the journal, its writes, effects and steps."""
    for place, (owner, name) in STAGES.items():
        setattr(owner, name, death.around(place, inspect.getattr_static(owner, name)))
    _arm_writes(death)
    _arm_steps(death)
    _arm_effects(death)
    _arm_migrations(death)
    _write_down_keys(death)


def _write_down_keys(death: Death) -> None:
    """`mortal/keys`: what the witness and AGI tell of each key, for whoever looks for the reason
    of a wrong answer. Real engines write no keys down."""
    from ivr.agi.pressed import Pressed

    file = os.open(death.folder / "keys", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def told(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(plain)
        def telling(pressed: Any, *args: Any) -> Any:
            result = plain(pressed, *args)
            line = f"{time.time():.3f} {os.getpid()} {id(pressed):x} {name}{args} {result or ''}\n"
            os.write(file, line.encode())
            return result

        return telling

    for name in ("began", "ended", "again", "heard", "lost", "forget"):
        setattr(Pressed, name, told(name, getattr(Pressed, name)))


def _arm_writes(death: Death) -> None:
    write = os.write

    def most_of_it(file: int, data: bytes) -> int:
        if b"\t" in data and death.due("write", "during"):
            write(file, data[:-5])
            death.come()
        return write(file, data)

    os.write = most_of_it


def _arm_steps(death: Death) -> None:
    from ivr.steps import STEPS

    def mortal(run: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(run)
        async def runs(step: Any, talk: Any) -> Any:
            name = talk.frame.step
            death.at(name, "before")
            if death.due(name, "during"):
                asyncio.get_running_loop().call_later(DURING, death.come)
            outcome = await run(step, talk)
            death.at(name, "after")
            return outcome

        return runs

    for kind in STEPS:
        kind.run = mortal(kind.run)  # type: ignore[method-assign]


def _arm_effects(death: Death) -> None:
    from cti.services.http import JsonHttp
    from cti.services.notifier import OutboxNotifier
    from cti.services.updates import DatabaseUpdates

    for place, owner, name in (
        ("update", DatabaseUpdates, "write"),
        ("http", JsonHttp, "send"),
        ("notify", OutboxNotifier, "notify"),
    ):
        setattr(owner, name, death.around(place, inspect.getattr_static(owner, name)))


def _arm_migrations(death: Death) -> None:
    from sqlalchemy import event

    from cti.db import attach

    upgrade = attach.upgrade

    async def dying(engine: Any, *rest: Any) -> None:
        @event.listens_for(engine.sync_engine, "after_cursor_execute")
        def after(*_: Any) -> None:
            death.at("migration", "after")

        await upgrade(engine, *rest)
        event.remove(engine.sync_engine, "after_cursor_execute", after)

    attach.upgrade = dying


def with_made_up_migrations(folder: Path) -> None:
    """Let Alembic find those in `folder` as well, and whoever asks whether there are any."""
    from cti.db import migrate

    folder.mkdir(parents=True, exist_ok=True)
    plain = migrate.configuration

    def configuration() -> Any:
        config = plain()
        config.set_main_option("path_separator", "space")
        config.set_main_option("version_locations", f"{migrate.SCRIPTS / 'versions'} {folder}")
        return config

    migrate.configuration = configuration
    migrate.newest = functools.partial(migrate.newest, folder)


def make_up_migration(folder: Path) -> None:
    """A new one for the worker to find."""
    from cti.db import migrate

    before = migrate.revisions()[-1]
    name = f"bench_{len(list(folder.glob('bench_*.py'))) + 1}"
    new = folder / f"{name}.new"
    new.write_text(REVISION.format(name=name, before=before), "utf-8")
    new.rename(folder / f"{name}.py")


def _work() -> None:
    """Everything is patched when a worker begins to serve: by then it has a plan."""
    from cti import cli, main

    # Small, so that every place is come by often.
    Spool.__init__.__kwdefaults__["segment_bytes"] = 20_000  # type: ignore[index]
    plain = main.running

    @contextlib.asynccontextmanager
    async def running(settings: Settings, sock: socket.socket | None = None) -> AsyncIterator[Any]:
        folder = settings.state / "mortal" / "migrations"
        with_made_up_migrations(folder)
        death = Death(settings.state)
        if death.place == "migration":
            make_up_migration(folder)
        arm(death)
        async with plain(settings, sock) as engine:
            yield engine

    main.running = running
    sys.exit(cli.main(["engine", "--worker", sys.argv[2]]))


def main() -> None:
    if sys.argv[1] == "--worker":
        _work()
    from cti import cli, keeper

    keeper.COMMAND = (sys.executable, "-m", "bench.mortal", "--worker")
    sys.exit(cli.main(["engine"]))


if __name__ == "__main__":
    main()
