"""The real Vosk with the models that ship, on speech through the telephone's codec."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from ivr.call import Guess
from ivr.errors import BadInput
from ivr.speech.engines import SHIPPED_MODELS
from ivr.speech.recogniser import Final, Partial, Recogniser
from ivr.speech.vosk import VoskRecogniser, join_segments, read_alternatives
from tests.ivr.speech import voices

MENU = ("sipariş durumu", "temsilci", "iptal", "kargo")


@pytest.fixture(scope="module")
def turkish() -> VoskRecogniser:
    return VoskRecogniser(SHIPPED_MODELS / "tr", "tr")


@pytest.fixture(scope="module")
def english() -> VoskRecogniser:
    return VoskRecogniser(SHIPPED_MODELS / "en", "en")


async def hear(
    recogniser: Recogniser, sound: voices.Sound, phrases: tuple[str, ...]
) -> tuple[Final, list[Partial]]:
    hearing = await recogniser.listen(phrases)
    quiet = voices.silence(0.2)
    partials = []
    audio = voices.over_the_telephone(np.concatenate([quiet, sound, quiet]))
    for frame in voices.frames(audio):
        partial = await hearing.feed(frame)
        if partial is not None:
            partials.append(partial)
    return await hearing.finish(), partials


@pytest.mark.parametrize("voice", ["tr", "tr+f3", "tr+m4"])
@pytest.mark.parametrize("phrase", MENU)
async def test_turkish_menu(turkish: VoskRecogniser, phrase: str, voice: str) -> None:
    final, partials = await hear(turkish, voices.spoken(phrase, voice), MENU)
    assert final.best is not None
    assert final.best.text == phrase
    assert final.best.confidence > 0.5
    assert any(partial.text for partial in partials)


@pytest.mark.parametrize("said", ["merhaba nasılsınız", "fatura", "bilmiyorum ki"])
async def test_words_outside_the_menu_are_rejected(turkish: VoskRecogniser, said: str) -> None:
    final, _ = await hear(turkish, voices.spoken(said), MENU)
    assert final.best is None or final.best.confidence < 0.5


async def test_english_with_its_own_model(english: VoskRecogniser) -> None:
    final, _ = await hear(english, voices.spoken("order status", "en"), ("order status", "agent"))
    assert final.best is not None
    assert final.best.text == "order status"


async def test_capital_letters_of_the_flow_are_lowered_the_turkish_way(
    turkish: VoskRecogniser,
) -> None:
    final, _ = await hear(turkish, voices.spoken("iptal"), ("İPTAL", "KIRK", "SİPARİŞ DURUMU"))
    assert final.best is not None
    assert final.best.text == "iptal"
    grammar = turkish.grammar(("İPTAL", "KIRK"))
    assert grammar == '["iptal", "kırk", "[unk]"]'  # raw UTF-8, not \u0131


async def test_unknown_words_are_left_out_with_one_warning(
    turkish: VoskRecogniser, caplog: pytest.LogCaptureFixture
) -> None:
    phrases = ("iptal", "zürafa besle", "kargo")
    with caplog.at_level(logging.WARNING):
        grammar = turkish.grammar(phrases)
        turkish.grammar(phrases)
    assert json.loads(grammar or "") == ["iptal", "kargo", "[unk]"]
    assert turkish.unknown(phrases) == ("zürafa", "besle")
    assert [
        record.getMessage() for record in caplog.records if "zürafa" in record.getMessage()
    ] == ["the tr model tr does not know: besle, zürafa (phrases with these words cannot be heard)"]


async def test_a_grammar_of_unknown_words_only_hears_nothing_and_lives(
    turkish: VoskRecogniser,
) -> None:
    final, _ = await hear(turkish, voices.spoken("iptal"), ("zürafa",))
    assert final.guesses == ()


async def test_without_phrases_the_whole_vocabulary_is_heard(turkish: VoskRecogniser) -> None:
    final, _ = await hear(turkish, voices.spoken("onaylıyorum"), ())
    assert final.best is not None
    assert final.best.text == "onaylıyorum"


async def test_silence_is_nothing(turkish: VoskRecogniser) -> None:
    assert (await hear(turkish, voices.silence(2), MENU))[0].guesses == ()


async def test_speech_in_several_breaths_is_one_answer(turkish: VoskRecogniser) -> None:
    """The pauses are longer than Vosk's own end-pointer bears; the words are kept all the same."""
    digits = ("bir", "iki", "üç", "dört", "beş")
    sound = np.concatenate(
        [part for word in digits for part in (voices.spoken(word), voices.silence(1.0))]
    )
    final, partials = await hear(turkish, sound, digits)
    assert final.best is not None
    assert final.best.text == "bir iki üç dört beş"
    assert sum(partial.paused for partial in partials) >= 3


async def test_five_thousand_phrases_are_refused(turkish: VoskRecogniser) -> None:
    with pytest.raises(BadInput, match="5000 phrases in one question: at most 1000"):
        await turkish.listen([f"kargo {number}" for number in range(5000)])


async def test_an_endless_phrase_is_refused(turkish: VoskRecogniser) -> None:
    with pytest.raises(BadInput, match="201 characters"):
        await turkish.listen(["k" * 201])


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"is not a Vosk model: it has no am/final\.mdl"):
        VoskRecogniser(tmp_path, "tr")


async def test_real_people_saying_digits(english: VoskRecogniser) -> None:
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    right = 0
    recordings = voices.real_digits()[::4]
    for digit, path in recordings:
        final, _ = await hear(english, voices.wav(path), tuple(names))
        right += final.best is not None and final.best.text == names[int(digit)]
    assert right / len(recordings) >= 0.95


def test_confidence_is_the_share_of_a_reading_and_of_known_words() -> None:
    def word(name: str, start: float, end: float) -> dict[str, object]:
        return {"word": name, "start": start, "end": end}

    result = {
        "alternatives": [
            {"text": "iptal", "confidence": 100.0, "result": [word("iptal", 0, 1)]},
            {
                "text": "[unk] kargo",
                "confidence": 100.0,
                "result": [word("[unk]", 0, 1), word("kargo", 1, 2)],
            },
            {"text": "[unk]", "confidence": 20.0, "result": [word("[unk]", 0, 2)]},
        ]
    }
    assert read_alternatives(result) == (Guess("iptal", 0.5), Guess("kargo", 0.25))
    assert read_alternatives({}) == ()
    assert read_alternatives({"alternatives": [{"text": "", "confidence": 3.0}]}) == ()


def test_segments_join_to_one_list_of_guesses() -> None:
    first = (Guess("bir", 0.5), Guess("bin", 0.4))
    last = (Guess("iki", 0.8), Guess("yirmi", 0.1))
    assert join_segments([first, last]) == (Guess("bir iki", 0.4), Guess("bir yirmi", 0.05))
    assert join_segments([]) == ()
