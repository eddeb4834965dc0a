"""Which engine hears which language, from the settings and the models that were added."""

from __future__ import annotations

from cti.settings import Settings
from ivr.speech.engines import EngineChoice
from ivr.speech.models import choices, chosen_with

Chosen = dict[str, tuple[EngineChoice, ...]]


def live_choices(settings: Settings) -> Chosen:
    """What hears callers. Raises `BadSetting`."""
    return chosen_with(settings.speech_engines, choices(settings.models))


def transcription_choices(settings: Settings) -> Chosen:
    """What hears recordings: a large model where one is set, else what hears callers."""
    return chosen_with(settings.transcription_engines, live_choices(settings))
