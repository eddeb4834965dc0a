"""Which voice speaks a language. Turkish and English are here; a configuration adds others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

from ivr.errors import BadSetting, PromptUnavailable


@dataclass(frozen=True, slots=True)
class Voice:
    """How the engines call the voice of one language.

    `espeak` is what `espeak-ng -v` takes, `pyttsx3` a voice id of it, `model` what a command line
    gets for `{voice}` (a file, say); `rate` is in words a minute.
    """

    espeak: str
    pyttsx3: str
    model: str = ""
    rate: int = 160


# trk/tk, which sounds likely, is Turkmen.
VOICES: Mapping[str, Voice] = MappingProxyType(
    {"tr": Voice("tr", "trk/tr"), "en": Voice("en-gb", "gmw/en")}
)


def voices_with(given: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Voice]:
    """The voices with those of a configuration added or changed: `{de: {espeak: de, rate: 150}}`.

    Raises BadSetting for a name or value that is not a voice's.
    """
    voices = dict(VOICES)
    known = {field.name: field.type for field in fields(Voice)}
    for language, changes in given.items():
        for name, value in changes.items():
            if name not in known:
                raise BadSetting(f"voice {language}: there is no {name!r}; there is {[*known]}")
            if not isinstance(value, int if name == "rate" else str):
                raise BadSetting(f"voice {language}: {name} cannot be {value!r}")
        default = voices.get(language, Voice(language, language))
        voices[language] = replace(default, **changes)
    return MappingProxyType(voices)


def voice_of(voices: Mapping[str, Voice], language: str) -> Voice:
    """The voice of a language; PromptUnavailable when there is none."""
    voice = voices.get(language)
    if voice is None:
        raise PromptUnavailable(f"There is no voice for the language {language!r}.")
    return voice
