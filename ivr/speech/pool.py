"""A pool of recogniser workers: warm, watched, replaced when one crashes or hangs.

A worker is a process started anew (`exec`, never a bare fork), so that it inherits no socket: an
inherited one would keep Asterisk's channels open after we close them. Every question is one `Job`
on one worker; a broken worker fails the jobs it had and no others.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Sequence
from typing import Protocol

from ivr.call import Guess
from ivr.errors import RecogniserFailed
from ivr.speech import wire
from ivr.speech.engines import SpeechSettings
from ivr.speech.recogniser import Final
from ivr.speech.wire import Kind, Message

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "ivr.speech.worker")
START = 120.0  # seconds; a large model is gigabytes
PING_EVERY = 1.0
PONG_WITHIN = 5.0
BACKLOG = 4 * 1024 * 1024  # bytes a worker may be behind before it counts as hung
LONGEST_WAIT = 5.0  # between two starts of a worker that keeps dying
_HEALTHY = 10.0  # seconds after which a worker's death is not held against the next


class Ear(Protocol):
    """Who asked the question; called on the event loop."""

    def words(self) -> None:
        """The engine understood something new."""

    def paused(self) -> None:
        """The engine heard the speaker pause."""

    def final(self, result: Final) -> None: ...

    def failed(self, why: str) -> None: ...


class Job:
    """One question on one worker. After `final`, `failed` or `cancel` it is over."""

    def __init__(self, number: int, worker: _Worker, ear: Ear, final: float) -> None:
        self.ear = ear
        self._number = number
        self._worker = worker
        self._final = final
        self._deadline: asyncio.TimerHandle | None = None

    def feed(self, audio: bytes) -> None:
        self._worker.send(self._number, Kind.AUDIO, audio)

    def finish(self) -> None:
        """No more audio comes; the result is due within the deadline."""
        self._worker.send(self._number, Kind.FINISH)
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._final, self._worker.kill, "no result in time")

    def cancel(self) -> None:
        self._worker.send(self._number, Kind.CANCEL)
        self._worker.forget(self._number)
        self.over()

    def over(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()


class Pool:
    """`settings.workers` processes. `start` returns when the first is ready for questions."""

    def __init__(self, settings: SpeechSettings, command: Sequence[str] = COMMAND) -> None:
        self._settings = settings
        self._command = tuple(command)
        self._workers: list[_Worker] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._first = asyncio.Event()
        self._numbers = 0
        self.restarts = 0

    @property
    def ready(self) -> int:
        return len(self._workers)

    def languages(self) -> dict[str, str]:
        """What can be heard now, and with which engine."""
        return self._workers[0].languages if self._workers else {}

    def pids(self) -> list[int]:
        return [worker.pid for worker in self._workers]

    async def start(self, timeout: float = START) -> None:
        """Raises `RecogniserFailed` when no worker is ready in time."""
        for number in range(self._settings.workers):
            self._keepers.append(asyncio.create_task(self._keep(number)))
        try:
            async with asyncio.timeout(timeout):
                await self._first.wait()
        except TimeoutError as error:
            await self.stop()
            raise RecogniserFailed("no recogniser worker was ready in time") from error

    async def stop(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        self._keepers.clear()

    def begin(self, language: str, phrases: Sequence[str], ear: Ear) -> Job:
        """A new question on the least busy worker. Raises `RecogniserFailed`."""
        able = [worker for worker in self._workers if language in worker.languages]
        if not able:
            what = f"no engine for the language {language!r}" if self._workers else "no worker"
            raise RecogniserFailed(f"{what} is ready")
        worker = min(able, key=lambda one: len(one.jobs))
        self._numbers = self._numbers % 0xFFFF_FFFF + 1
        job = Job(self._numbers, worker, ear, self._settings.final)
        worker.jobs[self._numbers] = job
        worker.send(self._numbers, Kind.BEGIN, {"language": language, "phrases": list(phrases)})
        return job

    async def _keep(self, number: int) -> None:
        """Keep one worker alive: start it, serve it, replace it."""
        loop = asyncio.get_running_loop()
        wait = 0.0
        while True:
            began = loop.time()
            try:
                await self._run_one()
            except (OSError, RecogniserFailed, ValueError) as error:
                log.error("recogniser worker %d: %s", number, error)
            wait = 0.0 if loop.time() - began > _HEALTHY else min(LONGEST_WAIT, wait * 2 + 0.1)
            self.restarts += 1
            await asyncio.sleep(wait)

    async def _run_one(self) -> None:
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 20,
        )
        worker = _Worker(process)
        try:
            await worker.meet(self._settings)
            self._workers.append(worker)
            self._first.set()
            await worker.serve()
        finally:
            if worker in self._workers:
                self._workers.remove(worker)
            await worker.end()


class _Worker:
    """Our side of one worker process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.jobs: dict[int, Job] = {}
        self.languages: dict[str, str] = {}
        self.pid = process.pid
        self._process = process
        self._in = process.stdin
        self._out = process.stdout
        self._pong = asyncio.get_running_loop().time()

    async def meet(self, settings: SpeechSettings) -> None:
        """Hand over the settings and wait until it is warm."""
        self._in.write(json.dumps(settings.to_dict()).encode() + b"\n")
        async with asyncio.timeout(START):
            first = await wire.read(self._out)
        if first is None or first.kind is not Kind.READY:
            raise RecogniserFailed("it ended before it was ready")
        self.languages = first.data["languages"]
        if not self.languages:
            raise RecogniserFailed("it has no engine that can be used; see the errors above")

    async def serve(self) -> None:
        """Take its messages until it ends or hangs."""
        self._pong = asyncio.get_running_loop().time()
        pinging = asyncio.create_task(self._ping())
        try:
            while (message := await wire.read(self._out)) is not None:
                self._take(message)
        finally:
            pinging.cancel()
        raise RecogniserFailed(f"process {self.pid} ended")

    async def end(self) -> None:
        """See to it that the process is gone; its questions fail."""
        self.kill("")
        await self._process.wait()
        jobs, self.jobs = self.jobs, {}
        for job in jobs.values():
            job.over()
            job.ear.failed("the recogniser was lost")

    def send(self, number: int, kind: Kind, body: bytes | dict[str, object] = b"") -> None:
        if self._in.transport.is_closing() or (number not in self.jobs and number):
            return
        self._in.write(wire.pack(number, kind, body))
        if self._in.transport.get_write_buffer_size() > BACKLOG:
            self.kill("it does not read")

    def forget(self, number: int) -> None:
        self.jobs.pop(number, None)

    def kill(self, why: str) -> None:
        if self._process.returncode is None:
            if why:
                log.error("recogniser worker %d is ended: %s", self.pid, why)
            try:
                self._process.kill()
            except ProcessLookupError:
                pass

    async def _ping(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self.send(0, Kind.PING)
            await asyncio.sleep(PING_EVERY)
            if loop.time() - self._pong > PONG_WITHIN:
                self.kill("it hangs")

    def _take(self, message: Message) -> None:
        if message.kind is Kind.PONG:
            self._pong = asyncio.get_running_loop().time()
            return
        job = self.jobs.get(message.question)
        if job is None:
            return
        match message.kind:
            case Kind.WORDS:
                job.ear.words()
            case Kind.PAUSED:
                job.ear.paused()
            case Kind.FINAL:
                self._over(message.question, job)
                guesses = (Guess(text, share) for text, share in message.data["guesses"])
                job.ear.final(Final(tuple(guesses)))
            case Kind.FAILED:
                self._over(message.question, job)
                job.ear.failed(message.data["message"])

    def _over(self, number: int, job: Job) -> None:
        self.forget(number)
        job.over()
