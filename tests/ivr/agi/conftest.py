"""An AGI server with a handler of the test's own, and a fake Asterisk to dial it."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ivr.agi.call import AgiCall
from ivr.agi.server import AgiServer
from ivr.call import Piece, Utterance
from tests.fakes.asterisk import FakeAsterisk, FakeCall
from tests.fakes.unhurried import UnhurriedLoop

SPEED = 50.0  # the fake's seconds pass so much faster


def spoken(*names: str, fixed: bool = True) -> Utterance:
    """An utterance whose sounds are called so."""
    return Utterance("p", "tr", tuple(Piece(name, fixed) for name in names))


def write_sound(path: Path, seconds: float) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\1\0" * int(8000 * seconds))


class Sounds:
    """The prompt port: each piece is the sound of its text, a second long unless told.

    There are no files behind the names, so nothing can be joined, unless `folder` is set.
    """

    def __init__(self) -> None:
        self.lengths: dict[str, float] = {}
        self.folder: Path | None = None

    async def files(self, utterance: Utterance) -> tuple[Path, ...]:
        return tuple(self._file(piece.text) for piece in utterance.pieces)

    def silence(self, seconds: float) -> Path:
        self.lengths[f"silence-{seconds:g}"] = seconds
        return self._file(f"silence-{seconds:g}")

    def _file(self, name: str) -> Path:
        path = (self.folder or Path("/s")) / f"{name}.wav"
        if self.folder and not path.exists():
            write_sound(path, self.lengths.get(name, 1.0))
        return path

    def duration_ms(self, path: Path) -> int:
        return int(self.lengths.get(path.stem, 1.0) * 1000)

    @property
    def by_name(self) -> Mapping[str, float]:
        return {f"/s/{name}": length for name, length in self.lengths.items()}


class Bench:
    """Runs one handler as a call: `run(handler)` dials, the caller acts, the result comes back."""

    def __init__(self, sounds: Sounds) -> None:
        self.sounds = sounds
        self.server: AgiServer
        self.asterisk: FakeAsterisk
        self.call: AgiCall
        self._handler: Callable[[AgiCall], Awaitable[Any]]
        self._done: asyncio.Future[Any]

    async def serve(self, call: AgiCall) -> None:
        self.call = call
        try:
            result = await self._handler(call)
        except BaseException as error:
            self._done.set_exception(error)
            raise
        self._done.set_result(result)

    async def dial(self, handler: Callable[[AgiCall], Awaitable[Any]], **dial: Any) -> FakeCall:
        self._handler = handler
        self._done = asyncio.get_running_loop().create_future()
        self._done.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await self.asterisk.dial(**dial)

    async def result(self) -> Any:
        return await asyncio.wait_for(self._done, 10)


def pytest_asyncio_loop_factories(config: Any, item: Any) -> Mapping[str, Any]:
    """A second of the fake's is 20 ms: a busy machine takes those before one knows."""
    return {"unhurried": UnhurriedLoop}


@pytest.fixture
def sounds() -> Sounds:
    return Sounds()


@pytest.fixture
async def bench(sounds: Sounds) -> AsyncIterator[Bench]:
    bench = Bench(sounds)
    loop = asyncio.get_running_loop()
    server = AgiServer(
        bench.serve, sounds, port=0, header_deadline=0.3, clock=lambda: loop.time() * SPEED
    )
    await server.start()
    bench.server = server
    async with FakeAsterisk("127.0.0.1", server.port, speed=SPEED) as bench.asterisk:
        yield bench
        await server.close()
