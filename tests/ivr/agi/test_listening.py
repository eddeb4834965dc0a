"""Questions that speech may answer, against the fake Asterisk: what is sent, what is understood."""

from __future__ import annotations

import base64
import json
from collections import deque
from dataclasses import replace
from typing import cast

import pytest

from ivr.agi.call import AgiCall
from ivr.agi.listening import SpeechQuestions, _Line, _portions, _read
from ivr.agi.protocol import Reply
from ivr.call import Guess, Heard, HeardKind, Keys, Question, Speech, Trouble
from ivr.errors import ReplyOverdue
from tests.ivr.agi.conftest import Bench, spoken

MENU = Question(spoken("menu"), Keys(first=4.0), ("evet", "hayır"))
CREATED = b"200 result=1 (|1)\n"
DONE = b"200 result=0\n"


class Health:
    """What the engine knows of its listener."""

    def __init__(self, ready: bool = True) -> None:
        self.ready = ready

    def languages(self) -> dict[str, str]:
        return {"tr": "vosk"}


def reading(grammar: str, *guesses: tuple[str, int]) -> bytes:
    """What Asterisk says to the reading of its speech object."""
    padded = [*guesses, ("", 0), ("", 0), ("", 0)][:3]
    parts = [
        part
        for text, score in padded
        for part in (str(score or ""), base64.b64encode(f".{text}".encode()).decode())
    ]
    return f"200 result=1 (1|{len(guesses)}|{grammar}|{'|'.join(parts)})\n".encode()


def test_a_reading_of_the_speech_object() -> None:
    data = reading("SPEECH:3", ("evet", 934), ("hayır | $", 20)).decode()
    found = _read(data[data.index("(") + 1 : data.rindex(")")])
    assert found is not None
    assert (found.tag, found.question) == ("SPEECH", "3")
    assert found.guesses == (Guess("evet", 0.934), Guess("hayır | $", 0.02))
    assert _read("0|0||||||||") is None
    assert _read("") is None
    nothing = _read("1|0||||||||")
    assert nothing is not None
    assert nothing.tag == ""
    key = _read(f"1|1|dtmf|1000|{base64.b64encode(b'.5').decode()}|||")
    assert key is not None
    assert (key.tag, key.guesses[0].text) == ("key", "5")


def test_phrases_are_cut_so_that_each_command_fits() -> None:
    words = tuple(f"çok uzun bir sipariş {number}" for number in range(400))
    portions = _portions(words)
    assert [word for portion in portions for word in portion] == list(words)
    assert len(portions) > 1
    quoted = [json.dumps(json.dumps(one, ensure_ascii=False)) for one in portions]
    assert all(len(one.encode()) < 8000 for one in quoted)
    assert _portions(()) == [[]]


async def test_keys_alone_when_the_listener_is_down(bench: Bench) -> None:
    async def handler(call: AgiCall) -> Heard:
        call._listener = SpeechQuestions(Health(ready=False))
        return await call.ask(MENU)

    fake = await bench.dial(handler)
    await fake.played("menu")
    fake.press("1")
    heard = await bench.result()
    assert (heard.kind, heard.text, heard.trouble) == (HeardKind.KEYS, "1", Trouble.SPEECH_DOWN)
    assert not any("Speech" in line for line in fake.lines)


async def test_keys_alone_in_a_language_nobody_hears(bench: Bench) -> None:
    async def handler(call: AgiCall) -> Heard:
        call._listener = SpeechQuestions(Health())
        return await call.ask(replace(MENU, language="de"))

    fake = await bench.dial(handler)
    await fake.played("menu")
    fake.press("1")
    assert (await bench.result()).trouble is Trouble.SPEECH_DOWN


async def test_no_speech_where_the_question_wants_none(bench: Bench) -> None:
    async def handler(call: AgiCall) -> Heard:
        call._listener = SpeechQuestions(Health())
        return await call.ask(replace(MENU, speech=None))

    fake = await bench.dial(handler)
    await fake.played("menu")
    fake.press("1")
    heard = await bench.result()
    assert (heard.text, heard.trouble) == ("1", None)


class Answers:
    """A handler whose Asterisk gives these readings, in order."""

    def __init__(self, bench: Bench, *readings: bytes, created: bytes = CREATED) -> None:
        self.bench = bench
        self.replies = deque([created, *readings])
        self.variables: dict[str, str] = {}

    async def ask(self, *asked: Question) -> tuple[list[Heard], list[str]]:
        questions = SpeechQuestions(Health())

        async def handler(call: AgiCall) -> list[Heard]:
            call._listener = questions
            heard = [await call.ask(question) for question in asked]
            await call.hangup()
            return heard

        dialled = await self.bench.dial(handler)
        dialled.replies["GET FULL VARIABLE"] = self.replies
        dialled.variables.update(self.variables)
        dialled.replies["EXEC"] = deque([DONE] * 20)
        heard = await self.bench.result()
        await dialled.ended.wait()
        return heard, dialled.lines


