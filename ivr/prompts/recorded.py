"""Recorded prompts: `sounds/<language>/<flow>/<prompt>.wav`, or without the flow for all of them.

A recording stands for the prompt's first text; `<prompt>.2.wav` for its second alternate, and so
on. One that is 8 kHz, 16 bit, mono is played as it is; any other is converted once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ivr.audio import TELEPHONE_RATE, WavFormat, read_wav, resample, wav_format
from ivr.errors import BadInput
from ivr.prompts.cache import SoundCache, Stored

_LANGUAGE = re.compile(r"[a-z]{2,3}")


@dataclass(frozen=True, slots=True)
class Name:
    """What a recording is for; `flow` is "" for every flow."""

    language: str
    flow: str
    prompt: str


@dataclass(frozen=True, slots=True)
class Recordings:
    """The recordings that can be played, and what there is to say about the others."""

    sounds: Mapping[Name, Stored]
    notes: tuple[str, ...] = ()

    def find(self, language: str, flow: str, prompt: str, alternate: int = 0) -> Stored | None:
        """The recording of a prompt's text; the flow's own before the one for all."""
        name = f"{prompt}.{alternate + 1}" if alternate else prompt
        own = self.sounds.get(Name(language, flow, name))
        return own or self.sounds.get(Name(language, "", name))


def read_recordings(directory: Path, cache: SoundCache) -> Recordings:
    """Everything recorded below a directory, made playable. Blocking."""
    sounds: dict[Name, Stored] = {}
    notes: list[str] = []
    for name, path in _files(directory):
        try:
            sounds[name], note = _playable(path, cache)
        except (BadInput, OSError) as error:
            note = f"is left out: {error}"
        if note:
            notes.append(f"{path.relative_to(directory)} {note}")
    return Recordings(sounds, tuple(notes))


def _files(directory: Path) -> Iterator[tuple[Name, Path]]:
    for language in sorted(directory.iterdir()) if directory.is_dir() else ():
        if not _LANGUAGE.fullmatch(language.name) or not language.is_dir():
            continue
        for path in sorted(language.glob("*.wav")):
            yield Name(language.name, "", path.stem), path.absolute()
        for path in sorted(language.glob("*/*.wav")):
            yield Name(language.name, path.parent.name, path.stem), path.absolute()


def _playable(path: Path, cache: SoundCache) -> tuple[Stored, str]:
    """The recording in the telephone's format, and a note when it came in another."""
    found = wav_format(path)
    if not found.frames:
        raise BadInput("there is no sound in it")
    if found.plain and (found.rate, found.bits, found.channels) == (TELEPHONE_RATE, 16, 1):
        return Stored(path, found.frames * 1000 // TELEPHONE_RATE), ""
    key = cache.key_of_recording(path.read_bytes())
    cache.pin([key])
    stored = cache.get(key)
    if stored is None:
        samples, rate = read_wav(path)
        stored = cache.put(key, resample(samples, rate, TELEPHONE_RATE))
    return stored, f"was converted: it is {_described(found)}, not 8 kHz, 16 bit, mono"


def _described(found: WavFormat) -> str:
    channels = {1: "mono", 2: "stereo"}.get(found.channels, f"{found.channels} channels")
    header = "" if found.plain else " with an extensible header"
    return f"{found.rate / 1000:g} kHz, {found.bits} bit, {channels}{header}"
