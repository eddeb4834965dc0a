"""Callers who speak: how well and how fast they are understood, and how many at once.

    python -m bench.speech [--parts people,menu,outside,stop,peers,load] [--voices FOLDER]
                           [--items 120] [--callers 4] [--loads 10,20,40,80]

Recordings of people saying digits (8 kHz; ../shared/voices, SANTRAL_VOICES or --voices) and phrases
by espeak-ng are dialled in by SIP, through a real Asterisk, the listener's own process and AGI:

- accuracy, and words outside the menu that were rightly refused;
- from the end of speech to the engine's answer, beyond the end-pointer's hang-over;
- from the onset of speech to the prompt's silence at the caller's ear;

and then, on the listener alone, calls in real time until answers fall behind, with CPU and memory.
The peers in the same run are pocketsphinx on the same recordings, and Vosk's own end-pointer.

The four people of ../shared/voices are among those the small English model was trained on: the
share that is right says that nothing is lost on the way, not how strangers fare (the model's README
has that: 97.7% of two speakers it never heard, through mu-law).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.speech_load import load
from cti.asterisk import find_asterisk
from cti.softphone import Call
from ivr.agi.call import AgiCall
from ivr.audio import write_wav
from ivr.call import Heard, HeardKind, Keys, Question, Speech, Utterance
from ivr.speech.engines import EngineChoice, build
from ivr.speech.recogniser import Recogniser
from tests.e2e.speech import SpeechLine, SpokenPrompts, say, speech_line
from tests.ivr.speech import voices

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
MENU = ("sipariş durumu", "temsilci", "iptal", "kargo", "fatura", "ödeme", "iade", "ana menü")
OUTSIDE = ("merhaba nasılsınız", "bugün hava güzel", "bilmiyorum", "efendim", "pazartesi sabahı",
           "bir saniye lütfen", "alo duyuyor musunuz", "yeşil elma")  # fmt: skip
SPEAKERS = ("tr", "tr+m4", "tr+f3", "tr+klatt3", "tr+f2", "tr+m2")
PARTS = ("people", "menu", "outside", "stop", "peers", "load")
HANGOVER = 500
SURE = 0.5  # a confidence below this is asked again


@dataclass(frozen=True)
class Item:
    """One answer to give: the sound, and the words that are right ("" = none of the menu)."""

    sound: voices.Sound
    right: str
    words: tuple[str, ...]
    language: str

    @property
    def speech(self) -> tuple[float, float]:
        """Where speech begins and ends in the sound, in seconds: 30 dB below its peak."""
        loud = np.flatnonzero(np.abs(self.sound) > np.abs(self.sound).max() * 0.03)
        return loud[0] / 8000, (loud[-1] + 1) / 8000


@dataclass
class Tally:
    """What came of the items of one kind. Times in milliseconds."""

    asked: int = 0
    right: int = 0
    sure: int = 0
    wrong: list[str] = field(default_factory=list)
    late: list[float] = field(default_factory=list)

    def line(self, name: str) -> str:
        share = f"{self.right / max(1, self.asked):6.1%} of {self.asked}"
        return f"{name:42} {share}; answered after hang-over + {spread(self.late)}"


def spread(times: Sequence[float]) -> str:
    if len(times) < 2:
        return "(too few)"
    p95 = statistics.quantiles(times, n=20)[-1]
    return f"{statistics.median(times):.0f} ms (median), {p95:.0f} ms (95%)"


class Tone(SpokenPrompts):
    """A prompt that never pauses, so that its end can be told to the millisecond."""

    async def files(self, utterance: Utterance) -> tuple[Path, ...]:
        path = self._folder / "tone.wav"
        if not path.exists():
            time = np.arange(8000 * 20) / 8000
            write_wav(path, (8000 * np.sin(2 * np.pi * 1000 * time)).astype(np.int16))
        return (path,)


async def talk(line: SpeechLine, items: Sequence[Item]) -> list[tuple[Item, Heard, float]]:
    """One call: a question an item. Gives item, answer, and ms from end of speech to answer."""
    loop = asyncio.get_running_loop()
    heard: list[tuple[Heard, float]] = []
    asking, answered = asyncio.Event(), asyncio.Event()

    async def script(call: AgiCall) -> None:
        for item in items:
            asking.set()
            question = Question(
                None,
                Keys(first=8.0),
                item.words,
                speech=Speech(hangover=HANGOVER),
                language=item.language,
            )
            answer = await call.ask(question)
            heard.append((answer, loop.time()))
            answered.set()

    line.script = script
    line.done.clear()
    call = await line.dial()
    ends = []
    for item in items:
        await asking.wait()
        asking.clear()
        await call.pause(0.45)
        await call.play(item.sound.astype(np.int16))
        # What was played has left; its quiet tail is no speech.
        ends.append(loop.time() - (len(item.sound) / 8000 - item.speech[1]))
        async with asyncio.timeout(20):
            await answered.wait()
        answered.clear()
    await call.until_over(20)
    return [
        (item, answer, (at - end) * 1000 - HANGOVER)
        for item, end, (answer, at) in zip(items, ends, heard, strict=True)
    ]


def count(results: Sequence[tuple[Item, Heard, float]]) -> Tally:
    tally = Tally()
    for item, heard, late in results:
        text = heard.text if heard.kind is HeardKind.SPEECH and heard.confidence >= SURE else ""
        tally.asked += 1
        tally.right += text == item.right
        tally.late.append(late)
        if text != item.right:
            tally.wrong.append(f"{item.right or '(outside)'} -> {text or '(nothing)'}")
    return tally


async def understood(line: SpeechLine, items: Sequence[Item], callers: int) -> Tally:
    """All items, by so many callers one after the other: the machine is to be idle otherwise."""
    results = []
    for start in range(callers):
        results += await talk(line, items[start::callers])
    return count(results)


async def barge_in(line: SpeechLine, times: int) -> list[float]:
    """Milliseconds from the onset of speech to the end of the prompt at the caller's ear."""
    found = []
    question = Question(say("tone"), Keys(), MENU, speech=Speech(hangover=HANGOVER), language="tr")
    for number in range(times):
        line.ask(question)
        call = await line.dial()
        await call.pause(1.0 + 0.013 * number)
        item = Item(voices.spoken(MENU[number % len(MENU)], SPEAKERS[number % 6]), "", MENU, "tr")
        onset = call.clock() + item.speech[0]
        await call.play(item.sound.astype(np.int16), wait=False)
        await line.finish(call)
        found.append((last_sound(call, onset) - onset) * 1000)
    return found


