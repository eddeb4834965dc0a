"""Who may pick up: `Phone(on_call=person("hello.wav"))`. For outbound calls and their tests.

A callee is a coroutine that gets the call. Those here ring first, like any telephone; `after` is
for how many seconds. A list of `doing` is carried out in order once the call is answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from cti.softphone import until
from cti.softphone.call import Call, Sound
from cti.softphone.incoming import IncomingCall
from cti.softphone.levels import tone
from cti.softphone.phone import OnCall
from ivr.audio import TELEPHONE_RATE, Samples

Doing = Callable[[Call], Awaitable[object]]
LONGEST = 600.0
"""Seconds after which a callee hangs up by itself: no test leaves a call behind."""

BEEP = tone(1000, 0.4, -6)


def refuses(code: int = 486, *, after: float = 0.0) -> OnCall:
    """486 busy (at once by default), 603 declined, 480 not here, 404 no such number."""

    async def callee(call: IncomingCall) -> None:
        if after:
            call.ring()
            await call.pause(after)
        call.refuse(code)

    return callee


def never_answers() -> OnCall:
    """Rings until the caller gives up."""

    async def callee(call: IncomingCall) -> None:
        call.ring()
        await call.until_over(LONGEST)

    return callee


def answers(*doing: Doing, after: float = 0.0) -> OnCall:
    """Answers, does these things one after the other, and stays until the caller hangs up."""

    async def callee(call: IncomingCall) -> None:
        call.ring()
        await call.pause(after)
        await call.answer()
        for act in doing:
            await act(call)
        await call.until_over(LONGEST)

    return callee


def person(hello: Sound, *doing: Doing, after: float = 1.0, breath: float = 0.3) -> OnCall:
    """A human: a moment after answering says a short hello, and listens."""
    return answers(waits(breath), says(hello), *doing, after=after)


class Machine:
    """An answering machine: a long greeting, a beep, then it records for `longest` seconds or until
    the caller hangs up. `messages` are what came in after the beep."""

    def __init__(
        self, greeting: Sound, *, beep: Samples = BEEP, after: float = 2.0, longest: float = 30.0
    ) -> None:
        self._greeting, self._beep = greeting, beep
        self._after, self._longest = after, longest
        self.messages: list[Samples] = []

    async def __call__(self, call: IncomingCall) -> None:
        call.ring()
        await call.pause(self._after)
        await call.answer()
        await call.play(self._greeting)
        await call.play(self._beep)
        start = int(call.clock() * TELEPHONE_RATE)
        try:
            async with asyncio.timeout(self._longest):
                await call.until_over(LONGEST)
        except TimeoutError:
            await call.hangup()
        finally:
            self.messages.append(call.heard[start:])


def by_number(callees: Mapping[str, OnCall], otherwise: OnCall | None = None) -> OnCall:
    """One phone that plays many subscribers, by what was dialled; unknown ones do not exist."""
    unknown = otherwise or refuses(404)

    async def callee(call: IncomingCall) -> None:
        await callees.get(call.number, unknown)(call)

    return callee


def says(sound: Sound) -> Doing:
    """Speak, to the end."""
    return lambda call: call.play(sound)


def presses(keys: str, *, tone_ms: int = 80, gap_ms: int = 60) -> Doing:
    """Press keys."""
    return lambda call: call.press(keys, tone_ms, gap_ms)


def waits(seconds: float) -> Doing:
    """Be silent for a while."""
    return lambda call: call.pause(seconds)


def waits_for_prompt(sound: Sound, *, least: float = 0.9, timeout: float = 30.0) -> Doing:
    """Listen until a prompt was heard; the call fails the phone when it is not."""

    async def act(call: Call) -> None:
        wanted = until.prompt(sound, least=least, after=call.clock() - 1.0)
        await call.wait_for(wanted, timeout, "the prompt")

    return act


def hangs_up() -> Doing:
    """End the call."""
    return lambda call: call.hangup()


def script(steps: Sequence[tuple[float, Doing]]) -> Doing:
    """Things at times, in seconds after this began; one that takes longer delays the next."""

    async def act(call: Call) -> None:
        begun = call.clock()
        for at, doing in steps:
            await call.pause(begun + at - call.clock())
            await doing(call)

    return act
