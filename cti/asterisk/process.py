"""One running Asterisk: started as our child, booted, asked, reloaded and stopped."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
import tempfile
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from cti.asterisk import child
from cti.asterisk.commands import run
from cti.asterisk.install import Installation
from cti.asterisk.instance import fits_socket, make_directories, write_instance
from cti.asterisk.locking import locked
from cti.asterisk.settings import InstanceSettings
from ivr.errors import AsteriskDown

BOOT_TIMEOUT = 30.0
# An Asterisk whose parent was killed needs a moment to go, and holds its directory until then.
LOCK_TIMEOUT = 5.0
COMMAND_TIMEOUT = 10.0
# Asterisk hangs up every call before it ends, and waits up to 15 s for that (main/asterisk.c).
STOP_TIMEOUT = 20.0
POLL = 0.02
_REFUSED = re.compile(r"\] ERROR\[.*(Unable to bind|could not be started)")


class Asterisk:
    """An Asterisk for the length of an `async with`; it dies with our process in any case.

    ```python
    async with Asterisk(await find_asterisk(state), InstanceSettings.fresh(directory)) as asterisk:
        print(await asterisk.command("core show channels count"))
    ```
    Entering raises `AsteriskDown`, with the end of its log, when it does not boot.
    """

    def __init__(self, installation: Installation, settings: InstanceSettings) -> None:
        self.installation = installation
        self.settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._configuration = settings.etc / "asterisk.conf"
        self._run = settings.directory / "run"
        self._resources = AsyncExitStack()
        self._log_before = 0

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def pid(self) -> int:
        """The process id; `AsteriskDown` when it was not started."""
        if self._process is None:
            raise AsteriskDown
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Write the configuration, start, and wait until every module is loaded.

        Raises `AsteriskDown`, and `BadInput` when another run uses the directory.
        """
        if self.running:
            return
        make_directories(self.settings)
        lock = await self._resources.enter_async_context(
            locked(self.settings.directory / "lock", LOCK_TIMEOUT)
        )
        self._choose_run()
        self._configuration = await asyncio.to_thread(
            write_instance, self.installation, self.settings, run=self._run
        )
        self._log_before = self._log_size()
        self._process = await self._spawn(lock)
        try:
            async with asyncio.timeout(BOOT_TIMEOUT):
                await self._booted()
        except TimeoutError:
            raise AsteriskDown(self._why(f"did not boot in {BOOT_TIMEOUT:.0f} s")) from None
        if refused := self._refused_ports():
            raise AsteriskDown("Asterisk could not take its ports:\n  " + "\n  ".join(refused))

    async def command(self, text: str, *, timeout: float = COMMAND_TIMEOUT) -> str:
        """Run one command of Asterisk's console (`asterisk -rx`) and give back what it printed.

        Raises `AsteriskDown` when it is not running, or says nothing within `timeout` seconds.
        """
        program = (*self.installation.program, "-C", str(self._configuration), "-rx", text)
        try:
            done = await run(program, timeout=timeout)
        except TimeoutError:
            raise AsteriskDown(f"Asterisk did not answer {text!r} in {timeout:g} s.") from None
        if done.code:
            raise AsteriskDown(f"Asterisk is not running: {done.reason}")
        return done.output

    async def reload(self, settings: InstanceSettings | None = None) -> None:
        """Read the configuration again, written anew from `settings` when given.

        Calls go on. Ports, directories and secrets of a running instance stay what they are.
        """
        if settings is not None:
            self.settings = settings
            await asyncio.to_thread(write_instance, self.installation, settings, run=self._run)
        await self.command("core reload", timeout=BOOT_TIMEOUT)

    async def stop(self) -> None:
        """Hang up what is left, end, and wait for the exit; kill it when it does not end."""
        process, self._process = self._process, None
        try:
            if process is not None and process.returncode is None:
                process.send_signal(signal.SIGTERM)
                with suppress(TimeoutError):
                    async with asyncio.timeout(STOP_TIMEOUT):
                        await process.wait()
        finally:
            if process is not None and process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
            await self._resources.aclose()

    async def wait(self) -> int:
        """Return its exit code when it has ended by itself."""
        if self._process is None:
            raise AsteriskDown
        return await self._process.wait()

    def _choose_run(self) -> None:
        """Where the control socket goes: beside the rest, or somewhere with a short name."""
        self._run = self.settings.directory / "run"
        if not fits_socket(self._run):
            self._run = Path(tempfile.mkdtemp(prefix="santral-"))
            self._resources.callback(shutil.rmtree, self._run, ignore_errors=True)
            link = self.settings.control
            link.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(self._run / "asterisk.ctl")
        (self._run / "asterisk.ctl").unlink(missing_ok=True)

    async def _spawn(self, lock: int) -> asyncio.subprocess.Process:
        """Start it in a session of its own: Ctrl-C at our terminal is ours to answer, not its."""
        output = os.open(self._console, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", child.__file__, str(os.getpid())),
                *(*self.installation.program, "-C", str(self._configuration), "-f"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=(lock,),
                cwd=self.settings.directory,
            )
        finally:
            os.close(output)

    @property
    def _console(self) -> Path:
        return self.settings.directory / "log" / "console.log"

    async def _booted(self) -> None:
        """Wait for the control socket, then for the end of the boot, or for its death."""
        while not (self._run / "asterisk.ctl").exists():
            self._check_alive()
            await asyncio.sleep(POLL)
        while True:
            try:
                await self.command("core waitfullybooted", timeout=BOOT_TIMEOUT)
                return
            except AsteriskDown:
                # The socket's file is there a moment before it listens.
                self._check_alive()
                await asyncio.sleep(POLL)

    def _check_alive(self) -> None:
        if self._process is None or self._process.returncode is not None:
            code = None if self._process is None else self._process.returncode
            raise AsteriskDown(self._why(f"ended with code {code} before it had booted"))

    def _log_size(self) -> int:
        return self.settings.log.stat().st_size if self.settings.log.exists() else 0

    def _refused_ports(self) -> list[str]:
        """The errors of this boot that say a port was taken: Asterisk itself goes on without it."""
        if not self.settings.log.exists():
            return []
        with self.settings.log.open("rb") as file:
            file.seek(self._log_before)
            lines = file.read().decode(errors="replace").splitlines()
        return [line for line in lines if _REFUSED.search(line)]

    def _why(self, what: str) -> str:
        """What happened, with the last lines of its logs."""
        lines: list[str] = []
        for path in (self._console, self.settings.log):
            if path.is_file():
                lines += path.read_text(errors="replace").splitlines()[-10:]
        return f"Asterisk {what}. " + ("\n  ".join(["Its log:", *lines]) if lines else "No log.")
