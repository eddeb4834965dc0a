"""Keeps an engine serving: owns the listening socket, and the processes that take calls from it.

    keeper ── nursery ──┬── worker      serves calls
                        └── draining    after a restart: calls that began there go on there

A worker that dies is followed by another one, forked at once by the nursery, which has everything
imported (`nursery.py`). Callers whose call was cut knock at once; the socket stays open for them
meanwhile, for `DOOR` seconds: then it is closed, so that the dialplan knows that there is nobody.
SIGHUP asks for a planned restart: a new nursery with the code as it is now, and a worker of it,
serve first, then the old one stops taking calls. SIGTERM ends everything once the calls in progress
are over, or `drain` seconds are.

The nursery is `santral engine --worker FD`. A worker drains on SIGTERM, or with more patience on
SIGUSR1. They die with us.
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
HEALTHY: Final = 2.0  # seconds that a worker has to live, else the next one waits a little
LONGEST_WAIT: Final = 10.0
SLACK: Final = 5.0  # seconds beyond its patience that a worker has to end
FILE: Final = "keeper.json"
COMMAND = (sys.executable, "-m", "cti.cli", "engine", "--worker")
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
    """A process that serves, as the keeper sees it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.port = 0
        self.ready_at = 0.0
        self.code: int | None = None
        self.ready = asyncio.Event()
        self.gone = asyncio.Event()

    def send(self, signal_: signal.Signals) -> None:
        if not self.gone.is_set():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal_)


class Nursery:
    """A nursery process, and the workers that it has borne."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._workers: dict[int, Worker] = {}
        self._births: list[asyncio.Future[Worker | None]] = []
        self.gone = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    async def worker(self) -> Worker | None:
        """A new one, once it is forked; None when the nursery cannot any more."""
        if self.gone.is_set():
            return None
        assert self._process.stdin is not None
        birth: asyncio.Future[Worker | None] = asyncio.get_running_loop().create_future()
        self._births.append(birth)
        self._process.stdin.write(b"serve\n")
        return await birth

    def dismiss(self) -> None:
        """Let it end when its last worker has."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def end(self) -> None:
        """End it now, and what it has borne."""
        self.dismiss()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self.gone.wait()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := (await self._process.stdout.readline()).decode().split():
            if line[0] in {"forked", "ready", "gone"}:  # another may be a print's
                self._take(line[0], [int(number) for number in line[1:]])
        await self._process.wait()
        self.gone.set()
        for worker in [*self._workers.values()]:
            self._take("gone", [worker.pid, -signal.SIGKILL])  # they die with it
        for birth in self._births:
            birth.set_result(None)

    def _take(self, news: str, numbers: Sequence[int]) -> None:
        if news == "forked":
            worker = self._workers[numbers[0]] = Worker(numbers[0])
            self._births.pop(0).set_result(worker)
        elif news == "ready":
            worker = self._workers[numbers[0]]
            worker.port, worker.ready_at = numbers[1], time.monotonic()
            worker.ready.set()
        elif news == "gone":
            worker = self._workers.pop(numbers[0])
            worker.code = numbers[1]
            worker.gone.set()


class Keeper:
    """`tell` gets a line whenever a worker has begun to serve, or has died."""

    def __init__(
        self,
        settings: Settings,
        tell: Callable[[str], None],
        command: Sequence[str] = (),
    ) -> None:
        self._settings, self._tell, self._command = settings, tell, tuple(command) or COMMAND
        self.news = News()
        self._stop, self._again = asyncio.Event(), asyncio.Event()
        self._socket: socket.socket
        self._current: Worker | None = None
        self._nursery: Nursery | None = None
        self._nurseries: list[Nursery] = []
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
            self._nursery = await self._begin()
            self._current = await self._serving(self._nursery)
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

    async def _begin(self) -> Nursery:
        number = self._socket.fileno()
        process = await asyncio.create_subprocess_exec(
            *self._command,
            str(number),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=(number,),
        )
        self._nurseries = [one for one in self._nurseries if not one.gone.is_set()]
        self._nurseries.append(Nursery(process))
        return self._nurseries[-1]

    async def _serving(self, nursery: Nursery) -> Worker | None:
        """A worker that serves; None when none can."""
        worker = await nursery.worker()
        if worker is None:
            return None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START):
                await any_of(worker.ready, worker.gone, self._stop)
        if worker.ready.is_set():
            return worker
        worker.send(signal.SIGKILL)
        await worker.gone.wait()
        self._tell(f"died worker={worker.pid}")
        return None

    def _serves(self) -> None:
        """The current worker has begun to serve."""
        if self._current is None:
            return
        self.news.worker, self.news.since = self._current.pid, time.time()
        self._note()
        self._tell(f"ready agi={self._current.port} worker={self._current.pid}")

    async def _replace(self) -> None:
        """The worker has died: another one takes up its calls."""
        assert self._current is not None
        dead, self._current = self._current, None
        self.news.crashes += 1
        self.news.worker = 0
        self._note()
        log.critical("the engine's process %d has died (exit code %s)", dead.pid, dead.code)
        self._tell(f"died worker={dead.pid}")
        lived = time.monotonic() - dead.ready_at
        door = asyncio.create_task(self._close_door())
        while not self._stop.is_set() and self._current is None:
            self._quick_ends = 0 if lived > HEALTHY else self._quick_ends + 1
            if self._quick_ends > 3:
                await self._pause(min(0.1 * 2**self._quick_ends, LONGEST_WAIT))
            if self._nursery is None or self._nursery.gone.is_set():
                self._nursery = await self._begin()
            self._current = await self._serving(self._nursery)
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
        nursery = await self._begin()
        worker = await self._serving(nursery)
        self.news.restarts += 1
        if worker is None:
            nursery.dismiss()
            self.news.failed = "the new engine did not start; the old one goes on"
            log.critical(self.news.failed)
            self._note()
            return
        self.news.failed = ""
        if self._nursery is not None:
            self._nursery.dismiss()  # it has imported the old code
        self._nursery = nursery
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
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._socket.close()
        workers = [*self._draining, *([self._current] if self._current else [])]
        for worker in workers:
            worker.send(signal.SIGTERM)
        patience = self._settings.drain + SLACK
        await asyncio.gather(*(self._see_off(worker, patience) for worker in workers))
        for nursery in self._nurseries:
            await nursery.end()
        (self._settings.state / FILE).unlink(missing_ok=True)

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
