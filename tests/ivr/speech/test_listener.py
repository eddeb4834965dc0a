"""The listener on a real WebSocket: the test speaks Asterisk's side of AEAP, byte by byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import numpy as np
import pytest
import pytest_asyncio

from ivr.speech.aeap import Asked
from ivr.speech.engines import EngineChoice, SpeechSettings
from ivr.speech.listener import Listener
from ivr.speech.pool import Pool
from ivr.speech.vad import EndPointing
from tests.ivr.speech import voices
from tests.ivr.speech.test_pool import fake

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = SpeechSettings({"tr": (EngineChoice(),)}, port=0, workers=1, calls=2)
MENU = ("sipariş durumu", "temsilci", "iptal")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def listener() -> AsyncIterator[Listener]:
    pool = Pool(SETTINGS)
    await pool.start(30)
    async with Listener(SETTINGS, pool) as one:
        yield one
    await pool.stop()


class Asterisk:
    """One AEAP connection as res_speech_aeap has it. Audio goes out as fast as it can."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._count = 0

    async def request(self, kind: str, **rest: Any) -> dict[str, Any]:
        self._count += 1
        number = f"q{self._count}"
        await self._socket.send_str(json.dumps({"request": kind, "id": number, **rest}))
        answer = await self.message()
        assert (answer["response"], answer["id"]) == (kind, number)
        return answer

    async def message(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            message = await self._socket.receive()
        assert message.type is aiohttp.WSMsgType.TEXT, message
        return dict(json.loads(message.data))

    async def setup(self, language: str = "tr", codec: str = "slin") -> dict[str, Any]:
        return await self.request(
            "setup", version="0.1.0", codecs=[{"name": codec}], params={"language": language}
        )

    async def ask(self, **rest: Any) -> dict[str, Any]:
        asked = Asked("7", "", MENU, EndPointing(300), **rest)
        return await self.request("set", params={"question": asked.to_json()})

    async def state(self) -> str:
        answer = await self.request("get", params=["question"])
        return str(answer["params"]["question"])

    async def speak(self, *sounds: voices.Sound) -> None:
        for frame in voices.frames(voices.over_the_telephone(np.concatenate(sounds))):
            await self._socket.send_bytes(frame)

    async def result(self) -> tuple[str, list[str]]:
        """The next result, answered as Asterisk does: tag and texts."""
        message = await self.message()
        assert message["request"] == "set"
        await self._socket.send_str(json.dumps({"response": "set", "id": message["id"]}))
        results = message["params"]["results"]
        assert all(isinstance(one["score"], int) for one in results)
        return results[0]["grammar"], [one["text"] for one in results]

    async def closed(self) -> bool:
        async with asyncio.timeout(10):
            while (await self._socket.receive()).type not in CLOSED:
                pass
        return True


CLOSED = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING)


@pytest_asyncio.fixture(loop_scope="module")
async def asterisk(listener: Listener) -> AsyncIterator[Asterisk]:
    async with aiohttp.ClientSession() as session, connect(session, listener) as socket:
        yield Asterisk(socket)


def connect(session: aiohttp.ClientSession, listener: Listener) -> Any:
    url = f"http://127.0.0.1:{listener.port}/aeap"
    return session.ws_connect(url, protocols=("speech_to_text",))


QUIET, GAP = voices.silence(0.5), voices.silence(0.8)


async def test_one_question_from_setup_to_result(asterisk: Asterisk) -> None:
    assert (await asterisk.setup())["codecs"] == [{"name": "slin"}]
    assert "error_msg" not in await asterisk.ask()
    assert await asterisk.state() == "7 waiting"
    await asterisk.speak(QUIET, voices.spoken("temsilci"), GAP)
    tag, texts = await asterisk.result()
    assert (tag, texts[0]) == ("SPEECH:7", "temsilci")
    assert await asterisk.state() == "7 waiting"


async def test_barge_in_is_told_first_and_the_state_with_it(asterisk: Asterisk) -> None:
    await asterisk.setup()
    await asterisk.ask(barge_in=True)
    await asterisk.speak(QUIET, voices.spoken("iptal")[:3000])
    assert await asterisk.result() == ("BARGEIN:7", [""])
    assert await asterisk.state() == "7 speaking"
    await asterisk.speak(voices.spoken("iptal")[3000:], GAP)
    assert (await asterisk.result())[1][0] == "iptal"


async def test_the_clock_alone_ends_an_answer(asterisk: Asterisk) -> None:
    """After BARGEIN nothing comes for a while, audio comes again, and then nothing ever more."""
    await asterisk.setup()
    await asterisk.ask()
    await asterisk.speak(QUIET, voices.spoken("kargo temsilci")[:6000])
    tag, _ = await asterisk.result()
    assert tag in ("SPEECH:7", "NOMATCH:7")


async def test_no_match_and_too_much_are_told_apart(asterisk: Asterisk) -> None:
    await asterisk.setup()
    await asterisk.ask()
    await asterisk.speak(QUIET, voices.spoken("bugün hava çok güzel"), GAP)
    assert (await asterisk.result())[0] == "NOMATCH:7"
    long = Asked("8", "", MENU, EndPointing(300, max=1000))
    await asterisk.request("set", params={"question": long.to_json()})
    await asterisk.speak(QUIET, voices.spoken("temsilci temsilci temsilci"))
    assert (await asterisk.result())[0] == "TOOMUCH:8"


