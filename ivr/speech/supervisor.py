"""Keeps the speech listener running as a process of its own, beside the engine.

    async with SpeechProcess(settings) as speech:
        speech.ready  # questions may be spoken to

A listener that dies is started again, after a wait that doubles up to `LONGEST_WAIT`; one that
says nothing for `SILENCE` seconds hangs and is killed first. What it was connected to is ended in
order (`holding.py`). When this process dies, the kernel tells the listener to end, and that one's
end ends its workers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

from ivr.errors import RecogniserFailed
from ivr.speech.engines import SpeechSettings
from ivr.speech.holding import Holder

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "ivr.speech.listener")
SILENCE = 3.0  # seconds without a sign of life before it counts as hanging
START = 150.0  # seconds to the first sign of life: large models are loaded before it
LONGEST_WAIT = 10.0
SECOND_LOOK = 0.2  # seconds, after that silence
_STOP = 5.0
_HEALTHY = 30.0


class SpeechProcess:
    """The listener process as the engine sees it. Async context; never raises from inside."""

    def __init__(
        self,
        settings: SpeechSettings,
        command: Sequence[str] = COMMAND,
        *,
        silence: float = SILENCE,
    ) -> None:
        self.settings = settings
        self.restarts = 0
        self.news: dict[str, Any] = {}
        self._command = tuple(command)
        self._silence = silence
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def alive(self) -> bool:
        """Its process runs."""
        return self._process is not None and self._process.returncode is None

    @property
    def ready(self) -> bool:
        """It listens, and at least one recogniser is warm."""
        return self.alive and bool(self.news.get("ready")) and self.news.get("workers", 0) > 0

    @property
    def port(self) -> int:
        """Where it listens; 0 while it does not."""
        return int(self.news.get("port", 0)) if self.ready else 0

    @property
    def pid(self) -> int:
        """Its process id; 0 when there is none."""
        return self._process.pid if self._process is not None and self.alive else 0

    def languages(self) -> dict[str, str]:
        """The languages that can be heard now, and with which engine."""
        return dict(self.news.get("languages", {})) if self.ready else {}

    async def __aenter__(self) -> SpeechProcess:
        self._keeper = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        await asyncio.gather(*self._ending)

    async def wait_ready(self, timeout: float, *, restarts: int = 0) -> None:
        """Return once it is ready, having been restarted so often. Raises `RecogniserFailed`."""
        try:
            async with asyncio.timeout(timeout), self._changed:
                await self._changed.wait_for(lambda: self.ready and self.restarts >= restarts)
        except TimeoutError as error:
            raise RecogniserFailed(f"speech was not ready within {timeout:g} s") from error

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        wait = 0.0
        while True:
            began = loop.time()
            try:
                async with self._running() as process:
                    await self._follow(process)
            except OSError as error:
                log.error("the speech listener cannot be started: %s", error)
            wait = 0.1 if loop.time() - began > _HEALTHY else min(LONGEST_WAIT, wait * 2 + 0.1)
            self.restarts += 1
            log.error("the speech listener ended; it is started again in %.1f s", wait)
            await asyncio.sleep(wait)

    @contextlib.asynccontextmanager
    async def _running(self) -> AsyncIterator[asyncio.subprocess.Process]:
        holder, pipe = Holder(), asyncio.subprocess.PIPE
        handle = holder.theirs.fileno()
        try:
            process = await asyncio.create_subprocess_exec(
                *(*self._command, str(handle)), stdin=pipe, stdout=pipe, pass_fds=(handle,)
            )
        except BaseException:
            await holder.let_go()
            raise
        finally:
            holder.theirs.close()
        self._process = process
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps(self.settings.to_dict()).encode() + b"\n")
            yield process
        finally:
            await self._tell({})
            await _stop(process)
            self._process = None
            ending = asyncio.create_task(holder.let_go())  # the next one need not wait for it
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    async def _follow(self, process: asyncio.subprocess.Process) -> None:
        """Read its signs of life until it ends or gives none."""
        assert process.stdout is not None
        patience = START
        while True:
            try:
                line = await self._sign_of_life(process.stdout, patience)
            except TimeoutError:
                log.error("the speech listener hangs")
                process.kill()
                return
            if not line:
                return
            await self._tell(json.loads(line))
            patience = self._silence

    async def _sign_of_life(self, said: asyncio.StreamReader, patience: float) -> bytes:
        """Its next line. Raises TimeoutError; but when it was we who stood still, what it said
        meanwhile is there to be read."""
        reading = asyncio.ensure_future(said.readline())
        done, _ = await asyncio.wait((reading,), timeout=patience)
        if not done:
            done, _ = await asyncio.wait((reading,), timeout=SECOND_LOOK)
        if not done:
            reading.cancel()
            raise TimeoutError
        return reading.result()

    async def _tell(self, news: dict[str, Any]) -> None:
        async with self._changed:
            self.news = news
            self._changed.notify_all()


async def _stop(process: asyncio.subprocess.Process) -> None:
    """End it: by the end of its stdin, or, where that does not help, by force."""
    if process.returncode is not None:
        return
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(_STOP):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
