"""Which engine hears which language, and one engine standing behind another."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ivr.errors import BadInput, BadSetting, RecogniserFailed
from ivr.speech.recogniser import Final, Hearing, Partial, Recogniser

log = logging.getLogger(__name__)

SHIPPED_MODELS = Path(__file__).parent / "models"
ENGINES = ("vosk", "pocketsphinx", "remote")


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """One engine for one language.

    `model` is a folder (vosk only; "" = the small model that ships with Santral); `url` is the
    ws:// or wss:// address of a server that speaks the Vosk server's protocol (remote only).
    """

    engine: str = "vosk"
    model: str = ""
    url: str = ""

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            known = ", ".join(ENGINES)
            raise BadSetting(f"there is no speech engine {self.engine!r}; there are {known}")
        if self.engine == "remote" and not self.url.startswith(("ws://", "wss://")):
            raise BadSetting("a remote speech engine needs a url that begins with ws:// or wss://")

    @classmethod
    def parse(cls, text: str) -> EngineChoice:
        """From `vosk`, `vosk:/folder`, `pocketsphinx` or `remote:ws://host:port`."""
        engine, _, rest = text.strip().partition(":")
        return cls(engine, **({"url": rest} if engine == "remote" else {"model": rest}))

    def __str__(self) -> str:
        rest = self.url or self.model
        return f"{self.engine}:{rest}" if rest else self.engine


def shipped() -> dict[str, tuple[EngineChoice, ...]]:
    """What is used when nothing was chosen: the models that ship, pocketsphinx behind English."""
    return {
        "tr": (EngineChoice("vosk"),),
        "en": (EngineChoice("vosk"), EngineChoice("pocketsphinx")),
    }


@dataclass(frozen=True, slots=True)
class SpeechSettings:
    """Everything the listener process needs to know. `languages`: first engine, then those behind.

    `final` is the time in seconds a recogniser may take for its result after the end of speech.
    """

    languages: Mapping[str, tuple[EngineChoice, ...]] = field(default_factory=shipped)
    host: str = "127.0.0.1"
    port: int = 9099
    workers: int = 2
    calls: int = 200
    final: float = 2.0

    def to_dict(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in ("host", "port", "workers", "calls")}
        chosen = {lang: [str(one) for one in some] for lang, some in self.languages.items()}
        return {**plain, "final": self.final, "languages": chosen}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SpeechSettings:
        chosen = {
            language: tuple(map(EngineChoice.parse, choices))
            for language, choices in data["languages"].items()
        }
        return cls(**{**data, "languages": chosen})


def build(choice: EngineChoice, language: str) -> Recogniser:
    """Load one engine. Raises `BadInput` with what to do when it cannot be."""
    if choice.engine == "pocketsphinx":
        from ivr.speech.pocketsphinx import PocketsphinxRecogniser

        return PocketsphinxRecogniser(language)
    if choice.engine == "remote":
        from ivr.speech.remote import RemoteRecogniser

        return RemoteRecogniser(choice.url, language)
    from ivr.speech.vosk import VoskRecogniser

    folder = Path(choice.model) if choice.model else SHIPPED_MODELS / language
    if not folder.is_dir():
        what = f"the folder {folder} is not there" if choice.model else "none ships with Santral"
        raise BadInput(f"there is no speech model for the language {language!r}: {what}")
    return VoskRecogniser(folder, language)


def build_chain(choices: Sequence[EngineChoice], language: str) -> Recogniser:
    """The engines of one language, each standing behind the one before it.

    An engine that cannot be loaded is left out with an error in the log; when none can, the first
    one's `BadInput` is raised.
    """
    engines: list[Recogniser] = []
    first: BadInput | None = None
    for choice in choices:
        try:
            engines.append(build(choice, language))
        except BadInput as error:
            first = first or error
            log.error("%s cannot be used for %s: %s", choice, language, error)
    if not engines:
        raise first or BadInput(f"no speech engine is set for the language {language!r}")
    chain = engines[-1]
    for engine in reversed(engines[:-1]):
        chain = Backed(engine, chain)
    return chain


class Backed:
    """Two engines as one: when the first breaks, the second hears the question from its start."""

    def __init__(self, first: Recogniser, second: Recogniser) -> None:
        self._first = first
        self._second = second
        self.name = f"{first.name}, then {second.name}"
        self.language = first.language

    def unknown(self, phrases: Sequence[str]) -> tuple[str, ...]:
        return self._first.unknown(phrases)

    async def listen(self, phrases: Sequence[str]) -> Hearing:
        try:
            hearing = await self._first.listen(phrases)
        except RecogniserFailed as error:
            log.warning("%s failed, %s takes over: %s", self._first.name, self._second.name, error)
            return await self._second.listen(phrases)
        return _BackedHearing(hearing, self._second, phrases)

    async def close(self) -> None:
        await self._first.close()
        await self._second.close()


class _BackedHearing:
    """Keeps the audio until the answer is in: a question is seconds long, 16 kB each."""

    def __init__(self, first: Hearing, second: Recogniser, phrases: Sequence[str]) -> None:
        self._hearing = first
        self._second = second
        self._phrases = phrases
        self._audio: bytearray | None = bytearray()

    async def feed(self, audio: bytes) -> Partial | None:
        if self._audio is None:
            return await self._hearing.feed(audio)
        self._audio += audio
        try:
            return await self._hearing.feed(audio)
        except RecogniserFailed as error:
            await self._take_over(error)
            return None

    async def finish(self) -> Final:
        try:
            return await self._hearing.finish()
        except RecogniserFailed as error:
            if self._audio is None:
                raise
            await self._take_over(error)
            return await self._hearing.finish()

    async def close(self) -> None:
        await self._hearing.close()

    async def _take_over(self, error: RecogniserFailed) -> None:
        log.warning("%s takes over in mid-question: %s", self._second.name, error)
        heard, self._audio = self._audio, None
        await self._hearing.close()
        self._hearing = await self._second.listen(self._phrases)
        await self._hearing.feed(bytes(heard or b""))
