"""Gives the queues to a running Asterisk: two files, then `QueueReload`."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cti.ami import actions
from cti.ami.bridge import Bridge
from cti.queues.model import Queues
from cti.queues.rendering import render, render_rules
from ivr.errors import ActionRefused


@dataclass(frozen=True, slots=True)
class Files:
    """The files in Asterisk's configuration directory; queues.conf and queuerules.conf include
    them.
    """

    directory: Path

    @property
    def queues(self) -> Path:
        return self.directory / "santral-queues.conf"

    @property
    def rules(self) -> Path:
        return self.directory / "santral-queuerules.conf"

    def write(self, queues: Queues, logins: Iterable[str] = ()) -> bool:
        """Write both; False when they say that already. Each is replaced in one step."""
        texts = {self.queues: render(queues, logins), self.rules: render_rules(queues)}
        changed = [path for path, text in texts.items() if _read(path) != text]
        for path in changed:
            _replace(path, texts[path])
        return bool(changed)


async def apply(files: Files, bridge: Bridge, queues: Queues, logins: Iterable[str] = ()) -> bool:
    """Bring Asterisk to these queues without a restart; False when the files said so already.

    It is told even then: it may have been up before they were written. What it has read already it
    does not read again (Asterisk's main/config.c keeps the files' times). Callers who wait and
    agents who are signed in stay. Raises `ActionRefused` when Asterisk has not taken them, and what
    `Bridge.send` raises.
    """
    changed = await asyncio.to_thread(files.write, queues, logins)
    await bridge.send(actions.QueueReload())
    status = await bridge.send(actions.QueueStatus())
    there = {item.get("Queue") for item in status.items if item.name == "QueueParams"}
    missing = sorted(set(queues.queues) - there)
    if missing:
        raise ActionRefused(
            f"QueueReload: Asterisk has no queue {', '.join(missing)}; "
            f"does its queues.conf include {files.queues.name}?"
        )
    return changed


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
