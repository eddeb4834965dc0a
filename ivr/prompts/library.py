"""`PromptLibrary`: what to play for an utterance. Everything fixed is ready before a call asks.

At load `prepare` finds recordings, synthesises what the cache has not, and keeps the answers in
memory; a call's `files` then touches neither the disk nor a thread. A value that was never said
before is synthesised while its caller waits (about 25 ms with espeak-ng) and then kept.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ivr.audio import TELEPHONE_RATE, Samples, read_wav
from ivr.call import Utterance
from ivr.errors import PromptUnavailable
from ivr.prompts.cache import SoundCache
from ivr.prompts.needs import Needs, Whole
from ivr.prompts.recorded import Recordings, read_recordings
from ivr.prompts.shelf import Shelf, Spoken
from ivr.prompts.studio import Studio
from ivr.prompts.units import Unit, fixed_units, sign_units, units_of

Progress = Callable[[int, int], None]
"""Called with how many sounds are ready, of how many."""

GIVE_UP_AFTER = 5  # texts that fail one after another: it is the engine, not the text
SECRET_LIFE = 600.0  # seconds a sound with a secret in it stays on disk
LONGEST_SILENCE = 120.0  # seconds
LATE = "A prompt's sound was not ready in time."

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Prepared:
    """What `prepare` did: sounds made now, found in the cache, prompts recorded; and its notes."""

    made: int = 0
    found: int = 0
    recorded: int = 0
    notes: tuple[str, ...] = ()
    failed: list[str] = field(default_factory=list)


class PromptLibrary:
    """The sounds of all prompts. One per process, made inside its event loop; `close` it.

    `sounds` holds the recordings. A caller waits at most `value_deadline` seconds for a value.
    """

    def __init__(
        self,
        studio: Studio,
        cache: SoundCache,
        sounds: Path | None = None,
        *,
        value_deadline: float = 4.0,
    ) -> None:
        self._studio = studio
        self._cache = cache
        self._sounds = sounds
        self._value_deadline = value_deadline
        self._shelf = Shelf(studio, cache)
        self._whole: dict[Utterance, tuple[Path, ...]] = {}
        self._silences: dict[int, Path] = {}
        self._secrets: dict[Path, asyncio.TimerHandle] = {}

    async def prepare(self, needs: Needs, progress: Progress | None = None) -> Prepared:
        """Make ready everything that is fixed; what was ready stays ready.

        Raises PromptUnavailable, when the rest is done, for the texts that have no sound: a call
        that needs one would fail.
        """
        done = Prepared()
        recordings = await self._recordings(done)
        spoken = self._take_recorded(needs.whole, recordings, done)
        units: list[Spoken] = [
            *((said.language, u) for said in spoken for u in units_of(said.pieces, said.language)),
            *((language, u) for language, text in needs.pieces for u in fixed_units(text)),
            *((language, u) for language in sorted(needs.spelled) for u in sign_units(language)),
        ]
        await self._prepare_units(list(dict.fromkeys(units)), done, progress)
        for utterance in spoken:
            if (paths := self._there(utterance)) is not None:
                self._whole[utterance] = paths
        await self._studio.off_loop(self._cache.trim)
        if done.failed:
            more = f" (and {len(done.failed) - 1} more)" if len(done.failed) > 1 else ""
            raise PromptUnavailable(f"No sound could be made of {done.failed[0]}{more}")
        return done

    async def _recordings(self, done: Prepared) -> Recordings:
        if self._sounds is None:
            return Recordings({})
        found = await self._studio.off_loop(read_recordings, self._sounds, self._cache)
        done.notes = found.notes
        for note in found.notes:
            log.warning("Recorded prompt %s", note)
        return found

    def _take_recorded(
        self, prompts: Iterable[Whole], recordings: Recordings, done: Prepared
    ) -> list[Utterance]:
        """Answer with a recording where there is one; the prompts that have none."""
        others = []
        for whole in prompts:
            said = whole.utterance
            stored = recordings.find(said.language, said.flow, said.prompt, whole.alternate)
            if stored is None:
                others.append(said)
            else:
                self._whole[said] = (self._shelf.keep(stored),)
                done.recorded += 1
        return others

    async def _prepare_units(
        self, units: list[Spoken], done: Prepared, progress: Progress | None
    ) -> None:
        """As many at a time as the studio has places; it stops when the engine seems broken."""
        keys = await self._shelf.pin(units)
        left = iter(keys.items())
        failures = 0

        async def work() -> None:
            nonlocal failures
            for spoken, key in left:
                if failures >= GIVE_UP_AFTER:
                    return
                try:
                    made = await self._shelf.fetch(spoken, key)
                except PromptUnavailable as error:
                    failures += 1
                    done.failed.append(f"{spoken[1].text[:60]!r} ({spoken[0]}): {error}")
                    continue
                failures = 0
                done.made += made
                done.found += not made
                if progress:
                    progress(done.made + done.found, len(keys))

        async with asyncio.TaskGroup() as workers:
            for _ in range(self._studio.places):
                workers.create_task(work())

    def _there(self, utterance: Utterance) -> tuple[Path, ...] | None:
        """The files when every one is in memory."""
        look_up, language = self._shelf.look_up, utterance.language
        paths = []
        for unit in units_of(utterance.pieces, language):
            path = look_up((language, unit))
            if path is None:
                return None
            paths.append(path)
        return tuple(paths)

    async def files(self, utterance: Utterance) -> tuple[Path, ...]:
        """The files to play, one after another. PromptUnavailable when there is no sound for it.

        A recording stands for a text that was prepared whole, never for one with values in it.
        """
        whole = self._whole.get(utterance)
        if whole is not None:
            return whole
        if utterance.parts:
            return tuple([path for part in utterance.parts for path in await self.files(part)])
        if utterance.secret and not utterance.fixed:
            return (await self._secret(utterance),)
        return self._there(utterance) or await self._in_time(utterance)

    async def _in_time(self, utterance: Utterance) -> tuple[Path, ...]:
        language = utterance.language
        units = units_of(utterance.pieces, language)
        try:
            async with asyncio.timeout(self._value_deadline):
                return tuple(
                    await asyncio.gather(*(self._shelf.get((language, unit)) for unit in units))
                )
        except TimeoutError:
            raise PromptUnavailable(LATE) from None

    async def _secret(self, utterance: Utterance) -> Path:
        """One file, for a while, under a name that tells nothing: the names of the digits' own
        files would tell Asterisk's log what was said. Values that are secret are not cached."""
        sounds = [np.zeros(0, np.int16)]
        try:
            async with asyncio.timeout(self._value_deadline):
                for unit in units_of(utterance.pieces, utterance.language):
                    sounds.append(await self._samples(utterance.language, unit))
                name, sound = secrets.token_hex(16), np.concatenate(sounds)
                stored = await self._studio.off_loop(self._cache.private, name, sound)
        except TimeoutError:
            raise PromptUnavailable(LATE) from None
        except OSError as error:
            raise PromptUnavailable(f"A sound could not be written: {error}") from error
        loop = asyncio.get_running_loop()
        self._secrets[stored.path] = loop.call_later(SECRET_LIFE, self._burn, stored.path)
        return self._shelf.keep(stored)

    async def _samples(self, language: str, unit: Unit) -> Samples:
        known = self._shelf.look_up((language, unit))
        if known is None:
            return await self._studio.make(unit, language, urgent=True)
        samples, _ = await self._studio.off_loop(read_wav, known)
        return samples

    def _burn(self, path: Path) -> None:
        self._secrets.pop(path).cancel()
        self._shelf.lengths.pop(path, None)
        path.unlink(missing_ok=True)

    def silence(self, seconds: float) -> Path:
        """A file of so much silence, to a hundredth of a second, at most two minutes."""
        ms = round(min(max(seconds, 0.01), LONGEST_SILENCE) * 100) * 10
        path = self._silences.get(ms)
        if path is None:
            samples = np.zeros(ms * TELEPHONE_RATE // 1000, np.int16)
            try:
                path = self._silences[ms] = self._shelf.keep(self._cache.silence(ms, samples))
            except OSError as error:
                raise PromptUnavailable(f"A silence could not be written: {error}") from error
        return path

    def duration_ms(self, path: Path) -> int:
        """How long a file plays that was given out here; KeyError for any other."""
        return self._shelf.lengths[path]

    async def close(self) -> None:
        """Stop what is being made, end the engine, remove what is secret."""
        await self._shelf.close()
        for path in [*self._secrets]:
            self._burn(path)
        await self._studio.close()
        self._cache.close()
