"""Asterisk's external application protocol for speech, as messages. Pure.

Source: Asterisk 22, res/res_speech_aeap.c and res/res_aeap/. JSON text messages are requests and
responses both ways, binary messages are audio. What matters for whoever answers:

- Asterisk waits for the response to `setup`, `set` and `get` in the caller's thread, for one second
  at most; a caller hears nothing meanwhile.
- A `setup` must never be refused, nor answered late: Asterisk then frees the call's speech object
  but keeps the connection, whose end, whenever it comes, touches the freed object. Seen as a crash
  of Asterisk 22.10.1. Whoever cannot serve refuses the WebSocket itself, by HTTP: that is safe.
- A connection may end only while no audio is written to it. A write that fails takes the locks of
  res/res_aeap/transport.c the other way round than the thread that reads: a caller's channel stays
  in `SpeechBackground` for ever. A result ends that application, and with it the audio: `gone`.
- Results sent while no SpeechBackground runs are lost: it clears what it finds (ast_speech_start).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from ivr.call import Guess
from ivr.errors import BadAeap, BadInput
from ivr.speech.vad import EndPointing

PROTOCOL = "speech_to_text"  # the WebSocket sub-protocol
CODEC = "slin"  # 8 kHz signed linear; the one codec without bugs on Asterisk's side
LONGEST = 32_000  # bytes in one text message; Asterisk's buffer
SURE = 1000  # the score of a confidence of 1; what Asterisk itself gives a key


class Tag(StrEnum):
    """The `grammar` of a result: what kind of ending it is."""

    BARGEIN = "BARGEIN"  # somebody began to speak; the end is still to come
    SPEECH = "SPEECH"  # words, best first
    NOMATCH = "NOMATCH"  # speech, but nothing that was expected
    NOISE = "NOISE"  # too short to be a word; the same question goes on being listened to
    TOOMUCH = "TOOMUCH"  # they talked longer than the question allows
    ERROR = "ERROR"  # the recogniser broke
    GONE = "GONE"  # the listener goes away: nothing more is to be written to it


@dataclass(frozen=True, slots=True)
class Setup:
    id: str
    codecs: tuple[str, ...]
    params: Mapping[str, str]
    name = "setup"


@dataclass(frozen=True, slots=True)
class Set:
    id: str
    params: Mapping[str, str]
    name = "set"


@dataclass(frozen=True, slots=True)
class Get:
    id: str
    names: tuple[str, ...]
    name = "get"


@dataclass(frozen=True, slots=True)
class Response:
    """Asterisk's answer to a request of ours; `error` is empty when it was done."""

    id: str
    name: str
    error: str


Request = Setup | Set | Get


def parse(text: str) -> Request | Response:
    """One text message of Asterisk's. Raises `BadAeap`."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise BadAeap(f"a message that is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise BadAeap("a message that is not a JSON object")
    if "response" in data:
        return Response(_text(data, "id"), _text(data, "response"), str(data.get("error_msg", "")))
    kind, number = data.get("request"), _text(data, "id")
    params = data.get("params")
    if kind == "get" and isinstance(params, list):
        return Get(number, tuple(map(str, params)))
    if kind in ("setup", "set") and (params is None or isinstance(params, dict)):
        values = {str(name): _value(value) for name, value in (params or {}).items()}
        if kind == "set":
            return Set(number, values)
        codecs = data.get("codecs")
        listed = codecs if isinstance(codecs, list) else []
        names = (one.get("name") for one in listed if isinstance(one, dict))
        return Setup(number, tuple(name for name in names if isinstance(name, str)), values)
    raise BadAeap(f"a request that is not known here: {str(kind)[:40]!r}")


def accept(setup: Setup) -> str:
    """With the first codec offered: another one would count as a refusal."""
    codec = CODEC if CODEC in setup.codecs else next(iter(setup.codecs), CODEC)
    return _dump({"response": "setup", "id": setup.id, "codecs": [{"name": codec}]})


def done(request: Set) -> str:
    return _dump({"response": "set", "id": request.id})


def refuse(request: Request, why: str) -> str:
    return _dump({"response": request.name, "id": request.id, "error_msg": why})


def tell(request: Get, value: str) -> str:
    """Answer a `get` of one name; `results` are never waiting here."""
    name = request.names[0] if request.names else ""
    answer: Any = [] if name == "results" else value
    return _dump({"response": "get", "id": request.id, "params": {name: answer}})


def results(number: str, question: str, tag: Tag, guesses: Iterable[Guess] = ()) -> str:
    """The result of a question: its n-best, or one empty entry that carries the tag."""
    grammar = f"{tag}:{question}" if question else str(tag)
    entries = [
        {
            "text": guess.text,
            "score": round(guess.confidence * SURE),
            "grammar": grammar,
            "best": place,
        }
        for place, guess in enumerate(guesses)
    ]
    empty = {"text": "", "score": 0, "grammar": grammar, "best": 0}
    return _dump({"request": "set", "id": number, "params": {"results": entries or [empty]}})


def gone() -> str:
    """Said to everybody before a connection ends: who listens is told so, and stops."""
    return results("gone", "", Tag.GONE)


@dataclass(frozen=True, slots=True)
class Asked:
    """One question as the engine tells it to the listener: the value of SPEECH_ENGINE(question).

    `id` comes back with every result; `barge_in` asks for a BARGEIN result at the first sound.
    """

    id: str = ""
    language: str = ""
    phrases: tuple[str, ...] = ()
    end_pointing: EndPointing = field(default_factory=EndPointing)
    barge_in: bool = False

    def to_json(self) -> str:
        return _dump(
            {
                "id": self.id,
                "language": self.language,
                "phrases": self.phrases,
                "speech": asdict(self.end_pointing),
                "barge_in": self.barge_in,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Asked:
        """Raises `BadInput`."""
        try:
            data = json.loads(text)
            phrases = data.get("phrases", [])
            if not isinstance(phrases, list) or not all(isinstance(one, str) for one in phrases):
                raise TypeError("phrases must be a list of texts")
            speech = {str(name): int(ms) for name, ms in data.get("speech", {}).items()}
            return cls(
                str(data.get("id", "")),
                str(data.get("language", "")),
                tuple(phrases),
                EndPointing(**speech),
                bool(data.get("barge_in", False)),
            )
        except (ValueError, TypeError, AttributeError, OverflowError) as error:
            raise BadInput(f"a question that cannot be read: {error}") from error


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise BadAeap(f"a message without {name!r}")
    return value


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _dump(data: Mapping[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
