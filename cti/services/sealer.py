"""Seals what was recorded, once nobody needs it in the clear: the call is over, Asterisk writes no
more, and the text is made (`transcripts.py`). Files of an older key are sealed with the newest.

A file is sealed beside itself before the clear one goes: a crash in between leaves both, and the
next turn takes the clear one away. Two engines that take the same file write the same.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.models import calls, recordings
from cti.services.sealing import SEALED, Keys, sealed
from ivr.errors import ServiceFailed

LOOK_EVERY: Final = 10.0  # seconds
AT_REST: Final = 30.0  # seconds without a change: the recording of a live call grows all the time
FORGOTTEN: Final = 7200.0  # seconds after which a call whose end nobody told is over
AT_A_TIME: Final = 500
log = logging.getLogger(__name__)


class Sealer:
    """`run` seals whatever is there until it is cancelled."""

    def __init__(self, engine: AsyncEngine, folder: Path, keys: Keys) -> None:
        self._engine, self._folder, self._keys = engine, folder.resolve(), keys

    async def run(self) -> None:
        while True:
            try:
                await self.once()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("recordings wait to be sealed: %s", type(error).__name__)
            await asyncio.sleep(LOOK_EVERY)

    async def once(self) -> int:
        """Seal what may be sealed now; how many files."""
        found = await asyncio.to_thread(lambda: list(self._clear()))
        done = 0
        for start in range(0, len(found), AT_A_TIME):
            some = found[start : start + AT_A_TIME]
            ready = await self._ready({path.parent.name for path in some})
            for path in some:
                forgotten = time.time() - path.stat().st_mtime > FORGOTTEN
                if forgotten or path.parent.name in ready:
                    await asyncio.to_thread(self._seal, path)
                    done += 1
        return done + await asyncio.to_thread(self._renew)

    def _clear(self) -> Iterator[Path]:
        """Files in the clear that did not change of late."""
        quiet = time.time() - AT_REST
        for pattern in ("*/*.wav", "*/*.txt"):
            for path in self._folder.glob(pattern):
                if path.stat().st_mtime < quiet:
                    yield path

    async def _ready(self, of: set[str]) -> set[str]:
        """The calls among these that are over and whose recordings wait for no text."""
        r = recordings.c
        waiting = select(r.call).where(
            r.call.in_(of), r.transcribed_by == "", r.transcript.is_(None), r.ended_by != "",
            r.deleted_at.is_(None),
        )  # fmt: skip
        over = select(calls.c.id).where(calls.c.id.in_(of), calls.c.ended_at.is_not(None))
        async with self._engine.connect() as connection:
            ended = set(await connection.scalars(over))
            return ended - set(await connection.scalars(waiting))

    def _seal(self, path: Path) -> None:
        self._keys.seal(path, sealed(path), place_of(path))
        path.unlink(missing_ok=True)

    def _renew(self) -> int:
        """Files of an older key, sealed with the newest."""
        done = 0
        for path in self._folder.glob(f"*/*{SEALED}"):
            if self._keys.is_newest(path):
                continue
            clear = path.with_name(f".{path.name}.opened")
            try:
                # In the clear only as long as it takes, and in the folder that it came from.
                clear.touch(0o600)
                clear.write_bytes(self._keys.open(path, place_of(path)).read())
                self._keys.seal(clear, path, place_of(path))
                done += 1
            except ServiceFailed as error:
                log.error("%s: %s", place_of(path), error)
            finally:
                clear.unlink(missing_ok=True)
        return done


def place_of(path: Path) -> str:
    """`<call>/<name>`, for the clear file and the sealed one alike."""
    return f"{path.parent.name}/{path.name.removesuffix(SEALED)}"
