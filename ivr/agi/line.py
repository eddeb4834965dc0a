"""One caller's line on Asterisk: commands, sound out, keys in. `call.py` makes a `Call` of it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from ivr.agi import commands
from ivr.agi.connection import AgiConnection
from ivr.agi.pressed import Pressed
from ivr.agi.protocol import Reply
from ivr.agi.sound import Sound
from ivr.errors import BadAgi, CallerHungUp, CommandRefused, PromptUnavailable, TelephonyFault

SLACK = 10.0  # seconds a command may take beyond what it should
HANGUP_FOLLOWS = 0.1  # seconds in which HANGUP follows a result of -1; measured: at once


class AgiLine:
    """Every method raises CallerHungUp when the caller is gone and TelephonyFault (ReplyOverdue,
    LineLost, CommandRefused, BadAgi) when the line is.

    `slack` is how many seconds a command may take beyond what it should; `between` the dialplan's
    TIMEOUT(digit), 0 when it is not known; `clock` measures how long prompts played.

    Keys and pauses. While no command runs Asterisk reads the caller's keys and drops them (run_agi,
    res/res_agi.c). A pause shorter than a key loses one all the same only by a double accident: a
    key has a beginning and an end, and where one of them meets a pause __ast_read (main/channel.c)
    mends it - an end alone is sent on 80 ms or the key's length later - unless that meets a pause
    again. Measured: 2,000 keys and pauses of 30 ms: none lost; of 60 ms: 12 (keys of 40 ms) or
    none (100 ms); of 100 ms: 144. `longest_pause` tells how long this call's have been. With a
    witness (`pressed.py`) these are no longer lost.
    """

    def __init__(
        self,
        connection: AgiConnection,
        *,
        between: float = 0.0,
        slack: float = SLACK,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.time = clock or asyncio.get_running_loop().time
        self.heard_at = -math.inf  # when the last key came, by `time`
        self.pressed = Pressed(self.time, connection)
        self._connection = connection
        self._slack = slack
        self._digit_timeout = between
        self._stray = ""
        self._stray_until = 0.0

    @property
    def trips(self) -> int:
        """Commands sent so far on this connection."""
        return self._connection.trips

    @property
    def longest_pause(self) -> float:
        """Seconds; the longest time without a command so far."""
        return self._connection.longest_pause

    @property
    def hung_up(self) -> bool:
        return self._connection.hung_up

    async def command(
        self, line: bytes, expected: float = 0.0, sound: Sound | None = None
    ) -> Reply:
        """Send one command that should take `expected` seconds and may play `sound`.

        A result of -1 is a hang-up or a failure; the channel's state tells which. It raises
        CallerHungUp for the one, PromptUnavailable or TelephonyFault for the other, except that a
        recording's -1 is left to `record`.
        """
        reply = await self._connection.command(line, expected + self._slack)
        if reply.result == "-1" and not reply.data:
            await self.check_up()
            if sound is not None and sound.names:
                raise PromptUnavailable(f"Asterisk cannot play {' or '.join(sound.names)}.")
            raise TelephonyFault("Asterisk could not do what it was asked.")
        if reply.result == "-2":
            raise CommandRefused("Asterisk has no such application.")
        return reply

    async def check_up(self) -> None:
        """Raise CallerHungUp when the channel is gone."""
        if await self._connection.gone_within(HANGUP_FOLLOWS):
            raise CallerHungUp
        await self._connection.command(commands.CHANNEL_STATUS, self._slack)  # 511: CallerHungUp

    async def play(self, sound: Sound) -> tuple[str, int]:
        """Play until the end or a key: the key ("" at the end) and the milliseconds played.

        Keys that AGI had lost come with the one behind them; so it is in `listen`, too.
        """
        began = self.time()
        for run in commands.batches(sound.names):
            reply = await self.command(commands.background(run), sound.ms / 1000)
            keys = self._typed(reply)
            if keys == "":
                return await self.play(sound)
            if keys:
                return keys, min(sound.ms, int((self.time() - began) * 1000))
        await self._check_played(sound, began, commands.BACKGROUND_STATUS)
        return "", sound.ms

    async def play_through(self, sound: Sound) -> None:
        """Play to the end; keys meanwhile are not heard."""
        began = self.time()
        for run in commands.batches(sound.names):
            await self.command(commands.playback(run), sound.ms / 1000)
        self.pressed.forget()
        await self._check_played(sound, began, commands.PLAYBACK_STATUS)

    async def listen(self, seconds: float) -> str:
        """The key pressed within so many seconds, or ""."""
        end = self.time() + seconds
        reply = await self.command(commands.wait_for_digit(seconds), seconds)
        keys = self._typed(reply)
        left = end - self.time()
        if keys == "" and left > 0:
            return await self.listen(left)
        return keys or ""

    def _typed(self, reply: Reply) -> str | None:
        """The keys of an answer, "" for one that is not to count, None for none at all."""
        if reply.result == "0":
            return self.pressed.lost() or None
        self.heard_at = self.time()
        try:
            key = chr(int(reply.result))
        except ValueError as error:
            raise BadAgi("Asterisk's result is not a key.") from error
        return self.not_stray(self.pressed.heard(key))

    def not_stray(self, keys: str) -> str:
        """The keys without a finish key that belongs to the answer before."""
        return keys[1:] if keys and self.is_stray(keys[0]) else keys

    def note_keys(self) -> None:
        """Keys have just been heard by another way than `play` and `listen`."""
        self.heard_at = self.time()
        self._stray = ""

    def expect_stray(self, finish: str, seconds: float) -> None:
        """An answer ended by its length: a finish key that still follows belongs to it."""
        self._stray, self._stray_until = finish, self.time() + seconds

    def is_stray(self, key: str) -> bool:
        """Whether this key, the next there is, is such a finish key; asked once for each key."""
        stray = key in self._stray and self.time() < self._stray_until
        self._stray = ""
        return stray

    async def set_digit_timeout(self, seconds: float) -> None:
        """Make it Asterisk's TIMEOUT(digit); nothing is sent when it is so already."""
        if self._digit_timeout != seconds:
            await self.command(commands.set_digit_timeout(seconds))
            self._digit_timeout = seconds

    async def _check_played(self, sound: Sound, began: float, status: bytes) -> None:
        """Asterisk says 0 for a file it does not have, too; only much too early."""
        if sound.ms and (self.time() - began) * 1000 < sound.ms / 2:
            reply = await self.command(status)
            if reply.data != "SUCCESS":
                raise PromptUnavailable(f"Asterisk cannot play {' or '.join(sound.names)}.")
