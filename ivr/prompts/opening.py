"""A prompt library as it is configured, opened and closed."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ivr.errors import BadSetting
from ivr.prompts.cache import SoundCache
from ivr.prompts.languages import VOICES, Voice
from ivr.prompts.library import PromptLibrary
from ivr.prompts.pyttsx3_engine import Pyttsx3
from ivr.prompts.studio import Studio
from ivr.prompts.synthesiser import CommandLine, EspeakNg, Synthesiser

ENGINES = ("espeak-ng", "pyttsx3", "command")


@dataclass(frozen=True, slots=True)
class PromptSettings:
    """Where sounds are kept and who speaks. `cache` is generated, `recorded` holds recordings.

    `engine` is one of ENGINES; `command` is the command line of `command`; `espeak` is espeak-ng's
    own command with options, if any; `environment` is added to the engine's. `cache_bytes` bounds
    the cache; `deadline` (seconds) one synthesis, `value_deadline` a caller's wait for one.
    """

    cache: Path
    recorded: Path | None = None
    engine: str = "espeak-ng"
    command: str = ""
    espeak: str = "espeak-ng"
    environment: Mapping[str, str] = field(default_factory=dict)
    voices: Mapping[str, Voice] = field(default_factory=lambda: VOICES)
    cache_bytes: int = 500_000_000
    deadline: float = 5.0
    value_deadline: float = 4.0


def engine_of(settings: PromptSettings) -> Synthesiser:
    """The engine that is configured. Raises BadSetting for one that is unknown or incomplete."""
    voices, environment = settings.voices, settings.environment
    if settings.engine == "espeak-ng":
        return EspeakNg(shlex.split(settings.espeak), environment, voices)
    if settings.engine == "pyttsx3":
        return Pyttsx3(voices, environment)
    if settings.engine == "command":
        return CommandLine(settings.command, voices, environment=environment)
    raise BadSetting(f"there is no synthesiser {settings.engine!r}; there is {', '.join(ENGINES)}")


@asynccontextmanager
async def open_prompts(settings: PromptSettings) -> AsyncIterator[PromptLibrary]:
    """The library, ready to `prepare`; closed with its engine at the end."""
    library = PromptLibrary(
        Studio(engine_of(settings), deadline=settings.deadline),
        SoundCache(settings.cache, settings.cache_bytes),
        settings.recorded,
        value_deadline=settings.value_deadline,
    )
    try:
        yield library
    finally:
        await library.close()
