"""A recogniser elsewhere, over a WebSocket that speaks the Vosk server's protocol.

(alphacep/vosk-server, websocket/asr_server.py.) A connection is one question: `{"config": …}`, then
audio; every piece of audio is answered with a partial or a full result, and the exact text
`{"eof" : 1}` (the server compares it letter by letter) with the last one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from ivr.call import Guess
from ivr.errors import RecogniserFailed
from ivr.speech.recogniser import RATE, Final, Hearing, Partial, check_phrases
from ivr.speech.vosk import UNKNOWN, join_segments, read_alternatives

END = '{"eof" : 1}'
_PIECE = RATE * 2 // 10  # 100 ms: each piece costs an answer


class RemoteRecogniser:
    """`connect` and `answer` are deadlines in seconds for getting through and for each answer."""

    def __init__(
        self, url: str, language: str, *, connect: float = 2.0, answer: float = 2.0
    ) -> None:
        self.name = "remote"
        self.language = language
        self._url = url
        self._connect = connect
        self._answer = answer
        self._session: aiohttp.ClientSession | None = None

    def unknown(self, phrases: Sequence[str]) -> tuple[str, ...]:
        return ()

    async def listen(self, phrases: Sequence[str]) -> Hearing:
        folded = check_phrases(phrases, self.language)
        if self._session is None:
            self._session = aiohttp.ClientSession()
        config: dict[str, Any] = {"sample_rate": RATE, "words": True, "max_alternatives": 8}
        if folded:
            config["phrase_list"] = [*folded, UNKNOWN]
        try:
            async with asyncio.timeout(self._connect):
                socket = await self._session.ws_connect(self._url, max_msg_size=1 << 20)
                await socket.send_str(json.dumps({"config": config}, ensure_ascii=False))
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise RecogniserFailed(f"the speech server cannot be reached: {error!r}") from error
        return RemoteHearing(socket, self._answer)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


class RemoteHearing:
    """Pieces go out without waiting for the answer to the one before; answers are counted."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, answer: float) -> None:
        self._socket = socket
        self._answer = answer
        self._rest = bytearray()
        self._segments: list[tuple[Guess, ...]] = []
        self._news: list[Partial] = []
        self._partial = ""
        self._failed: RecogniserFailed | None = None
        self._sent = 0
        self._answered = 0
        self._ended = False
        self._reader = asyncio.create_task(self._read())

    async def feed(self, audio: bytes) -> Partial | None:
        self._rest += audio
        if len(self._rest) >= _PIECE:
            piece, self._rest = bytes(self._rest), bytearray()
            await self._send(piece)
        if self._failed is not None:
            raise self._failed
        return self._news.pop(0) if self._news else None

    async def finish(self) -> Final:
        if self._rest:
            await self._send(bytes(self._rest))
        self._ended = True
        await self._send(END)
        try:
            async with asyncio.timeout(self._answer):
                await self._reader
        except TimeoutError as error:
            raise RecogniserFailed("the speech server did not answer in time") from error
        finally:
            await self.close()
        if self._failed is not None:
            raise self._failed
        return Final(join_segments(self._segments))

    async def close(self) -> None:
        self._reader.cancel()
        try:
            async with asyncio.timeout(self._answer):
                await self._socket.close()
        except (TimeoutError, aiohttp.ClientError, OSError):
            pass  # it is gone all the same

    async def _send(self, data: bytes | str) -> None:
        self._sent += 1
        try:
            async with asyncio.timeout(self._answer):
                if isinstance(data, str):
                    await self._socket.send_str(data)
                else:
                    await self._socket.send_bytes(data)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise RecogniserFailed(f"the speech server was lost: {error!r}") from error

    async def _read(self) -> None:
        """Take answers until the one to END is in."""
        try:
            async for message in self._socket:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    break
                self._take(json.loads(message.data))
                self._answered += 1
                if self._ended and self._answered == self._sent:
                    return
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            self._failed = RecogniserFailed(f"the speech server does not speak our way: {error!r}")
            return
        self._failed = RecogniserFailed("the speech server closed before its result")

    def _take(self, answer: Mapping[str, Any]) -> None:
        if "partial" in answer:
            partial = " ".join(word for word in answer["partial"].split() if word != UNKNOWN)
            if partial != self._partial:
                self._partial = partial
                self._news.append(Partial(partial))
            return
        guesses = read_alternatives(answer) or _plain(answer)
        if guesses:
            self._segments.append(guesses)
        self._news.append(Partial("", paused=True))


def _plain(answer: Mapping[str, Any]) -> tuple[Guess, ...]:
    """A result without alternatives: the text, as sure as its words are on average."""
    text = " ".join(word for word in answer.get("text", "").split() if word != UNKNOWN)
    if not text:
        return ()
    words = [float(word.get("conf", 1.0)) for word in answer.get("result", ())]
    return (Guess(text, round(sum(words) / len(words), 4) if words else 1.0),)
