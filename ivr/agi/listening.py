"""Questions that speech may answer, over AGI: `EXEC SpeechBackground` and our listener behind it.

The course of a question, keys and speech together (the ways of Asterisk are in apps/app_speech_
utils.c and res/res_speech_aeap.c):

1. Once per call `SpeechCreate` connects the channel to the listener.
2. `SET VARIABLE SPEECH_ENGINE(question)` tells the listener what to expect.
3. `SpeechBackground` plays the prompt. It ends with a key, when the time for the first word is
   over, or with a result: BARGEIN at the first sound. The prompt stops with it.
4. After BARGEIN a second `SpeechBackground` goes on listening, now with the time that the longest
   answer may take.

SPEECH_DTMF_MAXLEN is 1: the first key ends it, and the rest of the keys are read as in a question
without speech, with its times. Asterisk cannot tell a recogniser that died from a caller who is
silent, so that is asked afterwards: only a living one answers `SPEECH_ENGINE(question)`.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol
from weakref import WeakKeyDictionary

from ivr.agi import commands, questions
from ivr.agi.protocol import LONGEST_COMMAND
from ivr.agi.sound import Sound, sound_name
from ivr.call import Guess, Heard, HeardKind, Played, Question, Speech, Trouble
from ivr.errors import ReplyOverdue
from ivr.speech.aeap import SURE, Asked, Tag
from ivr.speech.vad import EndPointing

if TYPE_CHECKING:
    from ivr.agi.call import AgiCall

log = logging.getLogger(__name__)

GUESSES = 3
LATE = 3.0  # seconds beyond the longest answer in which a result must come
HASTE = 200  # milliseconds by which our clock and Asterisk's may differ in one command
NOISES = 3  # sounds too short to be words in one question, before it counts as silence
CONNECT = 3.0  # seconds for SpeechCreate
SPEAKING = "speaking"
KEY = "key"
_ROOM = LONGEST_COMMAND // 2
_STEP = 0.05  # seconds: the least silence that makes Asterisk look at its time-out
# The dot: Asterisk complains in its log when it is to encode nothing.
_GUESS = "|${{SPEECH_SCORE({0})}}|${{BASE64_ENCODE(.${{SPEECH_TEXT({0})}})}}"
_RESULT = commands.get_full_variable(
    "${SPEECH(status)}|${SPEECH(results)}|${SPEECH_GRAMMAR(0)}"
    + "".join(_GUESS.format(place) for place in ("0", *(f"{n}/0" for n in range(1, GUESSES))))
)
_STATE = commands.get_full_variable("${SPEECH_ENGINE(question)}")
_CREATED = commands.get_full_variable("${ERROR}|${SPEECH(status)}")
_KEYS = commands.set_variables({"SPEECH_DTMF_MAXLEN": "1", "SPEECH_DTMF_TERMINATOR": ""})


class SpeechHealth(Protocol):
    """What the engine knows of its listener (`ivr/speech/supervisor.py`)."""

    @property
    def ready(self) -> bool: ...

    def languages(self) -> dict[str, str]: ...


@dataclass(slots=True)
class _Line:
    """What is set up on one call's channel."""

    created: bool = False
    broken: bool = False
    asked: int = 0


class _Result(NamedTuple):
    """One reading of Asterisk's speech object; `tag` is "" when there was no result.

    `in_time` is False when Asterisk gave up before the time was over: the listener is gone.
    """

    tag: str = ""
    question: str = ""
    guesses: tuple[Guess, ...] = ()
    in_time: bool = True
    played_to: bool = False  # a key during what was played without listening


