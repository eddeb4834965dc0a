"""Where sounds are made: an engine kept to a deadline, tried twice, never more than it bears."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from ivr.audio import Samples, read_wav
from ivr.errors import BadInput, PromptUnavailable
from ivr.prompts.polish import polish
from ivr.prompts.synthesiser import Synthesiser
from ivr.prompts.units import Unit

P = ParamSpec("P")
T = TypeVar("T")


class Studio:
    """Makes units into samples with one engine.

    A try may take `deadline` seconds, and a second more for every 200 characters. What a caller
    waits for is `urgent`: one place is kept free of the rest, unless the engine has only one.
    """

    def __init__(
        self, engine: Synthesiser, *, deadline: float = 5.0, processors: int | None = None
    ) -> None:
        self._engine = engine
        self._deadline = deadline
        self.places = engine.at_once or max(2, processors or os.cpu_count() or 2)
        self._all = asyncio.Semaphore(self.places)
        self._patient = asyncio.Semaphore(max(1, self.places - 1))
        self._threads = ThreadPoolExecutor(self.places, thread_name_prefix="prompts")

    async def off_loop(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do work on files in one of the studio's threads."""
        call = partial(work, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def identity(self, language: str) -> str:
        """What changes the sound of a language. PromptUnavailable: it has no voice."""
        return self._engine.identity(language)

    async def make(self, unit: Unit, language: str, *, urgent: bool) -> Samples:
        """The unit's sound. PromptUnavailable, with the engine's own words, when it fails twice."""
        async with nullcontext() if urgent else self._patient, self._all:
            for last in (False, True):
                try:
                    return await self._one_try(unit, language)
                except PromptUnavailable:
                    if last:
                        raise
        raise AssertionError("a try returns or raises")

    async def _one_try(self, unit: Unit, language: str) -> Samples:
        seconds = self._deadline + len(unit.text) / 200
        with tempfile.TemporaryDirectory(prefix="santral-", ignore_cleanup_errors=True) as folder:
            path = Path(folder, "speech.wav")
            try:
                async with asyncio.timeout(seconds):
                    await self._engine.synthesise(unit.text, language, path)
            except TimeoutError:
                message = f"The synthesiser took longer than {seconds:.1f} seconds."
                raise PromptUnavailable(message) from None
            return await self.off_loop(_read, path, unit)

    async def close(self) -> None:
        """End the engine."""
        await self._engine.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


def _read(path: Path, unit: Unit) -> Samples:
    try:
        samples, rate = read_wav(path)
    except (BadInput, OSError) as error:
        raise PromptUnavailable("The synthesiser wrote no sound.") from error
    if not samples.size:
        raise PromptUnavailable("The synthesiser wrote an empty sound.")
    return polish(samples, rate, unit.pause)
