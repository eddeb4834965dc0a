"""The channel of the fake Asterisk: its time, the caller's keys, sound, and what hears them.

A key that comes while no command runs is lost, as it is in the real one when it is shorter than
the pause (run_agi reads frames and drops them).
"""

from __future__ import annotations

import asyncio
import contextlib
import wave
from collections import deque
from collections.abc import Iterable

NOTHING, HUNG_UP = "", "hung up"
EVERY_KEY = "0123456789*#ABCD"


class Channel:
    """Times are seconds of its own, which pass `speed` times as fast as the real ones.

    `sounds` is what was played, `lost` the keys nobody heard, `durations` how long sounds are;
    others are as long as their wav file, or a second. `missing` sounds are not there.
    """

    def __init__(self, speed: float, missing: Iterable[str]) -> None:
        self.speed = speed
        self.missing = set(missing)
        self.durations: dict[str, float] = {}
        self.variables: dict[str, str] = {}
        self.sounds: list[str] = []
        self.lost: list[str] = []
        self.up = False
        self.dead = False
        self.listening = False
        self.news = asyncio.Condition()
        self._keys: deque[str] = deque()
        self._changed = asyncio.Event()

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time() * self.speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)

    async def tell(self) -> None:
        async with self.news:
            self.news.notify_all()

    def press(self, key: str) -> None:
        if self.listening:
            self._keys.append(key)
            self._changed.set()
        else:
            self.lost.append(key)

    def hang_up(self) -> None:
        self.dead = True
        self._changed.set()

    def stop_listening(self) -> None:
        self.listening = False
        self.lost.extend(self._keys)
        self._keys.clear()

    async def key(self, seconds: float) -> str:
        """The next key, NOTHING after so many seconds, or HUNG_UP."""
        if not self._keys and not self.dead and seconds > 0:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), seconds / self.speed)
        if self._keys:
            return self._keys.popleft()
        return HUNG_UP if self.dead else NOTHING

    async def one_of(self, keys: str, seconds: float) -> str:
        """The next key out of `keys`; others are dropped."""
        end = self.now + seconds
        while True:
            key = await self.key(end - self.now)
            if key in (NOTHING, HUNG_UP) or key in keys:
                return key
            self.lost.append(key)

    async def play(self, sounds: Iterable[str], escape: str) -> str:
        """Play one after another until one of the keys `escape`: that key, NOTHING or HUNG_UP."""
        for sound in sounds:
            if self.dead:
                return HUNG_UP
            self.sounds.append(sound)
            await self.tell()
            key = await self.one_of(escape, self.length(sound))
            if key:
                return key
        return NOTHING

    async def collect(
        self, sounds: list[str], most: int, finish: str, wait: float
    ) -> tuple[str, str]:
        """Keys as ast_readstring_full collects them, and OK, TIMEOUT or HUNG_UP."""
        typed = ""
        key = await self.play(sounds, EVERY_KEY)
        while True:
            key = key or await self.key(wait)
            if key in (NOTHING, HUNG_UP):
                return typed, key or "TIMEOUT"
            if key in finish:
                return typed, "OK"
            typed += key
            if len(typed) >= most:
                return typed, "OK"
            key = NOTHING

    def length(self, sound: str) -> float:
        if sound in self.durations:
            return self.durations[sound]
        try:
            with wave.open(sound + ".wav") as file:
                return file.getnframes() / file.getframerate()
        except OSError:
            return 1.0