class SpeechQuestions:
    """Asks with speech wherever the listener is up, and with keys alone wherever it is not.

    `engine` is the name in aeap.conf with the language in it; `stuck` is called when a channel has
    not come back from a speech application in its time.
    """

    def __init__(
        self,
        health: SpeechHealth,
        engine: str = "santral-{language}",
        stuck: Callable[[], None] = lambda: None,
    ) -> None:
        self._health = health
        self._engine = engine
        self._stuck = stuck
        self._lines: WeakKeyDictionary[AgiCall, _Line] = WeakKeyDictionary()

    async def ask(self, call: AgiCall, question: Question) -> Heard:
        if call.pending and question.barge_in and question.keys is not None:
            return await questions.ask(call, question)
        speech = question.speech or Speech()
        language = _language(call, question)
        with self._watched():
            if not await self._open(call, language):
                return await _by_keys_alone(call, question)
            return await _Asking(call, question, speech, language, self._lines[call]).run()

    async def leave(self, call: AgiCall) -> None:
        line = self._lines.pop(call, None)
        if line is not None and line.created:
            with self._watched():
                await call.command(commands.SPEECH_DESTROY)

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except ReplyOverdue:
            self._stuck()
            raise

    async def _open(self, call: AgiCall, language: str) -> bool:
        """Connect the channel to the listener, unless it is; False when that cannot be."""
        line = self._lines.setdefault(call, _Line())
        if line.created and line.broken:
            await call.command(commands.SPEECH_DESTROY)
            line.created = False
        if not self._health.ready or language not in self._health.languages():
            return False
        if line.created:
            return True
        await call.command(commands.speech_create(self._engine.format(language=language)), CONNECT)
        reply = await call.command(_CREATED)
        error, _, status = reply.data.partition("|")
        if error or status != "1":
            log.warning("call %s: Asterisk could not reach the speech listener", call.info.id)
            return False
        await call.command(_KEYS)
        line.created, line.broken = True, False
        return True


class _Asking:
    """One question in its course."""

    def __init__(
        self, call: AgiCall, question: Question, speech: Speech, language: str, line: _Line
    ) -> None:
        self._call = call
        self._question = question
        self._speech = speech
        self._language = language
        self._line = line
        self._played = Played(0)
        line.asked += 1
        self._id = str(line.asked)

    async def run(self) -> Heard:
        call, question = self._call, self._question
        sound = await call.sound(question.utterance)
        if not self._speech.barge_in:
            await self._play_first(sound)
            sound = Sound()
        if not call.pending:
            await self._tell()
        heard = await (self._read_keys() if call.pending else self._listen(sound))
        return replace(heard, secret=question.secret, played=self._played)

    async def _play_first(self, sound: Sound) -> None:
        """The prompt alone, when speech may not cut it; a key that may is left pending."""
        if not self._question.barge_in or self._question.keys is None:
            await self._call.play_through(sound)
            self._played = Played(sound.ms)
            return
        key, ms = await self._call.play(sound)
        self._call.pending += key
        self._played = Played(ms, interrupted=bool(key))

    async def _tell(self) -> None:
        """Tell the listener the question: as many phrases ahead as do not fit into one command."""
        speech = self._speech
        *ahead, last = _portions(self._question.words)
        for phrases in ahead:
            told = json.dumps(phrases, ensure_ascii=False)
            await self._call.command(commands.speech_set("phrases", told))
        pointing = EndPointing(speech.hangover, speech.min, speech.max)
        asked = Asked(self._id, self._language, tuple(last), pointing, barge_in=True)
        await self._call.command(commands.speech_set("question", asked.to_json()))

    async def _listen(self, sound: Sound) -> Heard:
        """Until keys, an answer, silence, or the end of the recogniser."""
        keys = self._question.keys
        first = self._speech.first if keys is None else keys.first
        for _ in range(NOISES + 1):
            result = await self._background(sound, first)
            sound = Sound()
            if not result.tag and self._late():
                return await self._read_keys()
            if not result.tag:
                state = await self._state() if result.in_time else None
                if state is None:
                    return self._lost("it is gone")
                if state != SPEAKING:
                    return Heard(HeardKind.NOTHING)
            if result.tag in ("", Tag.BARGEIN):
                result = await self._background(sound, self._longest)
            if result.tag == KEY and not self._is_answer(result):
                continue
            if not result.tag and self._late():
                return await self._read_keys()
            if result.tag != Tag.NOISE:
                return await self._heard(result)
        return Heard(HeardKind.NOTHING)

    @property
    def _longest(self) -> float:
        """Seconds from the first sound within which there must be a result."""
        return (self._speech.max + self._speech.hangover) / 1000 + LATE

    async def _background(self, sound: Sound, wait: float) -> _Result:
        call = self._call
        began = call.time()
        for run in commands.batches(sound.names)[:-1]:  # more than one command holds
            key, _ = await call.play(Sound(run, sound.ms))
            if key:
                return _Result(KEY, guesses=(Guess(key, 1.0),), played_to=True)
        last = commands.batches(sound.names)[-1:] or [_silence(call)]
        await call.command(commands.speech_background(last[0], wait), sound.ms / 1000 + wait)
        ms = int((call.time() - began) * 1000)
        if sound.names:
            self._played = Played(min(ms, sound.ms), interrupted=ms < sound.ms)
        reply = await call.command(_RESULT)
        result = _read(reply.data)
        if result is None:
            await call.check_up()
            self._line.created = False
            return _Result(Tag.ERROR)
        if result.question not in ("", self._id):  # of a question before
            result = _Result()
        return result._replace(in_time=ms >= sound.ms + wait * 1000 - HASTE)

    async def _state(self) -> str | None:
        """What the listener says of this question; None when it does not know it any more."""
        reply = await self._call.command(_STATE)
        number, _, state = reply.data.partition(" ")
        return state if number == self._id else None

    def _is_answer(self, result: _Result) -> bool:
        """Whether there is a key that is meant for this question; then it is pending."""
        call = self._call
        keys = result.guesses[0].text
        if not result.played_to:
            keys = call.not_stray(call.pressed.heard(keys))
        if self._question.keys is None:
            return False
        call.pending = keys + call.pending
        return keys != ""

    def _late(self) -> bool:
        """Whether keys were pressed that no command told of; then they are pending."""
        if self._question.keys is None:
            return False
        self._call.pending += self._call.pressed.lost()
        return self._call.pending != ""

    async def _heard(self, result: _Result) -> Heard:
        match result.tag:
            case "key":
                return await self._read_keys()
            case Tag.SPEECH:
                best, *others = result.guesses
                return Heard(HeardKind.SPEECH, best.text, best.confidence, tuple(others))
            case Tag.NOMATCH:
                return Heard(HeardKind.SPEECH, confidence=0.0, trouble=Trouble.NO_MATCH)
            case Tag.TOOMUCH:
                return Heard(
                    HeardKind.SPEECH,
                    confidence=0.0,
                    alternatives=tuple(guess for guess in result.guesses if guess.text),
                    trouble=Trouble.TOO_MUCH,
                )
            case Tag.ERROR:  # a recogniser broke, not the listener
                return Heard(HeardKind.NOTHING, trouble=Trouble.SPEECH_DOWN)
            case Tag.GONE:
                return self._lost("it goes away")
            case _:
                return self._lost("it gave no result in time")

    def _lost(self, why: str) -> Heard:
        """The listener failed us in mid-question: the channel is to be connected anew."""
        log.warning("call %s: speech is lost: %s", self._call.info.id, why)
        self._line.broken = True
        return Heard(HeardKind.NOTHING, trouble=Trouble.SPEECH_DOWN)

    async def _read_keys(self) -> Heard:
        """The keys that are pending, and the rest of them as in a question without speech."""
        rest = replace(self._question, utterance=None, barge_in=True, flush=False)
        return await questions.ask(self._call, rest)


