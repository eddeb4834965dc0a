"""Run a short-lived program with a deadline and give back what it said."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended. `output` is what it wrote, errors included."""

    code: int
    output: str

    @property
    def reason(self) -> str:
        """The line most likely to say what went wrong: apt's first error, else the last line."""
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith(("E:", "dpkg-deb: error"))]
        return (errors[:1] or lines[-1:] or [f"exit code {self.code}"])[0]


async def run(
    program: Sequence[str],
    *,
    timeout: float,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Finished:
    """Run to the end; `TimeoutError` after `timeout` seconds, with the program killed.

    `environment` is added to ours. A program that does not exist gives code 127, as in a shell.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *program,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=directory,
            env={**os.environ, **(environment or {}), "LC_ALL": "C.UTF-8"},
        )
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        return Finished(127, str(error))
    try:
        async with asyncio.timeout(timeout):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Finished(process.returncode, output.decode(errors="replace"))
