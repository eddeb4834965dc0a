"""The sounds in memory: where each unit's file is, and who waits for one that is being made."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ivr.errors import PromptUnavailable
from ivr.prompts.cache import SoundCache, Stored
from ivr.prompts.studio import Studio
from ivr.prompts.units import Unit

Spoken = tuple[str, Unit]
"""A language and what is said in it."""

TOUCH_EVERY = 120.0  # seconds after which a value's file is looked at again
VALUES_KEPT = 20_000  # in memory; their files stay longer


@dataclass(slots=True)
class _Known:
    """Pinned files are never looked at again; of the others, when one was last (monotonic)."""

    path: Path
    pinned: bool
    looked_at: float


class Shelf:
    """Answers from memory, then from the cache, then from the studio.

    `lengths` holds the milliseconds of every file that was given out.
    """

    def __init__(self, studio: Studio, cache: SoundCache) -> None:
        self.lengths: dict[Path, int] = {}
        self._studio = studio
        self._cache = cache
        self._known: OrderedDict[Spoken, _Known] = OrderedDict()
        self._making: dict[Spoken, asyncio.Task[Path]] = {}

    def look_up(self, spoken: Spoken) -> Path | None:
        """The file when it is in memory. A value's file is touched now and then, so that no process
        takes it for one that nobody uses."""
        known = self._known.get(spoken)
        if known is None:
            return None
        if not known.pinned:
            now = time.monotonic()
            if now - known.looked_at > TOUCH_EVERY:
                if not self._cache.touch(known.path):
                    del self._known[spoken]
                    return None
                known.looked_at = now
            self._known.move_to_end(spoken)
        return known.path

    async def get(self, spoken: Spoken, *, urgent: bool = True) -> Path:
        """The file, made when it has to be, once however many wait for it; who stops waiting does
        not stop the others. Raises PromptUnavailable."""
        path = self.look_up(spoken)
        if path is not None:
            return path
        task = self._making.get(spoken)
        if task is None:
            task = self._making[spoken] = asyncio.create_task(self._make(spoken, urgent))
            task.add_done_callback(lambda task: self._made(spoken, task))
        return await asyncio.shield(task)

    async def pin(self, spoken: Iterable[Spoken]) -> dict[Spoken, str]:
        """Tell every process that these must stay; their keys."""
        keys = {(language, unit): self._key(language, unit) for language, unit in spoken}
        await self._studio.off_loop(self._cache.pin, keys.values())
        return keys

    async def fetch(self, spoken: Spoken, key: str) -> bool:
        """Have a pinned sound in memory; True when it had to be made."""
        known = self._known.get(spoken)
        if known is not None and known.pinned:
            return False
        stored = await self._studio.off_loop(self._cache.get, key)
        if stored is None:
            await self.get(spoken, urgent=False)
        else:
            self._know(spoken, stored)
        self._known[spoken].pinned = True
        return stored is None

    def keep(self, stored: Stored) -> Path:
        """Remember a file's length."""
        self.lengths[stored.path] = stored.ms
        return stored.path

    async def close(self) -> None:
        """Stop what is being made."""
        tasks = [*self._making.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _make(self, spoken: Spoken, urgent: bool) -> Path:
        language, unit = spoken
        key = self._key(language, unit)
        try:
            stored = await self._studio.off_loop(self._cache.get, key)
            if stored is None:
                samples = await self._studio.make(unit, language, urgent=urgent)
                stored = await self._studio.off_loop(self._cache.put, key, samples)
        except OSError as error:
            raise PromptUnavailable(f"A sound could not be kept: {error}") from error
        return self._know(spoken, stored)

    def _made(self, spoken: Spoken, task: asyncio.Task[Path]) -> None:
        self._making.pop(spoken, None)
        if not task.cancelled():
            task.exception()  # told to who waited; nobody may be left

    def _key(self, language: str, unit: Unit) -> str:
        return self._cache.key(self._studio.identity(language), unit)

    def _know(self, spoken: Spoken, stored: Stored) -> Path:
        self._known[spoken] = _Known(stored.path, False, time.monotonic())
        if len(self._known) > VALUES_KEPT:
            self._forget_values()
        return self.keep(stored)

    def _forget_values(self) -> None:
        """Drop a tenth of the values, those that were said longest ago."""
        values = [spoken for spoken, known in self._known.items() if not known.pinned]
        for spoken in values[: max(1, len(values) // 10)]:
            self.lengths.pop(self._known.pop(spoken).path, None)