def last_sound(call: Call, after: float) -> float:
    """When the tone was last heard, on the call's clock."""
    samples = np.abs(call.heard.astype(float))
    loud = np.flatnonzero(samples > 1000)
    return float(loud[-1] + 1) / 8000 if len(loud) else after


def digit_items(folder: str, limit: int) -> list[Item]:
    if folder:
        os.environ["SANTRAL_VOICES"] = folder
    recordings = voices.real_digits()
    step = max(1, len(recordings) // limit)
    return [
        Item(voices.wav(path), DIGITS[int(digit)], DIGITS, "en")
        for digit, path in recordings[::step][:limit]
    ]


def phrase_items(texts: Sequence[str], inside: bool, limit: int) -> list[Item]:
    pairs = [(text, speaker) for speaker in SPEAKERS for text in texts][:limit]
    return [
        Item(voices.spoken(text, speaker), text if inside else "", MENU, "tr")
        for text, speaker in pairs
    ]


async def offline(recogniser: Recogniser, items: Sequence[Item]) -> float:
    """The share an engine gets right without a telephone, but through its codec."""
    right = 0
    for item in items:
        hearing = await recogniser.listen(item.words)
        padded = np.concatenate([voices.silence(0.2), item.sound, voices.silence(0.3)])
        for frame in voices.frames(voices.over_the_telephone(padded)):
            await hearing.feed(frame)
        best = (await hearing.finish()).best
        right += best is not None and best.text == item.right
    return right / len(items)


async def stock_end(items: Sequence[Item]) -> list[float]:
    """Vosk's own end-pointer: milliseconds of audio from the end of speech to its decision."""
    recogniser = build(EngineChoice(), items[0].language)
    found = []
    for item in items:
        hearing = await recogniser.listen(item.words)
        lead = 0.2
        padded = np.concatenate([voices.silence(lead), item.sound, voices.silence(3)])
        for number, frame in enumerate(voices.frames(voices.over_the_telephone(padded))):
            partial = await hearing.feed(frame)
            at = (number + 1) * 0.02 - lead - item.speech[1]
            if partial is not None and partial.paused and at > 0:
                found.append(at * 1000)
                break
        await hearing.close()
    return found


async def dialled(folder: Path, options: argparse.Namespace, parts: Set[str]) -> None:
    """What is measured over the telephone; each line is printed when it is known."""
    few = min(options.items, 48)
    people = digit_items(options.voices, options.items) if parts & {"people", "peers"} else []
    inside = phrase_items(MENU, True, few)
    kinds = {
        "people": ("people saying digits, right", people),
        "menu": ("synthetic Turkish menu, right", inside),
        "outside": ("words outside the menu, refused", phrase_items(OUTSIDE, False, few)),
    }
    installation = None
    if parts & {*kinds, "stop"}:
        installation = await find_asterisk(options.state, print)
    if installation and parts & set(kinds):
        async with speech_line(installation, folder / "line") as line:
            await talk(line, inside[:2])  # the first call pays for what is loaded then
            for part, (name, items) in kinds.items():
                if part in parts:
                    tally = await understood(line, items, options.callers)
                    print(tally.line(name), "; ".join(tally.wrong[:8]), flush=True)
    if installation and "stop" in parts:
        async with speech_line(installation, folder / "tone", prompts=Tone) as line:
            stops = await barge_in(line, 30)
        within = sum(stop <= 200 for stop in stops) / len(stops)
        name = "onset of speech -> prompt silent"
        print(f"{name:42} {spread(stops)}; within 200 ms: {within:.0%}", flush=True)
    if "peers" in parts:
        sphinx = await offline(build(EngineChoice("pocketsphinx"), "en"), people)
        vosk = await offline(build(EngineChoice(), "en"), people)
        print(f"{'peer: pocketsphinx, the same digits':42} {sphinx:6.1%} (Vosk offline {vosk:.1%})")
        stock = await stock_end(inside)
        name = "peer: the end by Vosk itself, in audio"
        print(f"{name:42} {spread(stock)}; ours: the hang-over of {HANGOVER} ms and the above")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--voices", default="", help="a folder of recordings, DIGIT_SPEAKER_TAKE")
    parser.add_argument("--items", type=int, default=120, help="recordings of people to dial in")
    parser.add_argument("--callers", type=int, default=4, help="calls they are spread over")
    parser.add_argument("--loads", default="10,20,40,80", help="calls at once on the listener")
    parser.add_argument("--workers", type=int, default=1, help="recogniser processes under load")
    parser.add_argument("--state", type=Path, default=Path(".santral"), help="where Asterisk is")
    parser.add_argument(
        "--parts", default=",".join(PARTS), help="which to measure, in any order (%(default)s)"
    )
    options = parser.parse_args(arguments)
    parts = frozenset(options.parts.split(","))
    if unknown := parts - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}: {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(dialled(Path(folder), options, parts))
    if "load" in parts:
        asyncio.run(load([int(one) for one in options.loads.split(",")], options.workers))


if __name__ == "__main__":
    main()
