"""What breaks in a soak, and how: each fault is done to the running thing from outside."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import psutil

from cti.demo import Demo
from ivr.errors import SantralError

ROOM: Final = "net.ipv4.tcp_wmem=4096 1048576 4194304"  # as docs/operations.md has it
CLONE_NEWNET: Final = 0x40000000  # linux/sched.h
LOCKED: Final = 5.0  # seconds
FROZEN: Final = 3.0
AWAY: Final = 3.0  # that the network is
KILL_AT: Final = 5  # the first engine is killed at this fault, so that the next can live for long


def own_network() -> bool:
    """Go into a network of our own, which can be taken away without harm to anybody else: for root
    on Linux; False where that cannot be. Call it before there are threads."""
    if not sys.platform.startswith("linux") or os.geteuid():
        return False
    if shutil.which("ip") is None or shutil.which("tc") is None:
        return False
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        return False
    return _done("ip", "link", "set", "lo", "up") and _done("sysctl", "-qw", ROOM)


def _network(away: bool) -> bool:
    """Every packet is dropped, as behind a cable that is pulled: a queue with room for none. (The
    device taken down would be another fault: its sockets tell errors; see docs/asterisk.md.)"""
    queue = ("pfifo", "limit", "0") if away else ()
    return _done("tc", "qdisc", "add" if away else "del", "dev", "lo", "root", *queue)


def _done(*command: str) -> bool:
    return not subprocess.run(command, check=False, timeout=10).returncode


def serving(demo: Demo) -> psutil.Process:
    """The process that serves now."""
    return psutil.Process(demo.engine.pid)


@dataclass(slots=True)
class Faults:
    """One after the other, every so many seconds; what was done is counted when it was done."""

    demo: Demo
    every: float
    kill_every: int
    network: bool
    done: dict[str, int] = field(default_factory=dict)
    at: list[tuple[float, str]] = field(default_factory=list)  # seconds from the start, and what

    async def run(self, seconds: float) -> None:
        faults: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            ("recogniser killed", self._kill_recogniser), ("database locked", self._lock_database),
            ("Manager cut", self._cut_manager), ("engine stands still", self._freeze_engine),
        ]  # fmt: skip
        if self.network:
            faults.insert(2, ("network away", self._take_network))
        kill: tuple[str, Callable[[], Awaitable[None]]] = "engine killed", self._kill_engine
        began, number, turn = time.monotonic(), 0, 0
        while (number + 1) * self.every < seconds:
            number += 1
            await asyncio.sleep(max(0.0, began + number * self.every - time.monotonic()))
            if number % self.kill_every == KILL_AT % self.kill_every:
                name, fault = kill
            else:
                name, fault = faults[turn % len(faults)]
                turn += 1
            await self._do(name, fault, began)

    async def _do(self, name: str, fault: Callable[[], Awaitable[None]], began: float) -> None:
        try:
            await fault()
        except (psutil.Error, OSError, sqlite3.Error, SantralError) as error:
            name = f"{name}: could not be done ({type(error).__name__})"
        self.done[name] = self.done.get(name, 0) + 1
        self.at.append((round(time.monotonic() - began, 1), name))

    async def _kill_engine(self) -> None:
        serving(self.demo).kill()

    async def _freeze_engine(self) -> None:
        engine = serving(self.demo)
        engine.suspend()
        try:
            await asyncio.sleep(FROZEN)
        finally:
            engine.resume()

    async def _kill_recogniser(self) -> None:
        for child in serving(self.demo).children(recursive=True):
            if "listener" in " ".join(child.cmdline()):
                child.send_signal(signal.SIGKILL)
                return
        raise psutil.NoSuchProcess(0, "listener")

    async def _lock_database(self) -> None:
        path = self.demo.settings.journal_database.partition("///")[2]
        with contextlib.closing(sqlite3.connect(path, timeout=2, isolation_level=None)) as file:
            file.execute("begin immediate")
            await asyncio.sleep(LOCKED)
            file.execute("rollback")

    async def _cut_manager(self) -> None:
        await self.demo.asterisk.command("module reload manager")

    async def _take_network(self) -> None:
        """Nothing gets through between callers, Asterisk, engine, recogniser and desks."""
        if not await asyncio.to_thread(_network, True):
            raise OSError("the network cannot be taken away")
        try:
            await asyncio.sleep(AWAY)
        finally:
            await asyncio.to_thread(_network, False)


def kinds_missing(done: Sequence[str], *, network: bool) -> list[str]:
    """The faults that were never done."""
    wanted = ["recogniser killed", "database locked", "Manager cut", "engine killed"]
    return [name for name in [*wanted, *(["network away"] * network)] if name not in done]
