"""Callers who speak, on a real Asterisk with the real Vosk: one question, keys and words."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest
import pytest_asyncio

from cti.asterisk import Installation
from ivr.agi.call import AgiCall
from ivr.call import HeardKind, Keys, Question, Speech, Trouble
from tests.e2e.speech import SpeechLine, say, speech_line
from tests.ivr.speech import voices

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]

WORDS = ("bir", "iki", "üç", "dört", "beş", "altı", "yedi", "sekiz", "dokuz", "on", "yirmi")
MENU = Question(
    say("sipariş durumu için bire basın, temsilci için ikiye basın, ya da söyleyin"),
    Keys(first=4.0),
    ("sipariş durumu", "temsilci", "iptal"),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def line(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[SpeechLine]:
    async with speech_line(installation, tmp_path_factory.mktemp("speech")) as one:
        yield one


def spoken(text: str, voice: str = "tr") -> np.ndarray:
    return voices.spoken(text, voice).astype(np.int16)


async def test_speech_answers_and_stops_the_prompt(line: SpeechLine) -> None:
    line.ask(MENU)
    call = await line.dial()
    await call.pause(0.8)
    await call.play(spoken("temsilci"))
    (heard,) = await line.finish(call)
    assert (heard.kind, heard.text) == (HeardKind.SPEECH, "temsilci")
    assert heard.confidence > 0.5
    assert heard.played is not None
    assert heard.played.interrupted
    assert heard.played.ms < 3000


async def test_keys_answer_the_same_question(line: SpeechLine) -> None:
    line.ask(MENU, MENU)
    call = await line.dial()
    await call.pause(0.5)
    await call.press("2")
    await call.pause(0.3)
    await call.press("1")
    first, second = await line.finish(call)
    assert (first.kind, first.text) == (HeardKind.KEYS, "2")
    assert (second.kind, second.text) == (HeardKind.KEYS, "1")
    assert first.played is not None
    assert first.played.interrupted


@pytest.mark.parametrize("finish", ["", "#"])
async def test_a_burst_of_keys_is_one_answer(line: SpeechLine, finish: str) -> None:
    number = Question(MENU.utterance, Keys(4, 6, finish, 4.0, 1.0), ("sıfır", "bir", "iki"))
    line.ask(number, number)
    call = await line.dial()
    await call.pause(0.5)
    await call.press("123456" + finish, tone_ms=60, gap_ms=40)
    await call.pause(0.5)
    await call.press("1234" + (finish or "56"), tone_ms=60, gap_ms=40)
    first, second = await line.finish(call)
    assert (first.kind, first.text) == (HeardKind.KEYS, "123456")
    assert (second.kind, second.text) == (HeardKind.KEYS, "1234" if finish else "123456")


async def test_silence_is_nothing(line: SpeechLine) -> None:
    line.ask(Question(say("evet mi"), Keys(first=1.0), ("evet", "hayır")))
    call = await line.dial()
    (heard,) = await line.finish(call)
    assert (heard.kind, heard.text, heard.trouble) == (HeardKind.NOTHING, "", None)
    assert heard.played is not None
    assert not heard.played.interrupted


async def test_other_words_are_no_match_and_the_next_question_hears(line: SpeechLine) -> None:
    line.ask(MENU, MENU)
    call = await line.dial()
    await call.pause(0.5)
    await call.play(spoken("bugün hava çok güzel değil mi"))
    await line.until_heard(1)
    await call.pause(0.3)
    await call.play(spoken("iptal"))
    first, second = await line.finish(call)
    assert first.kind is HeardKind.SPEECH
    assert first.trouble is Trouble.NO_MATCH or first.confidence < 0.5
    assert (second.kind, second.text) == (HeardKind.SPEECH, "iptal")


async def test_too_much_talk(line: SpeechLine) -> None:
    speech = Speech(max=2000)
    line.ask(Question(say("evet mi"), Keys(), ("evet", "hayır"), speech=speech))
    call = await line.dial()
    await call.pause(0.3)
    talk = np.concatenate([spoken("ben dün akşam bir sipariş vermiştim ama hâlâ gelmedi")] * 2)
    await call.play(talk, wait=False)
    (heard,) = await line.finish(call)
    assert heard.trouble is Trouble.TOO_MUCH


async def test_the_prompt_may_be_kept_from_speech(line: SpeechLine) -> None:
    line.ask(
        Question(
            say("bu cümle sonuna kadar söylenir"),
            Keys(),
            ("evet", "hayır"),
            speech=Speech(barge_in=False),
        )
    )
    call = await line.dial()
    await call.play(spoken("hayır"))
    await call.pause(3)
    await call.play(spoken("evet"))
    (heard,) = await line.finish(call)
    assert (heard.kind, heard.text) == (HeardKind.SPEECH, "evet")
    assert heard.played is not None
    assert not heard.played.interrupted


async def test_another_language_in_the_same_call(line: SpeechLine) -> None:
    english = Question(say("say order status or agent", "en"), Keys(), ("order status", "agent"))
    line.ask(MENU, english)
    call = await line.dial()
    await call.pause(0.4)
    await call.play(spoken("sipariş durumu"))
    await line.until_heard(1)
    await call.pause(0.4)
    await call.play(spoken("order status", "en"))
    first, second = await line.finish(call)
    assert (first.text, second.text) == ("sipariş durumu", "order status")


async def test_a_telephone_that_sends_nothing_while_its_owner_is_quiet(line: SpeechLine) -> None:
    """Silence suppression: no RTP after the last word, so only the clock can end the answer."""
    line.ask(MENU)
    call = await line.dial()
    await call.pause(0.5)
    await call.play(spoken("temsilci")[:-1600])
    call.quiet = True
    (heard,) = await line.finish(call, 8)
    assert (heard.kind, heard.text) == (HeardKind.SPEECH, "temsilci")


async def test_many_phrases_go_in_several_commands(line: SpeechLine) -> None:
    words = ("temsilci", *(f"sipariş {one} {two}" for one in WORDS for two in WORDS))
    line.ask(Question(MENU.utterance, Keys(), words))
    call = await line.dial()
    await call.pause(0.5)
    await call.play(spoken("temsilci"))
    (heard,) = await line.finish(call)
    assert (heard.kind, heard.text) == (HeardKind.SPEECH, "temsilci")


async def test_the_speech_object_ends_with_the_call(line: SpeechLine) -> None:
    line.ask(MENU)
    call = await line.dial()
    async with asyncio.timeout(10):
        while line.speech.news["calls"] != 1:
            await asyncio.sleep(0.05)
    await call.hangup()
    async with asyncio.timeout(10):
        while line.speech.news["calls"]:
            await asyncio.sleep(0.05)
        while "0 active channels" not in await line.channels():
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("idle", [0.0, 0.15], ids=["brisk", "slow"])
async def test_two_thousand_keys_over_plain_and_speech_questions(
    line: SpeechLine, idle: float
) -> None:
    """Random keys at random times, bursts with gaps of 20 ms, ten callers at once: what the
    questions received is what was keyed, in its order, and nothing twice.

    `idle`: so many seconds pass at most, at random, behind each question without a command, as in
    an engine that has no time; AGI alone lost one key in ten then.
    """
    each, callers, keyed = 200, 10, dict[str, str]()

    async def script(call: AgiCall) -> None:
        chance = random.Random(call.info.id)
        one, more = Keys(first=6.0), Keys(4, 4, "", 6.0, 6.0)
        count = 0
        while count < each + 4:
            plain = Question(say("buyurun lütfen seçin"), chance.choice((one, more)), ())
            asked = replace(plain, words=("evet", "hayır")) if chance.randrange(2) else plain
            answer = await call.ask(asked)
            if answer.kind is not HeardKind.KEYS:
                break
            count += len(answer.text)
            keyed[call.info.id] = keyed.get(call.info.id, "") + answer.text
            if idle:
                await asyncio.sleep(chance.random() * idle)

    line.script = script
    line.done.clear()

    async def caller(number: int) -> str:
        chance = random.Random(number)
        call = await line.dial()
        sent = f"{number:04}"  # whose they are
        await call.pause(1.0)
        await call.press(sent, tone_ms=100, gap_ms=60)
        while len(sent) < each + 4:
            most = min(chance.randint(1, 16), each + 4 - len(sent))
            burst = "".join(chance.choices("0123456789", k=most))
            tone, gap = chance.choice((40, 60, 80, 120)), chance.choice((20, 40, 60, 150))
            await call.press(burst, tone_ms=tone, gap_ms=gap)
            sent += burst
            await asyncio.sleep(chance.random() * 1.5)
        await call.until_over(60)
        return sent

    sent = await asyncio.gather(*map(caller, range(callers)))
    heard = {text[:4]: text for text in keyed.values()}
    assert heard == {text[:4]: text for text in sent}


async def test_keys_pressed_exactly_between_two_questions(line: SpeechLine) -> None:
    """Each key begins and ends while no command runs: AGI never tells of one, and all count."""
    between, heard = asyncio.Event(), ""

    async def script(call: AgiCall) -> None:
        nonlocal heard
        question = Question(say("buyurun lütfen seçin"), Keys(first=5.0), ())
        while len(heard) < 20:
            between.set()
            await asyncio.sleep(0.25)
            spoken_to = replace(question, words=("evet", "hayır")) if len(heard) % 2 else question
            answer = await call.ask(spoken_to)
            if answer.kind is not HeardKind.KEYS:
                return
            heard += answer.text

    line.script = script
    line.done.clear()
    call = await line.dial()
    sent = "".join(random.Random(5).choices("0123456789*#", k=20))
    for key in sent:
        async with asyncio.timeout(30):
            await between.wait()
        between.clear()
        await call.press(key, tone_ms=100, gap_ms=20)
    await line.finish(call)
    assert heard == sent


async def test_a_key_lost_in_a_long_prompt_stops_it_soon(line: SpeechLine) -> None:
    """Nobody waits out a prompt because their key fell into a pause."""
    between = asyncio.Event()
    text = "bu çok uzun bir cümledir ve insan onu sonuna kadar dinlemek istemez " * 2

    async def script(call: AgiCall) -> None:
        between.set()
        await asyncio.sleep(0.3)
        line.heard.append(await call.ask(Question(say(text), Keys(first=5.0))))

    line.heard.clear()
    line.script = script
    line.done.clear()
    call = await line.dial()
    await between.wait()
    await call.press("7", tone_ms=100)
    (heard,) = await line.finish(call)
    assert (heard.kind, heard.text) == (HeardKind.KEYS, "7")
    assert heard.played is not None
    assert heard.played.interrupted
    assert heard.played.ms < 4000


@pytest.mark.parametrize("keys", [Keys(first=2.5), Keys(4, 4, "", 2.5, 2.5)], ids=["one", "four"])
async def test_no_key_is_lost_or_doubled_between_questions_with_and_without_speech(
    line: SpeechLine, keys: Keys
) -> None:
    """Bursts of up to 16 keys, gaps from 20 ms, across prompts and questions of both kinds."""
    chance = random.Random(keys.max)
    spoken_to = Question(say("buyurun lütfen seçin"), keys, ("evet", "hayır"))
    count, heard = 80, ""

    async def script(call: AgiCall) -> None:
        nonlocal heard
        while len(heard) < count:
            answer = await call.ask(replace(spoken_to, words=()) if chance_of(3) else spoken_to)
            if answer.kind is not HeardKind.KEYS:
                return
            heard += answer.text

    def chance_of(one_in: int) -> bool:
        return chance.randrange(one_in) == 0

    line.script = script
    line.done.clear()
    call = await line.dial()
    sent = ""
    while len(sent) < count:
        burst = "".join(
            chance.choices("0123456789", k=min(chance.randint(1, 16), count - len(sent)))
        )
        await call.press(
            burst, tone_ms=chance.choice((40, 60, 80, 120)), gap_ms=chance.choice((20, 40, 60, 150))
        )
        sent += burst
        await asyncio.sleep(chance.random() * 1.5 + 0.05 * len(burst))
    await line.finish(call)
    assert heard == sent
