"""The engine as a child process of a local run: started, waited for until it serves, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from cti.asterisk import child
from cti.settings import CHECKOUT
from ivr.errors import EngineDown

READY: Final = re.compile(rb"ready agi=(\d+) worker=(\d+)")
START_TIMEOUT: Final = 150.0  # seconds; the first start synthesises every prompt
DIED: Final = re.compile(rb"died worker=(\d+)")
STOP_TIMEOUT: Final = 40.0


class EngineProcess:
    """`santral engine` with the given environment, for the length of an `async with`.

    It dies with us. Its log goes to `log`; `port` is where it takes calls once it is ready. Its
    keeper may replace the process that serves: `pid` is the one that does now, and `returns` are
    the times (`time.monotonic()`) at which one began to; `deaths` are those that died, and when.
    """

    def __init__(self, environment: Mapping[str, str], log: Path, module: str = "cti.cli") -> None:
        self._environment = environment
        self._log = log
        self._module = module
        self._process: asyncio.subprocess.Process | None = None
        self._follower: asyncio.Task[None] | None = None
        self._change = asyncio.Condition()
        self.port = 0
        self.pid = 0
        self.returns: list[float] = []
        self.deaths: list[tuple[int, float]] = []

    @property
    def keeper_pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start and return when it serves calls. `EngineDown` tells the end of its log."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", child.__file__, str(os.getpid())),
                *(sys.executable, "-m", self._module, "engine"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(CHECKOUT), **self._environment},
            )
        before = len(self.returns)
        self._follower = asyncio.create_task(self._follow(self._process))
        try:
            await self.returned(before + 1, START_TIMEOUT)
        except TimeoutError:
            await self.kill()
        if len(self.returns) == before:
            raise EngineDown(f"the engine did not start:\n{self._end_of_log()}")

    async def returned(self, times: int, timeout: float) -> None:
        """Return when one has begun to serve so many times, or it has ended. `TimeoutError`."""
        async with asyncio.timeout(timeout), self._change:
            await self._change.wait_for(
                lambda: len(self.returns) >= times or self._follower is None
            )

    async def wait(self) -> int:
        """Return its exit code when it has ended by itself."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> None:
        """Let calls in progress finish, then end; killed when it does not."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await self._process.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """`kill -9` of everything it consists of, and wait until it is gone."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        if self._process is not None:
            await self._process.wait()

    def kill_worker(self) -> None:
        """`kill -9` of the process that serves; its keeper lets another one take over."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    async def _follow(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            match = READY.match(line)
            if match is not None:
                async with self._change:
                    self.returns.append(time.monotonic())
                    self.port, self.pid = int(match[1]), int(match[2])
                    self._change.notify_all()
            elif match := DIED.match(line):
                self.deaths.append((int(match[1]), time.monotonic()))
        async with self._change:
            if process is self._process:
                self._follower = None
            self._change.notify_all()

    def _end_of_log(self) -> str:
        lines = self._log.read_text("utf-8", "replace").splitlines()
        return "\n".join(lines[-15:])