async def test_barge_in_then_words(bench: Bench) -> None:
    answers = Answers(
        bench,
        reading("BARGEIN:1", ("", 0)),
        reading("SPEECH:1", ("hayır", 870), ("evet", 100)),
    )
    (heard,), lines = await answers.ask(MENU)
    assert (heard.kind, heard.text, heard.confidence) == (HeardKind.SPEECH, "hayır", 0.87)
    assert heard.alternatives == (Guess("evet", 0.1),)
    verbs = [" ".join(line.split()[:2]) for line in lines]
    assert verbs == [
        "EXEC SpeechCreate",
        "GET FULL",
        "EXEC MSet",
        "SET VARIABLE",
        "EXEC SpeechBackground",
        "GET FULL",
        "EXEC SpeechBackground",
        "GET FULL",
        "EXEC SpeechDestroy",
        "EXEC MSet",
    ]
    assert lines[3].startswith('SET VARIABLE "SPEECH_ENGINE(question)" ')
    assert lines[4] == "EXEC SpeechBackground /s/menu,4"


async def test_the_second_question_needs_no_new_connection(bench: Bench) -> None:
    answers = Answers(bench, reading("SPEECH:1", ("evet", 900)), reading("NOMATCH:2", ("", 0)))
    (first, second), lines = await answers.ask(MENU, MENU)
    assert first.text == "evet"
    assert (second.kind, second.text, second.trouble) == (
        HeardKind.SPEECH,
        "",
        Trouble.NO_MATCH,
    )
    assert sum("SpeechCreate" in line for line in lines) == 1


@pytest.mark.parametrize(
    ("tag", "kind", "trouble"),
    [
        ("TOOMUCH:1", HeardKind.SPEECH, Trouble.TOO_MUCH),
        ("ERROR:1", HeardKind.NOTHING, Trouble.SPEECH_DOWN),
    ],
)
async def test_other_ends(bench: Bench, tag: str, kind: HeardKind, trouble: Trouble) -> None:
    (heard,), _ = await Answers(bench, reading(tag, ("", 0))).ask(MENU)
    assert (heard.kind, heard.text, heard.trouble) == (kind, "", trouble)


async def test_a_key_is_taken_as_in_a_question_without_speech(bench: Bench) -> None:
    (heard,), lines = await Answers(bench, reading("dtmf", ("2", 1000))).ask(MENU)
    assert (heard.kind, heard.text) == (HeardKind.KEYS, "2")
    assert not any("WAIT FOR DIGIT" in line for line in lines)


async def test_asterisk_that_cannot_reach_the_listener_takes_keys(bench: Bench) -> None:
    async def handler(call: AgiCall) -> Heard:
        call._listener = SpeechQuestions(Health())
        return await call.ask(MENU)

    fake = await bench.dial(handler)
    fake.replies["GET FULL VARIABLE"] = deque([b"200 result=1 (1|0)\n"])
    fake.replies["EXEC"] = deque([DONE])
    await fake.played("menu")
    fake.press("1")
    heard = await bench.result()
    assert (heard.text, heard.trouble) == ("1", Trouble.SPEECH_DOWN)


async def test_noises_do_not_go_on_for_ever(bench: Bench) -> None:
    noise = reading("NOISE:1", ("", 0))
    (heard,), lines = await Answers(bench, *[noise] * 4).ask(MENU)
    assert (heard.kind, heard.trouble) == (HeardKind.NOTHING, None)
    assert sum("SpeechBackground" in line for line in lines) == 4


async def test_a_listener_that_is_gone_is_connected_anew(bench: Bench) -> None:
    """No result long before its time: only a dead listener does that."""
    answers = Answers(
        bench, reading(""), CREATED, reading("SPEECH:2", ("evet", 900)), created=CREATED
    )
    (first, second), lines = await answers.ask(MENU, MENU)
    assert first.trouble is Trouble.SPEECH_DOWN
    assert second.text == "evet"
    assert [line.split()[1] for line in lines if "Speech" in line and "EXEC" in line] == [
        "SpeechCreate",
        "SpeechBackground",
        "SpeechDestroy",
        "SpeechCreate",
        "SpeechBackground",
        "SpeechDestroy",
    ]


async def test_speech_that_may_not_cut_the_prompt_begins_behind_it(bench: Bench) -> None:
    question = replace(MENU, speech=Speech(barge_in=False))
    answers = Answers(bench, reading("SPEECH:1", ("evet", 900)))
    answers.variables["BACKGROUNDSTATUS"] = "SUCCESS"
    (heard,), lines = await answers.ask(question)
    assert heard.text == "evet"
    assert [line for line in lines if "/s/menu" in line] == ["EXEC Background /s/menu"]
    assert any(line.startswith("EXEC SpeechBackground /s/silence-0.05,4") for line in lines)


async def test_a_channel_that_does_not_come_back_from_speech_is_told_of() -> None:
    class Overdue:
        async def command(self, line: bytes, deadline: float = 0.0) -> Reply:
            raise ReplyOverdue

    told: list[str] = []
    questions = SpeechQuestions(Health(), stuck=lambda: told.append("stuck"))
    call = cast(AgiCall, Overdue())
    questions._lines[call] = _Line(created=True)
    with pytest.raises(ReplyOverdue):
        await questions.leave(call)
    assert told == ["stuck"]
