"""The confusion lab: which options of a menu are taken for one another.

Each option's words are spoken by a synthesiser in several voices, speeds and levels of noise, sent
through the telephone's codec and recognised with the menu's own grammar. What comes out is a table:
of what was meant, what was heard how often, and which words to change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ivr.audio import TELEPHONE_RATE, Samples, ulaw_decode, ulaw_encode
from ivr.speech.recogniser import Recogniser, check_phrases

NOTHING = ""  # heard: no option at all
COLLIDES = 0.1  # a share of confusions from which two options collide
UNHEARD = 0.3  # a share of "nothing" from which an option is hard to hear
SURE = 0.5
_PAUSE = TELEPHONE_RATE // 4
_FRAME = 640


class Speaker(Protocol):
    """Says a text at 8 kHz: `voice` and `speed` (words a minute) are the synthesiser's."""

    async def __call__(self, text: str, language: str, voice: str, speed: int) -> Samples: ...


@dataclass(frozen=True, slots=True)
class Conditions:
    """In which voices, at which speeds and over which noise (dB below the speech; None: none)."""

    voices: tuple[str, ...] = ("", "+f2", "+m3")
    speeds: tuple[int, ...] = (130, 160, 195)
    noises: tuple[float | None, ...] = (None, 20.0, 12.0)

    def __iter__(self) -> Iterator[tuple[str, int, float | None]]:
        for voice in self.voices:
            for speed in self.speeds:
                for noise in self.noises:
                    yield voice, speed, noise

    def __len__(self) -> int:
        return len(self.voices) * len(self.speeds) * len(self.noises)


@dataclass(frozen=True, slots=True)
class Collision:
    """`meant` was heard as `heard` ("" = as nothing) so often; `words` are those it happened to."""

    meant: str
    heard: str
    share: float
    words: tuple[str, ...]


@dataclass(slots=True)
class Table:
    """One menu. `counts[meant][heard]`; options are named as the caller of the lab named them."""

    menu: str
    options: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    blamed: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)

    def add(self, meant: str, heard: str, phrase: str) -> None:
        row = self.counts.setdefault(meant, {})
        row[heard] = row.get(heard, 0) + 1
        if heard != meant:
            words = self.blamed.setdefault((meant, heard), {})
            words[phrase] = words.get(phrase, 0) + 1

    def share(self, meant: str, heard: str) -> float:
        row = self.counts.get(meant, {})
        return row.get(heard, 0) / max(1, sum(row.values()))

    def collisions(self) -> list[Collision]:
        """The worst first: another option from `COLLIDES` on, nothing from `UNHEARD` on."""
        found = []
        for (meant, heard), words in self.blamed.items():
            share = self.share(meant, heard)
            if share >= (UNHEARD if heard == NOTHING else COLLIDES):
                worst = sorted(words, key=lambda one: -words[one])
                found.append(Collision(meant, heard, share, tuple(worst[:3])))
        return sorted(found, key=lambda one: -one.share)

    def lines(self) -> list[str]:
        """The table for people, and under it what to change."""
        heads = [*self.options, "(nothing)"]
        width = max(9, *(len(one) for one in heads)) + 1
        lines = [f"{self.menu}: said down, heard across"]
        lines.append(" " * width + "".join(f"{one:>{width}}" for one in heads))
        for meant in self.options:
            cells = (self.share(meant, heard) for heard in (*self.options, NOTHING))
            shown = "".join(f"{cell:{width}.0%}" if cell else f"{'·':>{width}}" for cell in cells)
            lines.append(f"{meant:<{width}}{shown}")
        for one in self.collisions():
            words = ", ".join(one.words)
            heard = f"taken for {one.heard!r}" if one.heard else "not heard at all"
            lines.append(f"change {words} ({one.meant}): {heard} in {one.share:.0%}")
        if self.shared:
            lines.append(f"the same words lead to two options: {', '.join(self.shared)}")
        if self.unknown:
            lines.append(f"the model does not know: {', '.join(self.unknown)}")
        return lines

    @property
    def clean(self) -> bool:
        return not (self.collisions() or self.unknown or self.shared)


async def confusions(
    menu: str,
    options: Mapping[str, Sequence[str]],
    recogniser: Recogniser,
    speaker: Speaker,
    conditions: Conditions | None = None,
) -> Table:
    """Say all words of all options and count what is heard. `options`: name -> words.

    Raises `RecogniserFailed`, `BadInput` (too many phrases), and what the speaker raises. Blocks
    the event loop while it recognises: it is a tool for authors, not for the engine.
    """
    language = recogniser.language
    phrases = {name: check_phrases(words, language) for name, words in options.items()}
    owner: dict[str, str] = {}
    shared: list[str] = []
    for name, words in phrases.items():
        for phrase in words:
            if owner.setdefault(phrase, name) != name:
                shared.append(phrase)
    table = Table(menu, tuple(options), recogniser.unknown(tuple(owner)), tuple(shared))
    unknown = set(table.unknown)
    for phrase, name in owner.items():
        if unknown.intersection(phrase.split()):
            continue  # it cannot be heard at all: told above the table already
        for number, (voice, speed, noise) in enumerate(conditions or Conditions()):
            said = await speaker(phrase, language, voice, speed)
            heard = await _hear(recogniser, tuple(owner), over_the_line(said, noise, number))
            table.add(name, owner.get(heard, NOTHING), phrase)
    return table


def over_the_line(said: Samples, noise: float | None, seed: int = 0) -> bytes:
    """The sound with quiet around it, `noise` dB of band noise under it, through mu-law."""
    sound = np.pad(said.astype(np.float64), _PAUSE)
    if noise is not None:
        loud = said[np.abs(said) > np.abs(said).max() * 0.05].astype(np.float64)
        level = float(np.sqrt(np.mean(loud**2))) if len(loud) else 0.0
        sound = sound + _band_noise(len(sound), level * 10 ** (-noise / 20), seed)
    samples = np.clip(sound, -32768, 32767).astype(np.int16)
    return bytes(ulaw_decode(ulaw_encode(samples)).astype("<i2").tobytes())


def _band_noise(count: int, level: float, seed: int) -> npt.NDArray[np.float64]:
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    frequency = np.fft.rfftfreq(count, 1 / TELEPHONE_RATE)
    spectrum[(frequency < 300) | (frequency > 3400)] = 0
    sound = np.fft.irfft(spectrum, count)
    return np.asarray(sound / np.sqrt(np.mean(sound**2)) * level)


async def _hear(recogniser: Recogniser, phrases: tuple[str, ...], audio: bytes) -> str:
    hearing = await recogniser.listen(phrases)
    for start in range(0, len(audio), _FRAME):
        await hearing.feed(audio[start : start + _FRAME])
    best = (await hearing.finish()).best
    return best.text if best is not None and best.confidence >= SURE else NOTHING
