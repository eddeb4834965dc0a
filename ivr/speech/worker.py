"""One recogniser worker: a process of its own, so that a crash in an engine's C++ costs little.

Started by the listener as `python -m ivr.speech.worker`, its settings as JSON in the first line of
stdin, then messages (`wire.py`). It ends when its stdin does. Engines are loaded and warmed before
it says READY: the first recognition of a cold engine costs half a second.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Sequence

import numpy as np

from ivr.errors import SantralError
from ivr.logs import set_up
from ivr.speech import wire
from ivr.speech.engines import SpeechSettings, build_chain
from ivr.speech.parent import die_with_parent, first_line
from ivr.speech.recogniser import RATE, Recogniser
from ivr.speech.wire import Kind, Message

log = logging.getLogger(__name__)


class Worker:
    """Questions come in by number; each is a task that feeds one hearing."""

    def __init__(self, engines: dict[str, Recogniser], out: asyncio.StreamWriter) -> None:
        self._engines = engines
        self._out = out
        self._questions: dict[int, asyncio.Queue[Message]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, reader: asyncio.StreamReader) -> None:
        names = {language: engine.name for language, engine in self._engines.items()}
        self._send(0, Kind.READY, {"languages": names})
        while (message := await wire.read(reader)) is not None:
            self._take(message)

    def _take(self, message: Message) -> None:
        match message.kind:
            case Kind.PING:
                self._send(message.question, Kind.PONG)
            case Kind.BEGIN:
                queue: asyncio.Queue[Message] = asyncio.Queue()
                self._questions[message.question] = queue
                task = asyncio.create_task(self._hear(message, queue))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case _:
                known = self._questions.get(message.question)
                if known is not None:
                    known.put_nowait(message)

    async def _hear(self, begin: Message, queue: asyncio.Queue[Message]) -> None:
        number = begin.question
        try:
            await self._hear_out(begin, queue)
        except SantralError as error:
            self._send(number, Kind.FAILED, {"message": str(error)})
        except Exception as error:  # a fault of ours: the question must end all the same
            log.exception("a question failed")
            self._send(number, Kind.FAILED, {"message": repr(error)})
        finally:
            self._questions.pop(number, None)

    async def _hear_out(self, begin: Message, queue: asyncio.Queue[Message]) -> None:
        engine = self._engines.get(begin.data["language"])
        if engine is None:
            raise SantralError(f"no speech engine for the language {begin.data['language']!r}")
        hearing = await engine.listen(begin.data["phrases"])
        while True:
            message = await queue.get()
            if message.kind is Kind.CANCEL:
                await hearing.close()
                return
            if message.kind is Kind.FINISH:
                break
            partial = await hearing.feed(message.body)
            if partial is not None:
                self._send(begin.question, Kind.PAUSED if partial.paused else Kind.WORDS)
        final = await hearing.finish()
        guesses = [[guess.text, guess.confidence] for guess in final.guesses]
        self._send(begin.question, Kind.FINAL, {"guesses": guesses})

    def _send(self, question: int, kind: Kind, body: dict[str, object] | None = None) -> None:
        self._out.write(wire.pack(question, kind, body or b""))


async def warm(engine: Recogniser, phrases: Sequence[str] = ("yes", "evet")) -> None:
    """Run half a second of noise through an engine, without a grammar and with one.

    What an engine cannot do is no reason not to use it: pocketsphinx hears no free speech, and a
    remote engine may come later.
    """
    noise = np.random.default_rng(1).normal(0, 300, RATE // 2).astype("<i2").tobytes()
    known = [phrase for phrase in phrases if not engine.unknown((phrase,))]
    for grammar in ((), known):
        try:
            hearing = await engine.listen(grammar)
            await hearing.feed(noise)
            await hearing.finish()
        except SantralError as error:
            log.info("%s is not warm: %s", engine.name, error)


async def serve(settings: SpeechSettings) -> None:
    loop = asyncio.get_running_loop()
    engines: dict[str, Recogniser] = {}
    for language, choices in settings.languages.items():
        try:
            engines[language] = build_chain(choices, language)
        except SantralError:
            continue  # build_chain has logged it; a question in this language falls back to keys
        await warm(engines[language])
    reader = asyncio.StreamReader(limit=1 << 22)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    pipe, protocol = await loop.connect_write_pipe(
        lambda: asyncio.streams.FlowControlMixin(loop=loop), os.fdopen(_take_stdout(), "wb")
    )
    out = asyncio.StreamWriter(pipe, protocol, None, loop)
    await Worker(engines, out).run(reader)


def _take_stdout() -> int:
    """Keep stdout for messages: what an engine prints goes to stderr from now on."""
    mine = os.dup(1)
    os.dup2(2, 1)
    return mine


def main() -> None:
    die_with_parent()
    set_up("info", os.environ.get("SANTRAL_LOG_FORMAT", "plain"))
    line = first_line()
    if not line:
        return
    asyncio.run(serve(SpeechSettings.from_dict(json.loads(line))))


if __name__ == "__main__":
    main()
