"""A server that speaks the Vosk server's protocol, with the real Vosk inside.

Follows alphacep/vosk-server, websocket/asr_server.py, message by message: a config without an
answer, one answer per piece of audio, the exact text `{"eof" : 1}`, then it closes.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import vosk
from aiohttp import WSMsgType, web


class VoskServer:
    """`spoil`: "" (healthy), `refuse`, `mute` (answers nothing), `nonsense`, or `leave` (closes
    at the first piece of audio)."""

    def __init__(self, model: str, spoil: str = "") -> None:
        vosk.SetLogLevel(-1)
        self._model = vosk.Model(model)
        self.spoil = spoil
        self.configs: list[dict[str, Any]] = []
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> VoskServer:
        app = web.Application()
        app.router.add_get("/", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"ws://{host}:{port}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if self.spoil == "refuse":
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        recogniser, phrases, rate, alternatives = None, None, 8000.0, 0
        async for message in socket:
            if message.type is WSMsgType.TEXT and "config" in message.data:
                config = json.loads(message.data)["config"]
                self.configs.append(config)
                phrases = config.get("phrase_list", phrases)
                rate = float(config.get("sample_rate", rate))
                alternatives = int(config.get("max_alternatives", alternatives))
                continue
            if self.spoil == "leave":
                break
            if self.spoil == "mute":
                continue
            if recogniser is None:
                grammar = [json.dumps(phrases, ensure_ascii=False)] if phrases else []
                recogniser = vosk.KaldiRecognizer(self._model, rate, *grammar)
                recogniser.SetWords(True)
                recogniser.SetMaxAlternatives(alternatives)
            done = message.type is WSMsgType.TEXT and message.data == '{"eof" : 1}'
            answer = await asyncio.to_thread(_process, recogniser, message.data, done)
            await socket.send_str("[1, 2" if self.spoil == "nonsense" else answer)
            if done:
                break
        await socket.close()
        return socket


def _process(recogniser: Any, data: Any, done: bool) -> str:
    if done:
        return str(recogniser.FinalResult())
    full = recogniser.AcceptWaveform(data)
    return str(recogniser.Result() if full else recogniser.PartialResult())
