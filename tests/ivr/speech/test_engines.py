"""The remote engine against a server with the real Vosk in it, and one engine behind another."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from ivr.errors import BadInput, BadSetting, RecogniserFailed
from ivr.speech.engines import (
    SHIPPED_MODELS,
    Backed,
    EngineChoice,
    SpeechSettings,
    build,
    build_chain,
)
from ivr.speech.remote import RemoteRecogniser
from ivr.speech.vosk import VoskRecogniser
from tests.fakes.vosk_server import VoskServer
from tests.ivr.speech import voices
from tests.ivr.speech.test_vosk import MENU, hear

TURKISH = str(SHIPPED_MODELS / "tr")


@pytest.fixture
async def remote(request: pytest.FixtureRequest) -> AsyncIterator[RemoteRecogniser]:
    async with VoskServer(TURKISH, getattr(request, "param", "")) as server:
        recogniser = RemoteRecogniser(server.url, "tr", answer=0.5)
        yield recogniser
        await recogniser.close()


async def test_remote_hears_like_the_engine_behind_it(remote: RemoteRecogniser) -> None:
    hearing = await remote.listen(MENU)
    await hearing.feed(voices.over_the_telephone(voices.spoken("sipariş durumu")))
    async with asyncio.timeout(5):
        while (partial := await hearing.feed(b"")) is None or not partial.text:
            await asyncio.sleep(0.01)
    assert partial.text == "sipariş durumu"
    final = await hearing.finish()
    assert final.best is not None
    assert final.best.text == "sipariş durumu"


async def test_remote_keeps_what_was_said_in_several_breaths(remote: RemoteRecogniser) -> None:
    digits = ("bir", "iki", "üç")
    sound = np.concatenate(
        [part for word in digits for part in (voices.spoken(word), voices.silence(1.0))]
    )
    final, _ = await hear(remote, sound, digits)
    assert final.best is not None
    assert final.best.text == "bir iki üç"


@pytest.mark.parametrize("remote", ["refuse", "mute", "nonsense", "leave"], indirect=True)
async def test_remote_that_misbehaves_is_a_failure_in_time(remote: RemoteRecogniser) -> None:
    with pytest.raises(RecogniserFailed):
        await hear(remote, voices.spoken("iptal"), MENU)


async def test_nobody_there_is_a_failure() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        recogniser = RemoteRecogniser(f"ws://127.0.0.1:{free.getsockname()[1]}", "tr")
        with pytest.raises(RecogniserFailed, match="cannot be reached"):
            await recogniser.listen(MENU)
        await recogniser.close()


@pytest.mark.parametrize("remote", ["", "refuse", "mute", "nonsense", "leave"], indirect=True)
async def test_a_second_engine_stands_behind_the_first(remote: RemoteRecogniser) -> None:
    """Whenever the first one breaks, the second has heard the answer from its start."""
    chain = Backed(remote, VoskRecogniser(SHIPPED_MODELS / "tr", "tr"))
    final, _ = await hear(chain, voices.spoken("temsilci"), MENU)
    assert final.best is not None
    assert final.best.text == "temsilci"
    assert chain.name == "remote, then vosk"


def test_choices_are_written_and_read() -> None:
    for text in ("vosk", "vosk:/srv/model-tr", "pocketsphinx", "remote:ws://127.0.0.1:2700"):
        assert str(EngineChoice.parse(text)) == text
    settings = SpeechSettings({"tr": (EngineChoice("vosk"), EngineChoice("pocketsphinx"))}, port=1)
    assert SpeechSettings.from_dict(settings.to_dict()) == settings


@pytest.mark.parametrize("wrong", ["whisper", "remote", "remote:http://x"])
def test_wrong_choices_are_refused(wrong: str) -> None:
    with pytest.raises(BadSetting):
        EngineChoice.parse(wrong)


def test_a_language_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="language 'de': none ships with Santral"):
        build(EngineChoice(), "de")
    with pytest.raises(BadInput, match="is not there"):
        build(EngineChoice(model=str(tmp_path / "gone")), "tr")


def test_what_cannot_be_loaded_is_left_out_of_the_chain(tmp_path: Path) -> None:
    missing = EngineChoice(model=str(tmp_path / "gone"))
    assert build_chain((missing, EngineChoice()), "tr").name == "vosk"
    assert build_chain((EngineChoice(), EngineChoice("pocketsphinx")), "en").name == (
        "vosk, then pocketsphinx"
    )
    with pytest.raises(BadInput, match="gone is not there"):
        build_chain((missing, EngineChoice("pocketsphinx")), "tr")
