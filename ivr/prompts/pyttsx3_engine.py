"""pyttsx3 behind the synthesiser's port: one worker process, since it blocks and has one engine."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from ivr.errors import PromptUnavailable
from ivr.prompts.languages import VOICES, Voice, voice_of
from ivr.prompts.process import kill_group

WORKER = Path(__file__).with_name("pyttsx3_worker.py")


class Pyttsx3:
    """pyttsx3 over the machine's espeak-ng library; the worker is started by the first text.

    `environment` is added to the worker's (LD_LIBRARY_PATH where the library was unpacked).
    """

    at_once = 1

    def __init__(
        self,
        voices: Mapping[str, Voice] = VOICES,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._voices = voices
        self._environment = environment
        self._turn = asyncio.Lock()
        self._worker: asyncio.subprocess.Process | None = None

    def identity(self, language: str) -> str:
        voice = voice_of(self._voices, language)
        return f"pyttsx3 {voice.pyttsx3} {voice.rate}"

    async def synthesise(self, text: str, language: str, path: Path) -> None:
        voice = voice_of(self._voices, language)
        order = {"text": text, "voice": voice.pyttsx3, "rate": voice.rate, "path": str(path)}
        async with self._turn:
            answered = False
            try:
                answer = await self._answer(order)
                answered = True
            finally:
                if not answered:  # a late answer must not be taken for the next text's
                    await self.close()
        if error := answer.get("error"):
            raise PromptUnavailable(f"pyttsx3 failed: {error}")

    async def _answer(self, order: Mapping[str, object]) -> dict[str, str]:
        if self._worker is None or self._worker.returncode is not None:
            self._worker = await self._start()
        assert self._worker.stdin
        assert self._worker.stdout
        try:
            self._worker.stdin.write(json.dumps(order).encode() + b"\n")
            await self._worker.stdin.drain()
            line = await self._worker.stdout.readline()
        except OSError as error:
            raise PromptUnavailable(f"pyttsx3's process is gone: {error}") from error
        if not line:
            raise PromptUnavailable("pyttsx3's process ended.")
        answer: dict[str, str] = json.loads(line)
        return answer

    async def _start(self) -> asyncio.subprocess.Process:
        """-P keeps the modules beside the worker from being taken for others of their name."""
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            str(WORKER),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, **self._environment},
            start_new_session=True,
        )

    async def close(self) -> None:
        """End the worker. A text given later starts another."""
        worker, self._worker = self._worker, None
        if worker is not None and worker.returncode is None:
            kill_group(worker.pid)
            await worker.wait()
