"""One caller's speech: what Asterisk says on one AEAP connection, and what is said back.

No sockets here: messages and audio come in by method, answers go out through `send`. Everything
runs on the event loop and nothing waits.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import replace

from ivr.errors import BadAeap, BadInput
from ivr.speech import aeap
from ivr.speech.aeap import Asked, Tag
from ivr.speech.attention import Attention
from ivr.speech.pool import Pool
from ivr.speech.recogniser import NOTHING, Final, check_phrases
from ivr.speech.vad import NoiseFloor

log = logging.getLogger(__name__)


class Session:
    """`send` takes a text message."""

    def __init__(self, pool: Pool, send: Callable[[str], None]) -> None:
        self._pool = pool
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._floor = NoiseFloor()
        self._defaults = Asked()
        self._phrases: list[str] = []
        self._hearing: Attention | None = None
        self._refused = ""
        self._sent = 0
        self._accepted = False
        self._useless = ""
        self._dead = False

    def text(self, message: str) -> None:
        """A text message came. Raises `BadAeap` for what is no AEAP: hang up on it."""
        request = aeap.parse(message)
        match request:
            case aeap.Setup():
                self._setup(request)
            case aeap.Set():
                self._set(request)
            case aeap.Get():
                self._send(aeap.tell(request, self.state if "question" in request.names else ""))
            case aeap.Response(error=error) if error:
                log.warning("Asterisk refused a result: %s", error)

    def audio(self, data: bytes) -> None:
        if self._hearing is not None:
            self._hearing.audio(data, self._loop.time())

    @property
    def state(self) -> str:
        """The question's id and how it stands: waiting, speaking or over; "" for none."""
        return self._refused or (self._hearing.state if self._hearing is not None else "")

    def closed(self) -> None:
        """The connection is gone."""
        self._dead = True
        self._stop()

    def result(self, question: str, tag: Tag, final: Final = NOTHING) -> None:
        if self._dead or not self._accepted:
            return
        self._sent += 1
        self._send(aeap.results(f"r{self._sent}", question, tag, final.guesses))

    def _setup(self, request: aeap.Setup) -> None:
        """Always accepted: a refusal crashes Asterisk (`aeap.py`). Questions are refused."""
        language = request.params.get("language", "")
        self._defaults = replace(self._defaults, language=language)
        if aeap.CODEC not in request.codecs:
            self._useless = f"only {aeap.CODEC} is taken: write codecs=!all,{aeap.CODEC}"
            log.error("aeap.conf: %s", self._useless)
        self._accepted = True
        self._send(aeap.accept(request))

    def _set(self, request: aeap.Set) -> None:
        if not self._accepted:
            raise BadAeap("a `set` before `setup`")
        try:
            for name, value in request.params.items():
                self._set_one(name, value)
        except BadInput as error:
            log.warning("question refused: %s", error)
            self._stop()
            self._refused = f"refused: {error}"
            self._send(aeap.refuse(request, str(error)))
        else:
            self._send(aeap.done(request))

    def _set_one(self, name: str, value: str) -> None:
        match name:
            case "question":
                asked = Asked.from_json(value)
                phrases = (*self._phrases, *asked.phrases)
                self._phrases.clear()
                self._ask(replace(asked, phrases=phrases))
            case "phrases" if value.startswith("["):  # more than one message holds
                self._phrases += _listed(value)
            case "phrases":
                self._ask(replace(self._defaults, phrases=tuple(value.split("|"))))
            case "language":
                self._defaults = replace(self._defaults, language=value)
            case "barge_in":
                self._defaults = replace(self._defaults, barge_in=value in ("1", "true", "yes"))
            case "hangover" | "min_speech" | "max_speech":
                field = name.removesuffix("_speech")
                speech = replace(self._defaults.end_pointing, **{field: _ms(name, value)})
                self._defaults = replace(self._defaults, end_pointing=speech)
            case "dtmf":
                self._stop()

    def _ask(self, asked: Asked) -> None:
        self._stop()
        if self._useless:
            raise BadInput(self._useless)
        language = asked.language or self._defaults.language or next(iter(self._pool.languages()))
        phrases = check_phrases(asked.phrases, language)
        asked = replace(asked, language=language, phrases=phrases)
        self._hearing = Attention(asked, self._pool, self._floor, self.result)

    def _stop(self) -> None:
        if self._hearing is not None:
            self._hearing.stop()
            self._hearing = None
        self._refused = ""


def _listed(value: str) -> list[str]:
    try:
        phrases = json.loads(value)
    except ValueError as error:
        raise BadInput(f"phrases that are not a JSON list: {error}") from error
    if not all(isinstance(phrase, str) for phrase in phrases):
        raise BadInput("phrases must be texts")
    return list(phrases)


def _ms(name: str, value: str) -> int:
    try:
        return int(value)
    except ValueError as error:
        raise BadInput(f"{name} must be milliseconds, not {value[:20]!r}") from error
