"""The confusion lab with the real Vosk and espeak-ng: a good menu is clean, a bad one is told."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from ivr.audio import Samples
from ivr.speech.confusion import Collision, Conditions, Table, confusions
from ivr.speech.engines import SHIPPED_MODELS
from ivr.speech.vosk import VoskRecogniser
from tests.ivr.speech import voices

FEW = Conditions(voices=("", "+f2"), speeds=(150,), noises=(None, 15.0))


async def espeak(text: str, language: str, voice: str, speed: int) -> Samples:
    said = await asyncio.to_thread(voices.spoken, text, language + voice, speed)
    return said.astype(np.int16)


@pytest.fixture(scope="module")
def turkish() -> VoskRecogniser:
    return VoskRecogniser(SHIPPED_MODELS / "tr", "tr")


async def test_a_good_menu_is_clean(turkish: VoskRecogniser) -> None:
    options = {"1": ["sipariş durumu", "kargo"], "2": ["iptal"], "0": ["temsilci"]}
    table = await confusions("main", options, turkish, espeak, FEW)
    assert table.clean
    assert sum(table.counts["1"].values()) == 2 * len(FEW)
    assert table.lines()[0] == "main: said down, heard across"
    assert table.lines()[2].split()[:2] == ["1", "100%"]


async def test_words_that_the_model_does_not_know_are_told(turkish: VoskRecogniser) -> None:
    options = {"1": ["zürafa"], "2": ["iptal"]}
    table = await confusions("main", options, turkish, espeak, FEW)
    assert table.unknown == ("zürafa",)
    assert not table.clean
    assert table.lines()[-1] == "the model does not know: zürafa"


async def test_words_of_two_options_are_told(turkish: VoskRecogniser) -> None:
    options = {"1": ["iptal", "kargo"], "2": ["İPTAL"]}
    table = await confusions("main", options, turkish, espeak, FEW)
    assert table.shared == ("iptal",)
    assert "the same words lead to two options: iptal" in table.lines()


async def test_what_cannot_be_heard_is_a_collision(turkish: VoskRecogniser) -> None:
    """A speaker who says other words than asked for: a stand-in for words that sound alike."""

    async def swapped(text: str, language: str, voice: str, speed: int) -> Samples:
        said = {"evet": "hayır", "iptal": "bugün hava çok güzel"}.get(text, text)
        return await espeak(said, language, voice, speed)

    options = {"1": ["evet"], "2": ["hayır"], "3": ["iptal"]}
    table = await confusions("sure", options, turkish, swapped, FEW)
    assert table.share("1", "2") == 1.0
    assert table.share("2", "2") == 1.0
    found = table.collisions()
    assert Collision("1", "2", 1.0, ("evet",)) in found
    assert Collision("3", "", 1.0, ("iptal",)) in found
    lines = table.lines()
    assert "change evet (1): taken for '2' in 100%" in lines
    assert "change iptal (3): not heard at all in 100%" in lines


def test_rare_confusions_are_no_collision() -> None:
    table = Table("m", ("1", "2"))
    for heard in ["1"] * 19 + ["2"]:
        table.add("1", heard, "evet")
    assert table.collisions() == []
    table.add("1", "2", "evet")
    table.add("1", "2", "tamam")
    assert table.collisions() == [Collision("1", "2", 3 / 22, ("evet", "tamam"))]
