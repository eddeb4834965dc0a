"""A fake Asterisk: it dials an AGI server on a real socket and speaks the bytes of Asterisk 22.

```python
async with FakeAsterisk("127.0.0.1", port, speed=20) as asterisk:
    call = await asterisk.dial(query={"dialled": "0850"})
    await call.played("menu")       # a sound whose path has `menu` in it has begun
    call.press("1", after=0.5)
    await call.ended.wait()         # the engine has closed the socket
    assert call.variables["SANTRAL_DONE"] == "hangup"
```
`captures/agi/` holds what the real one said; `test_fake_asterisk.py` compares, and lets pyst2's
client talk to this one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any

from tests.fakes.agi_channel import Channel
from tests.fakes.agi_commands import COMMANDS
from tests.fakes.agi_text import (
    ARGUMENTS,
    DEAD,
    HANGUP,
    UNKNOWN,
    USABLE_WHEN_DEAD,
    USAGE,
    header_bytes,
    script,
    verb_of,
    words,
)


class FakeCall:
    """One call of the fake Asterisk.

    `lines` are the commands as they came. `ended` is set when the engine has closed the socket (or
    it was closed on it). To misbehave: `replies[verb]` are bytes to answer with, `delays[verb]`
    seconds to think first, `send` any bytes, `die`, `close_after` so many commands, `hangup_told` is
    that HANGUP was said, and `exit_on_hangup` the dialplan's AGIEXITONHANGUP.
    """

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.lines: list[str] = []
        self.replies: dict[str, deque[bytes]] = {}
        self.delays: dict[str, float] = {}
        self.close_after = 0
        self.exit_on_hangup = False
        self.ended = asyncio.Event()
        self._busy = False
        self.hangup_told = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    @property
    def variables(self) -> dict[str, str]:
        return self.channel.variables

    @property
    def sounds(self) -> list[str]:
        return self.channel.sounds

    @property
    def lost(self) -> list[str]:
        return self.channel.lost

    def press(self, keys: str, *, after: float = 0.0, gap: float = 0.0) -> None:
        """Press keys, the first `after` seconds from now, then one each `gap` seconds."""
        if after or gap:
            self._start(self._press_slowly(keys, after, gap))
        else:
            for key in keys:
                self.channel.press(key)

    def hang_up(self, *, after: float = 0.0) -> None:
        """The caller hangs up."""
        if after:
            self._start(self._hang_up_later(after))
        else:
            self.channel.hang_up()
            if not self._busy:
                self._tell_hangup()

    async def played(self, name: str, times: int = 1) -> None:
        """Return when a sound of that name has begun for the n-th time."""
        await self._until(self.sounds, name, times)

    async def asked(self, text: str, times: int = 1) -> None:
        """Return when a command with that text has come for the n-th time."""
        await self._until(self.lines, text, times)

    def send(self, data: bytes) -> None:
        """Any bytes at any moment."""
        if not self._writer.is_closing():
            self._writer.write(data)

    def die(self) -> None:
        """The socket dies, as with a killed Asterisk."""
        self._writer.transport.abort()

    async def connect(self, host: str, port: int, head: bytes) -> None:
        self._reader, self._writer = await asyncio.open_connection(host, port, limit=1 << 20)
        self.send(head)
        self._start(self._run())

    async def close(self) -> None:
        """End the call whatever it is doing."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _press_slowly(self, keys: str, after: float, gap: float) -> None:
        await self.channel.sleep(after)
        for key in keys:
            self.channel.press(key)
            await self.channel.sleep(gap)

    async def _hang_up_later(self, after: float) -> None:
        await self.channel.sleep(after)
        self.hang_up()

    async def _until(self, seen: list[str], text: str, times: int) -> None:
        def enough() -> bool:
            return sum(text in one for one in seen) >= times

        async with self.channel.news:
            await self.channel.news.wait_for(lambda: enough() or self.ended.is_set())
        assert enough(), f"{text} did not come {times} times: {seen}"

    async def _run(self) -> None:
        with contextlib.suppress(OSError):
            while line := await self._reader.readline():
                await self._obey(line.decode("utf-8", "surrogateescape").rstrip("\n"))
        self._writer.close()
        self.ended.set()
        await self.channel.tell()

    async def _obey(self, line: str) -> None:
        self.lines.append(line)
        self._busy = self.channel.listening = True
        await self.channel.tell()
        reply = await self._answer(line)
        self._busy = False
        self.channel.stop_listening()
        self.send(reply)
        if self.channel.dead and not self.hangup_told:
            self._tell_hangup()
        if len(self.lines) == self.close_after:
            self._writer.close()
        await self._writer.drain()

    async def _answer(self, line: str) -> bytes:
        argv = words(line)
        verb = verb_of(argv)
        if verb in self.delays:
            await self.channel.sleep(self.delays[verb])
        if self.replies.get(verb):
            return self.replies[verb].popleft()
        if not verb:
            return UNKNOWN
        if self.hangup_told and verb not in USABLE_WHEN_DEAD:
            return DEAD
        rest = argv[verb.count(" ") + 1 :]
        if len(rest) < ARGUMENTS[verb]:
            return USAGE
        reply = await COMMANDS[verb](self.channel, rest)
        return reply.encode("utf-8", "surrogateescape") + b"\n"

    def _tell_hangup(self) -> None:
        if not self.hangup_told:
            self.hangup_told = True
            self.send(HANGUP)
            if self.exit_on_hangup:
                self.send(HANGUP)
                self._writer.close()


class FakeAsterisk:
    """Dials calls into an AGI server; an async context manager that ends what it began."""

    def __init__(self, host: str, port: int, *, speed: float = 1.0) -> None:
        self.host, self.port, self.speed = host, port, speed
        self.calls: list[FakeCall] = []

    async def __aenter__(self) -> FakeAsterisk:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(call.close() for call in self.calls))

    async def dial(
        self,
        *,
        path: str = "inbound",
        query: Mapping[str, str] | None = None,
        header: Mapping[str, str] | None = None,
        missing: Iterable[str] = (),
        durations: Mapping[str, float] | None = None,
    ) -> FakeCall:
        """A call that enters the engine as the dialplan does. Raises OSError when it is refused.

        `missing` sounds are not there; `durations` are seconds by the sound's path.
        """
        number = len(self.calls) + 1
        asked = {"call": f"call-{number}", "entry": "1", "dialled": "100", **(query or {})}
        channel = Channel(self.speed, missing)
        channel.durations.update(durations or {})
        call = FakeCall(channel)
        url = f"agi://{self.host}:{self.port}"
        await call.connect(
            self.host, self.port, header_bytes(url, script(path, asked), header or {})
        )
        self.calls.append(call)
        return call
