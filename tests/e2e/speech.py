"""A line whose questions speech answers: Asterisk, the listener's process, AGI, and a caller."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydantic import SecretStr

from cti.ami.bridge import Account as Manager
from cti.ami.bridge import Bridge
from cti.asterisk import Account, Asterisk, Installation, InstanceSettings, free_ports
from cti.keys import Keys
from cti.softphone import Call, Phone
from ivr.agi.call import AgiCall
from ivr.agi.listening import SpeechQuestions
from ivr.agi.server import AgiServer
from ivr.audio import write_wav
from ivr.call import Heard, Piece, Question, Utterance
from ivr.errors import CallerHungUp, SantralError
from ivr.speech.engines import SpeechSettings
from ivr.speech.supervisor import SpeechProcess
from tests.ivr.speech import voices

Script = Callable[[AgiCall], Awaitable[None]]


class SpokenPrompts:
    """Prompts by espeak-ng, one file per text."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def files(self, utterance: Utterance) -> tuple[Path, ...]:
        path = self._folder / f"{abs(hash(utterance.text))}.wav"
        if not path.exists():
            said = await asyncio.to_thread(voices.spoken, utterance.text, utterance.language, 160)
            unfinished = path.with_suffix(f".{id(utterance)}.part")  # ten calls may ask at once
            write_wav(unfinished, said.astype(np.int16))
            unfinished.replace(path)
        return (path,)

    def silence(self, seconds: float) -> Path:
        path = self._folder / f"silence-{round(seconds * 1000)}.wav"
        if not path.exists():
            write_wav(path, np.zeros(int(8000 * seconds), np.int16))
        return path

    def duration_ms(self, path: Path) -> int:
        with wave.open(str(path)) as file:
            return file.getnframes() * 1000 // file.getframerate()


class Wire:
    """The network between Asterisk and the listener: a relay that can be cut, or go silent."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.silent = False
        self.port = 0

    async def __aenter__(self) -> Wire:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """Every connection is gone at once, without a good-bye."""
        for writer in self._writers:
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, far_writer}
        self._writers |= pair
        try:
            await asyncio.gather(self._pipe(reader, far_writer), self._pipe(far_reader, writer))
        finally:
            for one in pair:
                one.transport.abort()
            self._writers -= pair

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                if not self.silent:
                    writer.write(data)
        except ConnectionError:
            pass
        writer.transport.abort()


@dataclass
class SpeechLine:
    """What a test has in its hands: `script` is what happens on the next call."""

    asterisk: Asterisk
    speech: SpeechProcess
    phone: Phone
    server: AgiServer
    wire: Wire
    heard: list[Heard] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    script: Script | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, call: AgiCall) -> None:
        try:
            await call.answer()
            assert self.script is not None
            await self.script(call)
            await call.hangup()
        except CallerHungUp:
            pass
        except SantralError as error:
            self.errors.append(error)
        finally:
            self.done.set()

    def ask(self, *asked: Question) -> None:
        """The next call asks these questions, one after the other, and hangs up."""

        async def script(call: AgiCall) -> None:
            for question in asked:
                self.heard.append(await call.ask(question))

        self.script = script
        self.heard.clear()
        self.done.clear()

    async def until_heard(self, count: int) -> None:
        async with asyncio.timeout(60):  # a loaded machine takes its time
            while len(self.heard) < count:
                await asyncio.sleep(0.02)

    async def dial(self) -> Call:
        call = await self.phone.dial("100")
        await call.until_answered(10)
        return call

    async def finish(self, call: Call, timeout: float = 90.0) -> list[Heard]:
        """Wait until the script is done and the call is over."""
        async with asyncio.timeout(timeout):
            await self.done.wait()
        await call.until_over(timeout)
        if self.errors:
            raise self.errors[0]
        return self.heard

    async def channels(self) -> str:
        return await self.asterisk.command("core show channels count")


@asynccontextmanager
async def speech_line(
    installation: Installation,
    folder: Path,
    settings: SpeechSettings | None = None,
    prompts: Callable[[Path], SpokenPrompts] | None = None,
) -> AsyncIterator[SpeechLine]:
    """Everything a caller needs, in `folder`, each on ports of its own."""
    port = free_ports(1)[0]
    base = settings or SpeechSettings()
    mine = SpeechSettings(base.languages, port=port, workers=base.workers, final=base.final)
    async with SpeechProcess(mine) as speech, Wire(port) as wire:
        await speech.wait_ready(60)
        instance = InstanceSettings.fresh(
            folder / "asterisk",
            speech_url=f"ws://127.0.0.1:{wire.port}/aeap",
            agi_url=f"agi://127.0.0.1:{free_ports(1)[0]}",
            accounts=(Account.fresh("caller", context="santral-inbound", contacts=5),),
            tries=2,
            wait=0.2,
        )
        line: SpeechLine | None = None

        async def handle(call: AgiCall) -> None:
            assert line is not None
            await line.handle(call)

        keys = Keys()
        server = AgiServer(
            handle,
            (prompts or SpokenPrompts)(folder),
            port=int(instance.agi_url.rpartition(":")[2]),
            key=instance.agi_key,
            listener=SpeechQuestions(speech),
            witness=keys,
        )
        manager = Manager(instance.ami_user, SecretStr(instance.ami_secret), port=instance.ami_port)
        await server.start()
        account = instance.accounts[0]
        try:
            async with (
                Asterisk(installation, instance) as asterisk,
                Phone(
                    account.name,
                    server=("127.0.0.1", instance.sip_port),
                    password=account.password,
                    register=True,
                ) as phone,
                Bridge(manager, keys.takes, classes="system,dtmf") as keys.bridge,
            ):
                await keys.bridge.ready(10)
                line = SpeechLine(asterisk, speech, phone, server, wire)
                yield line
        finally:
            await server.close()


def say(text: str, language: str = "tr") -> Utterance:
    return Utterance("test", language, (Piece(text),))
