"""The prompts that Asterisk plays by itself: the dialplan's, when there is no engine to ask, and
what callers hear while they wait in a queue.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from ivr.audio import read_wav
from ivr.call import Utterance
from ivr.flow.loader import builtin_prompts
from ivr.flow.model import Prompt
from ivr.prompts.library import PromptLibrary
from ivr.prompts.needs import Needs, Whole
from ivr.prompts.soundfile import write_sound

# The file Asterisk plays -> the prompt. The dialplan's own first, then those of app_queue.c
# (queues.conf.sample names them), which it looks for among the sounds of the caller's language.
PLAYED: Mapping[str, str] = MappingProxyType(
    {
        "santral-apology": "santral_apology",
        "santral-one-moment": "santral_one_moment",
        "santral-callback": "santral_callback",
        "queue-youarenext": "santral_queue_next",
        "queue-thereare": "santral_queue_place",
        "queue-callswaiting": "santral_queue_waiting",
        "queue-quantity1": "santral_queue_more_than",
        "queue-quantity2": "santral_queue_more",
        "queue-holdtime": "santral_queue_wait",
        "queue-minute": "santral_queue_minute",
        "queue-minutes": "santral_queue_minutes",
        "queue-seconds": "santral_queue_seconds",
        "queue-thankyou": "santral_queue_thanks",
        "digits/hundred": "santral_hundred",
    }
)
OFFER = "santral-callback-offer-"  # and the key
# What say.c puts an English number together from; Turkish ones are said alike up to 199.
NUMBERS = (*range(20), *range(20, 100, 10))
_MADE = ".made"


def played_names() -> tuple[str, ...]:
    """The sounds that are written for each language, as `digits/7`."""
    return tuple(name for name, *_ in _played())


async def write_played_prompts(
    library: PromptLibrary, directory: Path, languages: Iterable[str] = ("tr", "en")
) -> None:
    """Write `<directory>/<language>/santral-apology.wav` and the others; a recording wins here too
    (a number's is `santral_number_7`, an offer's `santral_callback_offer_1`).

    Languages the prompts have no text in are left out, and files that are as they would be
    written. Raises PromptUnavailable and OSError.
    """
    for language in languages:
        wanted = {
            directory / language / f"{name}.wav": utterance
            for name, prompt, values in _played()
            if (utterance := _utterance(prompt, language, values)) is not None
        }
        if not wanted:
            continue
        await library.prepare(Needs(whole=tuple(map(Whole, wanted.values()))))
        sources = {path: await library.files(utterance) for path, utterance in wanted.items()}
        await asyncio.to_thread(_write, directory / language, sources)


def _played() -> Iterator[tuple[str, str, Mapping[str, object]]]:
    """File, prompt, and the values in it."""
    yield from ((name, prompt, {}) for name, prompt in PLAYED.items())
    yield from ((f"{OFFER}{key}", "santral_callback_offer", {"key": key}) for key in range(10))
    yield from ((f"digits/{n}", "santral_number", {"number": n}) for n in NUMBERS)


@functools.cache
def _prompts() -> Mapping[str, Prompt]:
    return {**builtin_prompts(), **builtin_prompts(Path(__file__).with_name("played.yaml"))}


def _utterance(prompt: str, language: str, values: Mapping[str, object]) -> Utterance | None:
    texts = _prompts()[prompt].texts.get(language)
    if not texts:
        return None
    own = "_".join((prompt, *map(str, values.values())))
    return Utterance(own, language, texts[0].pieces({"language": language, **values}))


def _write(directory: Path, sources: Mapping[Path, Iterable[Path]]) -> None:
    """Join each one's sounds; the cache names a sound by all that it is made of, so the same names
    make the same file."""
    text = repr([(path.name, [str(one) for one in files]) for path, files in sources.items()])
    digest = hashlib.sha256(text.encode()).hexdigest()
    made = directory / _MADE
    if _read(made) == digest and all(path.exists() for path in sources):
        return
    made.unlink(missing_ok=True)
    for path, files in sources.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_sound(path, np.concatenate([read_wav(file)[0] for file in files]))
    made.write_text(digest)


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None
