"""A fake Asterisk: it dials an AGI server on a real socket and speaks the bytes of Asterisk 22.

The caller is scripted from the outside: `press`, `hang_up`, `played`. It has the real one's
manners, also the bad ones: a key that comes while no command runs is lost, and a missing file plays
as nothing. `captures/` holds what the real one said; `test_asterisk.py` compares.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import wave
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import quote

HEADER = {
    "agi_channel": "PJSIP/trunk-00000001",
    "agi_language": "en",
    "agi_type": "PJSIP",
    "agi_uniqueid": "1700000000.1",
    "agi_version": "22.10.1",
    "agi_callerid": "05321234567",
    "agi_calleridname": "unknown",
    "agi_callingpres": "0",
    "agi_callingani2": "0",
    "agi_callington": "0",
    "agi_callingtns": "0",
    "agi_dnid": "100",
    "agi_rdnis": "unknown",
    "agi_context": "from-trunk",
    "agi_extension": "100",
    "agi_priority": "2",
    "agi_enhanced": "0.0",
    "agi_accountcode": "",
    "agi_threadid": "139872736519872",
}
DEAD = b"511 Command Not Permitted on a dead channel or intercept routine\n"
UNKNOWN = b"510 Invalid or unknown command\n"
USABLE_WHEN_DEAD = ("EXEC", "GET VARIABLE", "GET FULL VARIABLE", "SET VARIABLE", "NOOP", "VERBOSE")
VERBS = (
    "GET FULL VARIABLE", "WAIT FOR DIGIT", "CHANNEL STATUS", "GET VARIABLE", "SET VARIABLE",
    "RECORD FILE", "STREAM FILE", "GET DATA", "VERBOSE", "ANSWER", "HANGUP", "NOOP", "EXEC",
)  # fmt: skip
NOTHING, HUNG_UP = "", "hangup"


def words(line: str) -> list[str]:
    """The arguments of a command line as `parse_args` of res_agi.c cuts them."""
    found: list[str] = []
    quoted = escaped = False
    space = True
    for char in line:
        if char == '"' and not escaped:
            quoted = not quoted
            if quoted and space:
                found.append("")
                space = False
        elif char in " \t" and not quoted and not escaped:
            space = True
        elif char == "\\" and not escaped:
            escaped = True
        else:
            if space:
                found.append("")
                space = False
            found[-1] += char
            escaped = False
    return found


def arguments(text: str) -> list[str]:
    """The comma list of an application as `__ast_app_separate_args` of main/app.c cuts it."""
    found = [""]
    quoted = False
    depth = 0
    chars = iter(text)
    for char in chars:
        if char == "\\":
            found[-1] += next(chars, "")
        elif char == '"':
            quoted = not quoted
        elif char == "," and not quoted and not depth:
            found.append("")
        else:
            depth = max(0, depth + (char in "([") - (char in ")]"))
            found[-1] += char
    return found


class FakeCall:
    """One call of the fake Asterisk. Times are seconds of its own time, `speed` times the real.

    `lines` are the commands as they came, `sounds` what was played, `lost` the keys that came while
    no command ran, `variables` the channel's, `ended` is set when the engine has closed the socket.
    """

    def __init__(self, *, speed: float = 1.0, missing: Iterable[str] = ()) -> None:
        self.speed = speed
        self.missing = set(missing)
        self.durations: dict[str, float] = {}
        self.variables: dict[str, str] = {}
        self.functions: dict[str, str] = {}
        self.replies: dict[str, deque[bytes]] = {}
        self.delays: dict[str, float] = {}
        self.close_after = 0
        self.lines: list[str] = []
        self.sounds: list[str] = []
        self.lost: list[str] = []
        self.dead = False
        self.up = False
        self.ended = asyncio.Event()
        self._keys: deque[str] = deque()
        self._changed = asyncio.Event()
        self._running = ""
        self._news = asyncio.Condition()
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._tasks: set[asyncio.Task[None]] = set()

    # ---- the caller

    def press(self, keys: str, *, after: float = 0.0, gap: float = 0.0) -> None:
        """Press keys, the first `after` seconds from now, then one each `gap` seconds."""
        if after or gap:
            self._start(self._press_slowly(keys, after, gap))
        else:
            for key in keys:
                self._press(key)

    def hang_up(self, *, after: float = 0.0) -> None:
        if after:
            self._start(self._hang_up_later(after))
        elif not self.dead:
            self.dead = True
            self._changed.set()
            if not self._running:
                self.send(b"HANGUP\n")

    async def played(self, name: str, times: int = 1) -> None:
        """Return when the sound has begun for the n-th time."""
        async with self._news:
            await self._news.wait_for(
                lambda: sum(name in sound for sound in self.sounds) >= times or self.ended.is_set()
            )
        assert sum(name in sound for sound in self.sounds) >= times, f"{name} was not played"

    async def asked(self, text: str, times: int = 1) -> None:
        """Return when a command with that text has come for the n-th time."""
        async with self._news:
            await self._news.wait_for(
                lambda: sum(text in line for line in self.lines) >= times or self.ended.is_set()
            )
        assert sum(text in line for line in self.lines) >= times, f"{text} was not asked"

    # ---- the line

    def send(self, data: bytes) -> None:
        """Any bytes at any moment."""
        if not self._writer.is_closing():
            self._writer.write(data)

    def die(self) -> None:
        """The socket dies, as with a killed Asterisk."""
        self._writer.transport.abort()

    async def connect(self, host: str, port: int, header: Mapping[str, str]) -> None:
        self._reader, self._writer = await asyncio.open_connection(host, port, limit=1 << 20)
        self.send("".join(f"{name}: {value}\n" for name, value in header.items()).encode() + b"\n")
        self._start(self._run())

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def _start(self, work: object) -> None:
        task = asyncio.get_running_loop().create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)

    async def _press_slowly(self, keys: str, after: float, gap: float) -> None:
        await self._sleep(after)
        for key in keys:
            self._press(key)
            await self._sleep(gap)

    async def _hang_up_later(self, after: float) -> None:
        await self._sleep(after)
        self.hang_up()

    def _press(self, key: str) -> None:
        if self._running:
            self._keys.append(key)
            self._changed.set()
        else:
            self.lost.append(key)

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def _run(self) -> None:
        with contextlib.suppress(OSError):
            while line := await self._reader.readline():
                await self._obey(line.decode().rstrip("\n"))
        self.ended.set()
        await self._tell()
        self._writer.close()

    async def _obey(self, line: str) -> None:
        self.lines.append(line)
        argv = words(line)
        verb = next((v for v in VERBS if argv[: v.count(" ") + 1] == v.split()), "")
        arguments_ = argv[verb.count(" ") + 1 :]
        self._running = line
        await self._tell()
        was_dead = self.dead
        if verb in self.delays:
            await self._sleep(self.delays[verb])
        if self.replies.get(verb):
            reply = self.replies[verb].popleft()
        elif not verb:
            reply = UNKNOWN
        elif self.dead and verb not in USABLE_WHEN_DEAD:
            reply = DEAD
        else:
            reply = await self._do(verb, arguments_)
        self._running = ""
        self.lost.extend(self._keys)
        self._keys.clear()
        self.send(reply)
        if self.dead and not was_dead:
            self.send(b"HANGUP\n")
        if len(self.lines) == self.close_after:
            self._writer.close()
        await self._writer.drain()

    async def _do(self, verb: str, argv: list[str]) -> bytes:
        handler: Callable[[list[str]], object] = getattr(
            self, "_do_" + verb.lower().replace(" ", "_")
        )
        reply = await handler(argv)  # type: ignore[misc]
        assert isinstance(reply, bytes)
        return reply

    # ---- AGI commands

    async def _do_answer(self, argv: list[str]) -> bytes:
        self.up = True
        return b"200 result=0\n"

    async def _do_channel_status(self, argv: list[str]) -> bytes:
        return b"200 result=6\n" if self.up else b"200 result=4\n"

    async def _do_noop(self, argv: list[str]) -> bytes:
        return b"200 result=0\n"

    async def _do_verbose(self, argv: list[str]) -> bytes:
        return b"200 result=1\n"

    async def _do_hangup(self, argv: list[str]) -> bytes:
        self.dead = True
        return b"200 result=1\n"

    async def _do_set_variable(self, argv: list[str]) -> bytes:
        self.variables[argv[0]] = argv[1]
        return b"200 result=1\n"

    async def _do_get_variable(self, argv: list[str]) -> bytes:
        value = self.variables.get(argv[0])
        return b"200 result=0\n" if value is None else f"200 result=1 ({value})\n".encode()

    async def _do_get_full_variable(self, argv: list[str]) -> bytes:
        value = re.sub(r"\$\{(\w+)\}", lambda m: self.variables.get(m[1], ""), argv[0])
        return f"200 result=1 ({value})\n".encode()

    async def _do_wait_for_digit(self, argv: list[str]) -> bytes:
        key = await self._key(int(argv[0]) / 1000)
        return b"200 result=-1\n" if key == HUNG_UP else f"200 result={_code(key)}\n".encode()

    async def _do_stream_file(self, argv: list[str]) -> bytes:
        if argv[0] in self.missing:
            return b"200 result=-1 endpos=0\n"
        key, ms = await self._play([argv[0]], argv[1])
        code = "-1" if key == HUNG_UP else str(_code(key))
        return f"200 result={code} endpos={ms * 8}\n".encode()

    async def _do_get_data(self, argv: list[str]) -> bytes:
        wait = int(argv[1]) / 1000 if len(argv) > 1 and int(argv[1]) > 0 else 6.0
        most = int(argv[2]) if len(argv) > 2 else 255
        if argv[0] in self.missing:
            return b"200 result=-1\n"
        typed, how = await self._collect([argv[0]] if argv[0] else [], most, "#", wait)
        if how == HUNG_UP:
            return b"200 result=-1\n"
        return f"200 result={typed}{' (timeout)' if how == 'TIMEOUT' else ''}\n".encode()

    async def _do_record_file(self, argv: list[str]) -> bytes:
        path, _, finish, limit, *extra = argv
        silence = next((int(e[2:]) for e in extra if e.startswith("s=")), 0)
        if path in self.missing:
            return b"200 result=-1 (writefile)\n"
        most = int(limit) / 1000
        length = min(most, silence) if silence else most
        began = asyncio.get_running_loop().time()
        while True:
            passed = (asyncio.get_running_loop().time() - began) * self.speed
            key = await self._key(length - passed)
            passed = (asyncio.get_running_loop().time() - began) * self.speed
            if key in (HUNG_UP, NOTHING) or key in finish:
                break
        end = f"endpos={int(passed * 8000)}\n"
        if key == HUNG_UP:
            return f"200 result=-1 (hangup) {end}".encode()
        if key:
            return f"200 result={_code(key)} (dtmf) {end}".encode()
        left = int((most - length) * 1000)
        return f"200 result={left} (timeout) {end}".encode()

    async def _do_exec(self, argv: list[str]) -> bytes:
        handler = getattr(self, "_app_" + argv[0].lower(), None)
        if handler is None:
            return b"200 result=-2\n"
        result = await handler(arguments(argv[1] if len(argv) > 1 else ""))
        return f"200 result={result}\n".encode()

    # ---- applications

    async def _app_background(self, args: list[str]) -> int:
        status, result = "SUCCESS", 0
        for sound in args[0].split("&"):
            if sound in self.missing:
                status = "FAILED"
                break
            key, _ = await self._play([sound], "0123456789*#ABCD")
            if key:
                result = -1 if key == HUNG_UP else _code(key)
                break
        self.variables["BACKGROUNDSTATUS"] = status
        return result

    async def _app_playback(self, args: list[str]) -> int:
        sounds = args[0].split("&")
        there = [sound for sound in sounds if sound not in self.missing]
        key, _ = await self._play(there, "")
        self.variables["PLAYBACKSTATUS"] = "SUCCESS" if there == sounds else "FAILED"
        return -1 if key == HUNG_UP else 0

    async def _app_read(self, args: list[str]) -> int:
        name, sounds, most, options, _, timeout = [*args, "", "", "", "", ""][:6]
        found = re.fullmatch(r"t(?:\((.*)\))?", options)
        finish = (found[1] or "") if found else "#"
        asked = [sound for sound in sounds.split("&") if sound]
        there = [sound for sound in asked if sound not in self.missing]
        if asked[-1:] != there[-1:]:
            await self._play(there, "")
            self.variables.update({name: "", "READSTATUS": "ERROR"})
            return 0
        typed, how = await self._collect(there, int(most or 255), finish, float(timeout or 6))
        self.variables[name] = typed
        self.variables["READSTATUS"] = "HANGUP" if how == HUNG_UP else how
        return 0

    async def _app_wait(self, args: list[str]) -> int:
        key = await self._pass(float(args[0]))
        return -1 if key == HUNG_UP else 0

    async def _app_mset(self, args: list[str]) -> int:
        for pair in args:
            name, equals, value = pair.partition("=")
            if equals:
                self.variables[name.strip()] = value
        return 0

    # ---- time, keys and sound

    async def _key(self, seconds: float) -> str:
        """The next key, NOTHING after so many seconds, or HUNG_UP."""
        if not self._keys and not self.dead and seconds > 0:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), seconds / self.speed)
        if self._keys:
            return self._keys.popleft()
        return HUNG_UP if self.dead else NOTHING

    async def _pass(self, seconds: float) -> str:
        """Let time pass; keys are dropped."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds / self.speed
        while (left := (end - loop.time()) * self.speed) > 0:
            key = await self._key(left)
            if key == HUNG_UP:
                return key
            self.lost.extend(key)
        return NOTHING

    async def _play(self, sounds: list[str], escape: str) -> tuple[str, int]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        key = NOTHING
        for sound in sounds:
            self.sounds.append(sound)
            await self._tell()
            length = self._length(sound)
            key = await (self._key(length) if escape else self._pass(length))
            if key:
                break
        return key, int((loop.time() - began) * self.speed * 1000)

    async def _collect(
        self, sounds: list[str], most: int, finish: str, wait: float
    ) -> tuple[str, str]:
        typed = ""
        key, _ = await self._play(sounds, "any") if sounds else (NOTHING, 0)
        while True:
            key = key or await self._key(wait)
            if key in (NOTHING, HUNG_UP):
                return typed, HUNG_UP if key else "TIMEOUT"
            if key in finish:
                return typed, "OK"
            typed += key
            if len(typed) >= most:
                return typed, "OK"
            key = NOTHING

    def _length(self, sound: str) -> float:
        if sound in self.durations:
            return self.durations[sound]
        try:
            with wave.open(sound + ".wav") as file:
                return file.getnframes() / file.getframerate()
        except OSError:
            return 1.0


def _code(key: str) -> int:
    return ord(key) if key else 0


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
        """A call that enters the engine as the dialplan does. Raises OSError when it is refused."""
        asked = {
            "call": f"call-{len(self.calls) + 1}",
            "entry": "1",
            "dialled": "100",
            **(query or {}),
        }
        script = path + "?" + "&".join(f"{n}={quote(v, safe='')}" for n, v in asked.items())
        lines = {
            "agi_network": "yes",
            "agi_network_script": script,
            "agi_request": f"agi://{self.host}:{self.port}/{script}",
            **HEADER,
            **(header or {}),
        }
        call = FakeCall(speed=self.speed, missing=missing)
        call.durations.update(durations or {})
        await call.connect(self.host, self.port, lines)
        self.calls.append(call)
        return call