async def test_after_a_noise_the_same_question_goes_on(asterisk: Asterisk) -> None:
    await asterisk.setup()
    asked = Asked("9", "", MENU, EndPointing(300, min=200))
    await asterisk.request("set", params={"question": asked.to_json()})
    click = voices.noise(0.12, 6000)
    await asterisk.speak(QUIET, click, GAP)
    assert await asterisk.result() == ("NOISE:9", [""])
    await asterisk.speak(voices.spoken("temsilci"), GAP)
    tag, texts = await asterisk.result()
    assert (tag, texts[0]) == ("SPEECH:9", "temsilci")


async def test_plain_parameters_for_a_dialplan_of_ones_own(asterisk: Asterisk) -> None:
    await asterisk.setup()
    for name, value in {"hangover": "300", "max_speech": "9000", "barge_in": "yes"}.items():
        assert "error_msg" not in await asterisk.request("set", params={name: value})
    await asterisk.request("set", params={"phrases": "evet|hayır"})
    await asterisk.speak(QUIET, voices.spoken("hayır"), GAP)
    assert (await asterisk.result())[0] == "BARGEIN"
    tag, texts = await asterisk.result()
    assert (tag, texts[0]) == ("SPEECH", "hayır")


async def test_phrases_in_several_messages_are_one_question(asterisk: Asterisk) -> None:
    await asterisk.setup()
    await asterisk.request("set", params={"phrases": '["evet", "kargo"]'})
    await asterisk.request("set", params={"phrases": '["hayır"]'})
    await asterisk.ask()
    await asterisk.speak(QUIET, voices.spoken("kargo"), GAP)
    assert (await asterisk.result())[1][0] == "kargo"


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"question": "{"}, "cannot be read"),
        ({"question": json.dumps({"phrases": ["a"] * 5000})}, "5000 phrases"),
        ({"phrases": "[1]"}, "must be texts"),
        ({"phrases": "[1"}, "not a JSON list"),
        ({"hangover": "soon"}, "must be milliseconds"),
        ({"hangover": "1"}, "it must be from"),
    ],
)
async def test_a_bad_question_is_refused_with_the_reason(
    asterisk: Asterisk, params: dict[str, str], why: str
) -> None:
    await asterisk.setup()
    assert why in (await asterisk.request("set", params=params))["error_msg"]
    assert "refused" in await asterisk.state()
    assert "error_msg" not in await asterisk.ask()
    assert await asterisk.state() == "7 waiting"


async def test_a_language_nobody_hears_is_an_error_at_the_first_audio(asterisk: Asterisk) -> None:
    await asterisk.setup("de")
    await asterisk.ask()
    await asterisk.speak(voices.silence(0.1))
    assert await asterisk.result() == ("ERROR:7", [""])


async def test_another_codec_is_accepted_but_no_question_is(asterisk: Asterisk) -> None:
    assert "error_msg" not in await asterisk.setup(codec="opus")
    assert "only slin" in (await asterisk.ask())["error_msg"]


async def test_a_key_ends_the_listening(asterisk: Asterisk) -> None:
    await asterisk.setup()
    await asterisk.ask()
    await asterisk.speak(QUIET, voices.spoken("temsilci"))
    await asterisk.request("set", params={"dtmf": "1"})
    assert await asterisk.state() == ""
    await asterisk.speak(GAP)
    await asterisk.ask()
    assert await asterisk.state() == "7 waiting"  # and no result came between


@pytest.mark.parametrize("text", ["not json", '{"request":"set","id":"1","params":{}}'])
async def test_who_speaks_no_aeap_is_hung_up_on(listener: Listener, text: str) -> None:
    async with aiohttp.ClientSession() as session, connect(session, listener) as socket:
        await socket.send_str(text)
        assert await Asterisk(socket).closed()


async def test_more_calls_than_set_are_refused_by_http(listener: Listener) -> None:
    async with aiohttp.ClientSession() as session:
        async with connect(session, listener) as one, connect(session, listener) as two:
            for socket in (one, two):
                await Asterisk(socket).setup()
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await connect(session, listener)
            assert refused.value.status == 503
        async with asyncio.timeout(5):
            while listener.calls:
                await asyncio.sleep(0.01)
        async with connect(session, listener) as again:
            await Asterisk(again).setup()


@pytest.mark.parametrize("mode", ["crash", "hang", "mute"])
async def test_a_worker_lost_at_the_end_of_speech_is_an_error(mode: str) -> None:
    settings = SpeechSettings({"tr": (EngineChoice(),)}, port=0, workers=1, final=0.3)
    pool = Pool(settings, fake(mode))
    await pool.start(30)
    async with (
        Listener(settings, pool) as listener,
        aiohttp.ClientSession() as session,
        connect(session, listener) as socket,
    ):
        asterisk = Asterisk(socket)
        await asterisk.setup()
        await asterisk.ask()
        await asterisk.speak(QUIET, voices.spoken("temsilci"), GAP)
        assert await asterisk.result() == ("ERROR:7", [""])
        await asterisk.ask()
        assert await asterisk.state() == "7 waiting"
    await pool.stop()
