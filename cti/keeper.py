"""Keeps an engine serving: owns the listening socket, and the process that takes calls from it.

    keeper ──┬── worker      serves calls
             ├── standby     has everything imported and waits; serves within half a second
             └── draining    after a restart: calls that began there go on there

A worker that dies is followed by the standby one. Callers whose call was cut knock at once; the
socket stays open for them meanwhile, for `DOOR` seconds: then it is closed, so that the dialplan
knows that there is nobody. SIGHUP asks for a planned restart: a new worker with the code and the
settings' files as they are now serves first, then the old one stops taking calls. SIGTERM ends
everything once the calls in progress are over, or `drain` seconds are.

A worker is `santral engine --worker FD`. It prints `standby`, waits for the line `serve` on stdin,
prints `ready agi=PORT`, and drains on SIGTERM, or with more patience on SIGUSR1. It dies with us.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from cti.settings import Settings
from ivr.errors import EngineDown

START: Final = 120.0  # seconds; the first start synthesises every prompt
DOOR: Final = 3.0  # seconds that callers may knock while nobody serves
HEALTHY: Final = 10.0  # seconds that a worker has to live, else the next one waits
LONGEST_WAIT: Final = 10.0
STANDBY_AFTER: Final = 1.0  # seconds: those whose call was cut come first
SLACK: Final = 5.0  # seconds beyond its patience that a worker has to end
FILE: Final = "keeper.json"
COMMAND: Final = (sys.executable, "-m", "cti.cli", "engine", "--worker")
log = logging.getLogger(__name__)


@dataclass(slots=True)
class News:
    """What the keeper tells in `<state>/keeper.json`, for `santral restart` and `status`."""

    pid: int = field(default_factory=os.getpid)
    worker: int = 0  # the process that serves; 0 while none does
    since: float = 0.0  # when it began to
    draining: list[int] = field(default_factory=list)
    restarts: int = 0  # planned ones that came to their end, well or not
    crashes: int = 0
    failed: str = ""  # why the last planned restart did not take place


class Worker:
    """A worker process as the keeper sees it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.pid = process.pid
        self.port = 0
        self.ready_at = 0.0
        self.standing_by = asyncio.Event()
        self.ready = asyncio.Event()
        self.gone = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := (await self.process.stdout.readline()).decode().split():
            if line[0] == "standby":
                self.standing_by.set()
            elif line[0] == "ready":
                self.port = int(line[1].removeprefix("agi="))
                self.ready_at = time.monotonic()
                self.ready.set()
        await self.process.wait()
        self.gone.set()

    def serve(self) -> None:
        """Let it take calls as soon as it can."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"serve\n")

    def send(self, signal_: signal.Signals) -> None:
        if not self.gone.is_set():
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal_)


class Keeper:
    """`tell` gets a line whenever a worker has begun to serve."""

    def __init__(
        self,
        settings: Settings,
        tell: Callable[[str], None],
        command: Sequence[str] = COMMAND,
        *,
        standby: bool = True,
    ) -> None:
        self._settings, self._tell, self._command = settings, tell, tuple(command)
        self._wants_standby = standby
        self.news = News()
        self._stop, self._again = asyncio.Event(), asyncio.Event()
        self._socket: socket.socket
        self._current: Worker | None = None
        self._standby: Worker | None = None
        self._draining: list[Worker] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._quick_ends = 0

    def stop(self) -> None:
        self._stop.set()

    def restart(self) -> None:
        self._again.set()

    async def run(self) -> None:
        """Serve until `stop`. Raises `EngineDown` when the first worker cannot, OSError when the
        port is taken."""
        self._socket = await bind(self._settings.agi_host, self._settings.agi_port)
        try:
            self._current = await self._serving(await self._begin())
            if self._current is None and not self._stop.is_set():
                raise EngineDown("the engine did not start; its log tells why")
            self._serves()
            while not self._stop.is_set():
                assert self._current is not None
                await any_of(self._stop, self._again, self._current.gone)
                if self._stop.is_set():
                    break
                if self._current.gone.is_set():
                    await self._replace()
                else:
                    self._again.clear()
                    await self._hand_over()
        finally:
            await self._end()

    async def _begin(self) -> Worker:
        number = self._socket.fileno()
        process = await asyncio.create_subprocess_exec(
            *self._command,
            str(number),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=(number,),
        )
        return Worker(process)

    async def _serving(self, worker: Worker) -> Worker | None:
        """Let it serve; None, and it is gone, when it cannot."""
        worker.serve()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START):
                await any_of(worker.ready, worker.gone, self._stop)
        if worker.ready.is_set():
            return worker
        worker.send(signal.SIGKILL)
        await worker.gone.wait()
        return None

    def _serves(self) -> None:
        """The current worker has begun to serve."""
        if self._current is None:
            return
        self.news.worker, self.news.since = self._current.pid, time.time()
        self._note()
        self._tell(f"ready agi={self._current.port} worker={self._current.pid}")
        if self._wants_standby and self._standby is None:
            self._background(self._prepare())

    async def _prepare(self) -> None:
        await asyncio.sleep(STANDBY_AFTER)
        if self._standby is None and not self._stop.is_set():
            self._standby = await self._begin()

    async def _replace(self) -> None:
        """The worker has died: another one takes up its calls."""
        assert self._current is not None
        dead, self._current = self._current, None
        self.news.crashes += 1
        self.news.worker = 0
        self._note()
        code = dead.process.returncode
        log.critical("the engine's process %d has died (exit code %s)", dead.pid, code)
        lived = time.monotonic() - dead.ready_at
        door = asyncio.create_task(self._close_door())
        while not self._stop.is_set() and self._current is None:
            self._quick_ends = 0 if lived > HEALTHY else self._quick_ends + 1
            if self._quick_ends > 2:
                await self._pause(min(0.1 * 2**self._quick_ends, LONGEST_WAIT))
            ready, self._standby = self._standby, None
            if ready is None or ready.gone.is_set():
                ready = await self._begin()
            self._current = await self._serving(ready)
            lived = 0.0
        door.cancel()
        self._serves()

    async def _close_door(self) -> None:
        """Nobody serves: whoever knocks is refused, until a worker listens again."""
        await asyncio.sleep(DOOR)
        log.error("nobody has served for %g s: callers are refused", DOOR)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    async def _hand_over(self) -> None:
        """A planned restart: the new one serves, then the old one takes no more calls."""
        log.info("a restart is asked for")
        self._dismiss_standby()  # it has imported the old code
        worker = await self._serving(await self._begin())
        self.news.restarts += 1
        if worker is None:
            self.news.failed = "the new engine did not start; the old one goes on"
            log.critical(self.news.failed)
            self._note()
            return
        self.news.failed = ""
        old, self._current = self._current, worker
        assert old is not None
        old.send(signal.SIGUSR1)
        self._draining.append(old)
        self._background(self._see_off(old, self._settings.restart_drain + SLACK))
        self._serves()

    async def _see_off(self, worker: Worker, patience: float) -> None:
        """Wait until it has ended; killed when it does not."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await worker.gone.wait()
        worker.send(signal.SIGKILL)
        await worker.gone.wait()
        if worker in self._draining:
            self._draining.remove(worker)
            self._note()

    async def _end(self) -> None:
        self._dismiss_standby()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._socket.close()
        workers = [*self._draining, *([self._current] if self._current else [])]
        for worker in workers:
            worker.send(signal.SIGTERM)
        patience = self._settings.drain + SLACK
        await asyncio.gather(*(self._see_off(worker, patience) for worker in workers))
        (self._settings.state / FILE).unlink(missing_ok=True)

    def _dismiss_standby(self) -> None:
        worker, self._standby = self._standby, None
        if worker is not None:
            worker.send(signal.SIGKILL)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)

    def _background(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _note(self) -> None:
        path = self._settings.state / FILE
        self.news.draining = [worker.pid for worker in self._draining]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            new = path.with_suffix(".new")
            new.write_text(json.dumps(asdict(self.news)) + "\n", "utf-8")
            new.replace(path)
        except OSError as error:
            log.error("%s cannot be written: %s", path.name, error.strerror)


def read_news(state: Path) -> News | None:
    """What the keeper of a state directory tells; None when none runs there."""
    try:
        news = News(**json.loads((state / FILE).read_text("utf-8")))
        os.kill(news.pid, 0)
    except PermissionError:
        pass  # it runs, as somebody else
    except (OSError, ValueError, TypeError):
        return None
    return news


async def bind(host: str, port: int, patience: float = 5.0) -> socket.socket:
    """A bound socket that does not listen yet; the first worker lets it. Waits a little for one
    that has just died to let go of the port."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
    )
    family, kind, protocol, _, address = found[0]
    until = loop.time() + patience
    while True:
        opened = socket.socket(family, kind, protocol)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(address)
            opened.setblocking(False)
            return opened
        except OSError:
            opened.close()
            if loop.time() > until:
                raise
        await asyncio.sleep(0.05)


async def any_of(*events: asyncio.Event) -> None:
    """Return when one of them is set."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
