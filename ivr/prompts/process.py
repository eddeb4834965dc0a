"""One run of a speech program: no shell, a deadline, and nothing left behind when it is over."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence

from ivr.errors import PromptUnavailable

_TOLD = 300  # characters of a program's complaint that are passed on


async def run_program(
    command: Sequence[str], text: str | None, environment: Mapping[str, str]
) -> None:
    """Run to the end, with `text` on its standard input.

    Cancelled (by a deadline, say) it kills the program and its children, and waits for the end.
    Raises PromptUnavailable when it cannot be started or fails; a complaint that repeats the text
    is not passed on.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL if text is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise PromptUnavailable(f"{command[0]} cannot be started: {error}") from error
    try:
        _, said = await process.communicate(None if text is None else text.encode())
    except BaseException:
        kill_group(process.pid)  # its children too, which may outlive it
        await process.wait()
        raise
    if process.returncode:
        complaint = said.decode(errors="replace").strip()[-_TOLD:]
        told = f": {complaint}" if complaint and text and text not in complaint else ""
        raise PromptUnavailable(f"{command[0]} failed with code {process.returncode}{told}")


def kill_group(pid: int) -> None:
    """Kill a process that leads its own session, and whatever it started."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
