"""How a question is asked over AGI when keys answer it: at most two round trips.

- One file (a fixed prompt, joined with the silence behind it): `GET DATA` does it all in one.
- One key, several files: `EXEC Background` (a key cuts it) and, at its end, `WAIT FOR DIGIT`.
- Several keys, several files: `EXEC Read` of the files and a silence of (first - between) seconds,
  so that both waits are right with one time-out, then `GET FULL VARIABLE`. Keys that begin before
  the last file are timed by TIMEOUT(digit), so that is set where it differs, once.
- A secret answer is always read with `GET DATA`: Read leaves the keys in a channel variable and in
  Asterisk's log. Finish keys other than `#` go key by key then.
- Keys typed ahead answer first; when they are all that is needed nothing is sent.

More than two: several keys after a prompt that cannot be interrupted, with a finish key other than
`#` (three); a secret with such a key (one for each key), or with `#` among its keys (one for each
`#`); a finish key that still belonged to the answer before (the question is put again); prompts too
long for one line.

`GET DATA` stops at `#` whatever was asked for; where `#` is a key like others it goes on after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivr.agi import commands
from ivr.agi.sound import Sound
from ivr.call import Heard, HeardKind, Keys, Played, Question
from ivr.errors import CallerHungUp, PromptUnavailable

if TYPE_CHECKING:
    from ivr.agi.call import AgiCall

VARIABLE = "SANTRAL_KEYS"
_READ_RESULT = "${READSTATUS}|${" + VARIABLE + "}"


async def ask(call: AgiCall, question: Question) -> Heard:
    """Ask by keys alone. Without keys the prompt is played and nothing is heard.

    The answer is what was keyed, even when that is less than `keys.min`: judging is the asker's. A
    finish key alone is an empty answer with `finished` set. Keys beyond the answer stay pending.
    """
    keys = question.keys
    if keys is None:
        sound = await call.sound(question.utterance)
        await call.play_through(sound)
        return Heard(HeardKind.NOTHING, secret=question.secret, played=Played(sound.ms))
    answer = Answer(keys)
    answer.take_pending(call)
    sound = Sound()
    if not (question.barge_in and answer.begun):
        sound = await call.sound(question.utterance, _tail(keys), one=question.barge_in)
        answer.take_pending(call)
    if question.barge_in and answer.begun:
        played = Played(0, interrupted=True)
        await _read_more(call, question, answer, Sound())
    elif keys.max == 1:
        played = await _ask_key(call, question, answer, sound)
    else:
        played = await _ask_digits(call, question, answer, sound)
    if keys.finish and answer.complete and not answer.ended:
        call.expect_stray(keys.finish, keys.between)
    kind = HeardKind.KEYS if answer.begun else HeardKind.NOTHING
    text, finished = answer.text, answer.finished
    return Heard(kind, text, secret=question.secret, finished=finished, played=played)


def _tail(keys: Keys) -> float:
    """Seconds of silence behind the prompt so that one time-out serves for all keys."""
    return max(0.0, keys.first - keys.between) if keys.max > 1 else 0.0


class Answer:
    """The keys of one answer as they come in.

    `finished`: a finish key made it complete; `ended`: one came, perhaps behind a full answer.
    """

    __slots__ = ("ended", "finished", "keys", "text")

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self.text = ""
        self.finished = False
        self.ended = False

    @property
    def begun(self) -> bool:
        return self.finished or self.text != ""

    @property
    def complete(self) -> bool:
        return self.finished or len(self.text) >= self.keys.max

    @property
    def room(self) -> int:
        return self.keys.max - len(self.text)

    def add(self, typed: str) -> str:
        """Take keys up to the end of the answer; the rest is given back."""
        for count, key in enumerate(typed):
            if self.complete:
                return typed[count:]
            if key in self.keys.finish:
                self.finished = self.ended = True
            else:
                self.text += key
        return ""

    def take(self, call: AgiCall, typed: str) -> None:
        """Take keys that have just come; those beyond the answer stay pending."""
        call.pending = typed + call.pending
        self.take_pending(call)

    def take_pending(self, call: AgiCall) -> None:
        """Take what was typed ahead, with the finish key behind an answer that is full already."""
        left = self.add(call.pending)
        if self.complete and not self.ended and left[:1] in tuple(self.keys.finish):
            self.ended = True
            left = left[1:]
        call.pending = left


async def _ask_key(call: AgiCall, question: Question, answer: Answer, sound: Sound) -> Played:
    keys = answer.keys
    if question.barge_in and len(sound.names) == 1:
        began = call.time()
        await _get_data(call, answer, sound, keys.first)
        return _estimate(call, began, sound, answer)
    played = await _play(call, question, sound, answer)
    if not answer.complete:
        answer.take(call, await call.listen(keys.first))
    return played


async def _ask_digits(call: AgiCall, question: Question, answer: Answer, sound: Sound) -> Played:
    if question.barge_in and (len(sound.names) == 1 or not question.secret):
        began = call.time()
        await _read_more(call, question, answer, sound)
        return _estimate(call, began, sound, answer)
    cut = len(sound.names) - (1 if _tail(answer.keys) else 0)
    prompt, silence = sound.names[:cut], sound.names[cut:]
    played = await _play(call, question, Sound(prompt, sound.prompt_ms, sound.prompt_ms), answer)
    rest = Sound(silence, sound.ms - sound.prompt_ms) if not answer.begun else Sound()
    await _read_more(call, question, answer, rest)
    return played


def _estimate(call: AgiCall, began: float, sound: Sound, answer: Answer) -> Played:
    """How much was heard of a prompt that was played and answered in one command.

    Exact for one key; with several the time it took to key them counts in.
    """
    ms = int((call.time() - began) * 1000)
    return Played(min(ms, sound.prompt_ms), interrupted=answer.begun and ms < sound.prompt_ms)


async def _play(call: AgiCall, question: Question, sound: Sound, answer: Answer) -> Played:
    if not question.barge_in:
        await call.play_through(sound)
        return Played(sound.ms)
    key, ms = await call.play(sound)
    answer.take(call, key)
    return Played(ms, interrupted=bool(key))


async def _read_more(call: AgiCall, question: Question, answer: Answer, sound: Sound) -> None:
    """Play `sound` and read what is missing of the answer, the shortest way there is."""
    keys = answer.keys
    if answer.complete:
        return
    if keys.finish in ("", "#") and len(sound.names) <= 1 and (keys.finish or question.secret):
        await _get_data(call, answer, sound, keys.between)
    elif question.secret:
        await _key_by_key(call, answer, sound)
    else:
        await _read(call, answer, sound)


async def _get_data(call: AgiCall, answer: Answer, sound: Sound, wait: float) -> None:
    while not answer.complete:
        line = commands.get_data("".join(sound.names), answer.room, wait)
        reply = await call.command(line, sound.ms / 1000 + wait * answer.room, sound)
        by_hash = reply.data != "timeout" and len(reply.result) < answer.room
        # `#` is the end of the answer or, where it ends nothing, a key like others.
        typed = call.pressed.heard(reply.result + "#" if by_hash else reply.result)
        if typed == "#" and call.is_stray("#"):
            continue
        if reply.data == "timeout":
            typed += call.pressed.lost()
        if typed:
            call.note_keys()
        answer.take(call, typed)
        if reply.data == "timeout":
            return
        sound = Sound()


async def _read(call: AgiCall, answer: Answer, sound: Sound) -> None:
    keys = answer.keys
    *first, last = commands.batches(sound.names) or [()]
    for run in first:  # more sounds than one command holds
        key, _ = await call.play(sound._replace(names=run))
        answer.take(call, key)
        if answer.complete:
            return
        if key:
            last = ()
            break
    if len(last) > 1:
        await call.set_digit_timeout(keys.between)
    sound = sound._replace(names=last)
    while not answer.complete:
        status, told = await _read_once(call, answer, sound)
        by_finish = status == "OK" and len(told) < answer.room
        typed = call.pressed.heard(told, keys.finish if by_finish else "")
        only_finish = by_finish and len(keys.finish) == 1 and typed in ("", keys.finish)
        if only_finish and call.is_stray(keys.finish):
            continue
        if status != "OK":
            typed += call.pressed.lost()
        if typed or by_finish:
            call.note_keys()
        answer.take(call, typed)
        if by_finish and not answer.complete:
            answer.finished = answer.ended = True
        if status != "OK":
            return
        sound = Sound()


async def _read_once(call: AgiCall, answer: Answer, sound: Sound) -> tuple[str, str]:
    """READSTATUS and the keys, finish key not included."""
    keys = answer.keys
    began = call.time()
    line = commands.read(VARIABLE, sound.names, answer.room, keys.finish, keys.between)
    await call.command(line, sound.ms / 1000 + keys.between * answer.room)
    reply = await call.command(commands.get_full_variable(_READ_RESULT))
    status, _, typed = reply.data.partition("|")
    if status == "HANGUP":
        raise CallerHungUp
    # Read passes over a file that is not there, and says ERROR only when it is the last.
    least_ms = sound.ms - sound.prompt_ms / 2 + keys.between * 1000
    skipped = not typed and status == "TIMEOUT" and (call.time() - began) * 1000 < least_ms
    if status not in ("OK", "TIMEOUT") or skipped:
        raise PromptUnavailable(f"Asterisk cannot play {' or '.join(sound.names)}.")
    return status, typed


async def _key_by_key(call: AgiCall, answer: Answer, sound: Sound) -> None:
    key, _ = await call.play(sound)
    while True:
        answer.take(call, key)
        if answer.complete:
            return
        key = await call.listen(answer.keys.between)
        if not key:
            return