async def _by_keys_alone(call: AgiCall, question: Question) -> Heard:
    heard = await questions.ask(call, question)
    return replace(heard, trouble=Trouble.SPEECH_DOWN)


def _language(call: AgiCall, question: Question) -> str:
    spoken = question.utterance.language if question.utterance is not None else ""
    return question.language or spoken or call.info.language


def _silence(call: AgiCall) -> tuple[str, ...]:
    return (sound_name(call.prompts.silence(_STEP)),)


def _portions(words: tuple[str, ...]) -> list[list[str]]:
    """The phrases in lists that each fit into one command; at least one list."""
    portions: list[list[str]] = [[]]
    room = _ROOM
    for word in words:
        size = len(json.dumps(word, ensure_ascii=False).encode()) + 5  # quotes are escaped again
        if size > room and portions[-1]:
            portions.append([])
            room = _ROOM
        portions[-1].append(word)
        room -= size
    return portions


def _read(data: str) -> _Result | None:
    """What one reading says; None when the channel has no speech object any more."""
    status, count, grammar, *pairs = (*data.split("|"), "", "")
    if status != "1":
        return None
    if not count.isdecimal() or count == "0":
        return _Result()
    scored = list(zip(pairs[::2], pairs[1::2], strict=False))[: int(count)]
    guesses = tuple(_guess(*pair) for pair in scored)
    if grammar == "dtmf":
        return _Result(KEY, "", guesses)
    tag, _, question = grammar.partition(":")
    return _Result(tag, question, guesses)


def _guess(score: str, text: str) -> Guess:
    try:
        spoken = base64.b64decode(text, validate=True).decode().removeprefix(".")
    except (binascii.Error, UnicodeDecodeError):
        spoken = ""
    share = int(score) / SURE if score.isdecimal() else 0.0
    return Guess(spoken, min(1.0, share))
