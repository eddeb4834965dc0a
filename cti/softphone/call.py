"""One call as a person has it: speak, press keys, listen, wait, hang up. Both sides share this."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from os import PathLike
from typing import TypeVar

import numpy as np

from cti.softphone.leg import Leg
from cti.softphone.rtp import KEYS, KeyHeard
from ivr.audio import TELEPHONE_RATE, Samples, read_wav, resample
from ivr.errors import CallOver, NotInTime, SoftphoneFault

Sound = Samples | str | PathLike[str]
"""8 kHz samples, or a wav file of any rate."""
Found = TypeVar("Found")

_HELD = 10.0  # seconds of hold that what is being said or pressed waits for
_LOOK = 0.05  # seconds between two looks at what has been heard


class Call(Leg):
    """A call in progress or over. What was heard stays when it is over."""

    @property
    def heard(self) -> Samples:
        """All sound that came in, 8 kHz, placed on the call's clock; gaps and hold are silence."""
        return self._stream.ear.tape.samples(self.clock())

    @property
    def keys_heard(self) -> list[KeyHeard]:
        """The keys that came in as telephone-events, in order."""
        return self._stream.ear.keys

    @property
    def keys(self) -> str:
        """The keys that came in, as text."""
        return "".join(key.key for key in self.keys_heard)

    @property
    def packets(self) -> tuple[int, int, int]:
        """RTP packets: sent, received, and missing among those received."""
        tape = self._stream.ear.tape
        tape.samples()
        return self._stream.talker.sent, tape.received, tape.lost

    @property
    def quiet(self) -> bool:
        """Set it to send no RTP but keys, like a phone with silence suppression."""
        return self._stream.talker.quiet

    @quiet.setter
    def quiet(self, value: bool) -> None:
        self._stream.talker.quiet = value

    def deafen(self) -> None:
        """Hear nothing from now on: `heard` and `keys` stay empty."""
        self._ua.pump.deafen(self._stream)

    async def play(self, sound: Sound, *, wait: bool = True, forever: bool = False) -> bool:
        """Speak: after what is already being played; silence follows.

        With `wait`, returns when it has been sent (True) or was cut short (False), otherwise at
        once. `forever` repeats it until `stop_playing`. Raises CallOver, BadInput for a bad file,
        and NotInTime when a hold keeps it from being sent.
        """
        samples = await load(sound)
        self._must_have_sound()
        if not wait or forever:
            self._stream.talker.play(samples, forever=forever)
            return True
        done: asyncio.Future[bool] = self._loop.create_future()
        queued = self._stream.talker.queued
        self._stream.talker.play(samples, _resolve(done))
        return await self._sent(done, (queued + len(samples)) / TELEPHONE_RATE)

    def stop_playing(self) -> None:
        """Fall silent."""
        self._stream.talker.stop()

    async def press(self, keys: str, tone_ms: int = 80, gap_ms: int = 60) -> None:
        """Press keys (0-9 * # A-D) as RFC 4733 events and return when the last one is let go.

        Times are in whole ticks of 20 ms, rounded up. Raises CallOver when the call ended first,
        SoftphoneFault when the other side takes no telephone-events, NotInTime when held.
        """
        if not keys or set(keys.upper()) - set(KEYS):
            raise SoftphoneFault("These are not keys of a telephone.")
        self._must_have_sound()
        talker = self._stream.talker
        if talker.events is None:
            raise SoftphoneFault("The other side takes no telephone-events.")
        done: asyncio.Future[bool] = self._loop.create_future()
        for key in keys[:-1]:
            talker.press(key, tone_ms, gap_ms)
        talker.press(keys[-1], tone_ms, gap_ms, _resolve(done))
        if not await self._sent(done, len(keys) * (tone_ms + gap_ms + 40) / 1000):
            raise CallOver(f"The call ended before every key was pressed ({self}).")

    async def wait_for(
        self, condition: Callable[[Call], Found | None], timeout: float, what: str = "it"
    ) -> Found:
        """Wait until `condition(call)` is true and return what it gave; looked at every 50 ms.

        Raises NotInTime after `timeout` seconds, and CallOver when the call ends without it.
        """
        deadline = self._loop.time() + timeout
        while True:
            found = condition(self)
            if found:
                return found
            left = deadline - self._loop.time()
            if self.over:
                raise CallOver(f"The call is over ({self}) and {what} had not happened.")
            if left <= 0:
                raise NotInTime(f"Within {timeout:g} s {what} did not happen ({self}).")
            await self._change(min(left, _LOOK))

    async def pause(self, seconds: float) -> None:
        """Let time pass in the call. Raises CallOver as soon as the call is over."""
        deadline = self._loop.time() + seconds
        while not self.over:
            left = deadline - self._loop.time()
            if left <= 0:
                return
            await self._change(left)
        raise CallOver(f"The call is over ({self}).")

    async def until_answered(self, timeout: float = 30.0) -> None:
        """Wait for the answer. Raises CallOver with the code when it was refused."""
        await self.wait_for(lambda call: call.answered_at is not None, timeout, "the answer")

    async def until_over(self, timeout: float = 30.0) -> None:
        """Wait for the end of the call, whoever makes it."""
        await self.wait_for(lambda call: call.over, timeout, "the end of the call")

    async def hangup(self, timeout: float = 5.0) -> None:
        """End the call: BYE, CANCEL or a refusal, as its state asks. A second time does nothing."""
        if self.state == "up":
            self._finish("us")
            await self._bye(timeout)
        elif not self.over:
            await self._give_up(timeout)

    def __str__(self) -> str:
        ended = f", ended by {self.ended_by} at {self.ended_at:.2f} s" if self.ended_at else ""
        return f"{self.number}: {self.state} {self.code or ''} {self.reason}{ended}".replace(
            "  ", " "
        )

    async def _give_up(self, timeout: float) -> None:
        raise NotImplementedError

    async def _sent(self, done: asyncio.Future[bool], seconds: float) -> bool:
        """Wait until it went out; a call on hold sends nothing, and not for ever."""
        try:
            return await asyncio.wait_for(done, seconds + _HELD)
        except TimeoutError as error:
            self._stream.talker.stop()
            self._stream.talker.release()
            raise NotInTime("It could not be sent: the call is on hold.") from error

    def _must_have_sound(self) -> None:
        if self.over:
            raise CallOver(f"The call is over ({self}).")
        if not self._stream.remote:
            raise SoftphoneFault("The call has no sound yet: it is not answered.")


async def load(sound: Sound) -> Samples:
    """Sound at 8 kHz; files are read off the event loop. Raises BadInput, OSError."""
    if isinstance(sound, np.ndarray):
        return np.ascontiguousarray(sound, np.int16)
    return await asyncio.to_thread(_read, sound)


def _read(path: str | PathLike[str]) -> Samples:
    samples, rate = read_wav(path)
    return resample(samples, rate, TELEPHONE_RATE)


def _resolve(future: asyncio.Future[bool]) -> Callable[[bool], None]:
    def done(whole: bool) -> None:
        if not future.done():
            future.set_result(whole)

    return done
