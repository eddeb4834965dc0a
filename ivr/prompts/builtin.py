"""The prompts the dialplan plays by itself, when there is no engine to ask."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from ivr.audio import read_wav
from ivr.call import Utterance
from ivr.flow.loader import builtin_prompts
from ivr.prompts.library import PromptLibrary
from ivr.prompts.needs import Needs, Whole
from ivr.prompts.soundfile import write_sound

# The dialplan's name for a file -> the prompt.
DIALPLAN: Mapping[str, str] = MappingProxyType(
    {
        "santral-apology": "santral_apology",
        "santral-one-moment": "santral_one_moment",
        "santral-callback-offer": "santral_callback_offer",
        "santral-callback": "santral_callback",
    }
)


async def write_dialplan_prompts(
    library: PromptLibrary, directory: Path, languages: Iterable[str] = ("tr", "en")
) -> tuple[Path, ...]:
    """Write `<directory>/<language>/santral-apology.wav` and the others; a recording wins here too.

    Languages the prompts have no text in are left out. Raises PromptUnavailable and OSError.
    """
    wanted = {
        directory / language / f"{name}.wav": utterance
        for language in languages
        for name, prompt in DIALPLAN.items()
        if (utterance := _utterance(prompt, language)) is not None
    }
    await library.prepare(Needs(whole=tuple(map(Whole, wanted.values()))))
    for path, utterance in wanted.items():
        await asyncio.to_thread(_join, await library.files(utterance), path)
    return tuple(wanted)


def _utterance(prompt: str, language: str) -> Utterance | None:
    texts = builtin_prompts()[prompt].texts.get(language)
    return Utterance(prompt, language, texts[0].pieces({"language": language})) if texts else None


def _join(files: Iterable[Path], path: Path) -> None:
    write_sound(path, np.concatenate([read_wav(file)[0] for file in files]))
