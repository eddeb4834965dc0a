"""pocketsphinx from its wheel: English digits by real people and by espeak-ng."""

from __future__ import annotations

import numpy as np
import pytest

from ivr.errors import BadInput
from ivr.speech.pocketsphinx import PocketsphinxRecogniser
from tests.ivr.speech import voices
from tests.ivr.speech.test_vosk import hear

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@pytest.fixture(scope="module")
def sphinx() -> PocketsphinxRecogniser:
    return PocketsphinxRecogniser("en")


@pytest.mark.parametrize("phrase", ["order status", "cancel", "payment"])
async def test_a_menu(sphinx: PocketsphinxRecogniser, phrase: str) -> None:
    final, partials = await hear(
        sphinx, voices.spoken(phrase, "en-us"), ("order status", "cancel", "payment", "agent")
    )
    assert final.best is not None
    assert final.best.text == phrase
    assert 0 < final.best.confidence <= 1
    assert partials == []


async def test_real_digits_are_mostly_right(sphinx: PocketsphinxRecogniser) -> None:
    recordings = voices.real_digits()[::10]
    right = 0
    for digit, path in recordings:
        final, _ = await hear(sphinx, voices.wav(path), DIGITS)
        right += final.best is not None and final.best.text == DIGITS[int(digit)]
    assert right / len(recordings) >= 0.6


async def test_several_digits_in_one_breath(sphinx: PocketsphinxRecogniser) -> None:
    final, _ = await hear(sphinx, voices.spoken("four seven two nine", "en-us", 130), DIGITS)
    assert final.best is not None
    assert len(final.best.text.split()) >= 3


async def test_two_questions_at_once_do_not_mix(sphinx: PocketsphinxRecogniser) -> None:
    one = await sphinx.listen(("cancel", "agent"))
    two = await sphinx.listen(("yes", "no"))
    for hearing, word in ((one, "cancel"), (two, "yes")):
        sound = np.concatenate([voices.silence(0.2), voices.spoken(word, "en-us")])
        await hearing.feed(voices.over_the_telephone(sound))
    first, second = await one.finish(), await two.finish()
    assert first.best is not None
    assert second.best is not None
    assert (first.best.text, second.best.text) == ("cancel", "yes")


def test_words_it_does_not_know_are_left_out(sphinx: PocketsphinxRecogniser) -> None:
    assert sphinx.unknown(("cancel", "zürafa kargo")) == ("zürafa", "kargo")
    assert sphinx.usable(("Cancel!", "zürafa")) == ("cancel",)
    with pytest.raises(BadInput, match="knows none of the words: zürafa"):
        sphinx.usable(("zürafa",))
    with pytest.raises(BadInput, match="takes no free speech"):
        sphinx.usable(())


async def test_silence_and_no_audio_end_properly(sphinx: PocketsphinxRecogniser) -> None:
    hearing = await sphinx.listen(("yes", "no"))
    assert all(0 <= guess.confidence <= 1 for guess in (await hearing.finish()).guesses)


def test_other_languages_are_refused() -> None:
    with pytest.raises(BadInput, match="only English"):
        PocketsphinxRecogniser("tr")
