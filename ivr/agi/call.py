"""`ivr.call.Call` over AGI: one caller's line on Asterisk.

Keys that nobody has asked for yet are kept in `pending` (type-ahead) and answer the next question.
How a question is asked is in `questions.py`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from ivr.agi import commands, questions
from ivr.agi.connection import AgiConnection
from ivr.agi.protocol import Reply
from ivr.agi.sound import Joiner, Sound, sound_name
from ivr.call import CallInfo, Heard, Played, Question, Recorded, Utterance
from ivr.errors import CallerHungUp, CommandRefused, PromptUnavailable, TelephonyFault

FRAME_MS = 40  # twice the frame that may come in just before a limit
SLACK = 10.0  # seconds a command may take beyond what it should
GRACE = 0.1  # seconds in which HANGUP follows a result of -1; measured: at once
SLICES = (0.02, 0.04, 0.08, 0.16, 0.25)  # seconds of listening between two looks at a task
_TARGET = re.compile(r"[\w.+*#@:/ -]{1,100}")


class PromptFiles(Protocol):
    """Where the sound of a prompt comes from (`ivr/prompts/library.py`)."""

    async def files(self, utterance: Utterance) -> tuple[Path, ...]:
        """The files to play one after another. Raises PromptUnavailable."""
        ...

    def silence(self, seconds: float) -> Path:
        """A file of that much silence."""
        ...

    def duration_ms(self, path: Path) -> int: ...


class Listener(Protocol):
    """Asks the questions that may be answered in words; it drives the call's commands itself."""

    async def ask(self, call: AgiCall, question: Question) -> Heard: ...

    async def leave(self, call: AgiCall) -> None:
        """The call goes on without the engine: what was set up on its channel ends."""


class AgiCall:
    """A call that has entered the engine. With a `listener` questions with words take speech too.
    `between` is the dialplan's TIMEOUT(digit), `clock` measures how long prompts played (seconds).

    Every method raises CallerHungUp when the caller is gone and TelephonyFault (ReplyOverdue,
    LineLost, CommandRefused, BadAgi) when the line is.
    """

    def __init__(
        self,
        connection: AgiConnection,
        info: CallInfo,
        prompts: PromptFiles,
        *,
        listener: Listener | None = None,
        joiner: Joiner | None = None,
        between: float = 0.0,
        slack: float = SLACK,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.info = info
        self.prompts = prompts
        self.pending = ""
        self.digit_timeout = between  # TIMEOUT(digit) as Asterisk has it; 0 = not known
        self._stray = ""
        self._stray_until = 0.0
        self._connection = connection
        self._listener = listener
        self._joiner = joiner or Joiner()
        self._slack = slack
        self._up = False
        self.time = clock or asyncio.get_running_loop().time

    @property
    def trips(self) -> int:
        """Commands sent so far on this connection."""
        return self._connection.trips

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
        if await self._connection.gone_within(GRACE):
            raise CallerHungUp
        await self._connection.command(commands.CHANNEL_STATUS, self._slack)  # 511: CallerHungUp

    async def answer(self) -> None:
        """Pick up; nothing is sent when that was done already."""
        if not self._up:
            await self.command(commands.ANSWER)
            self._up = True

    async def say(self, utterance: Utterance, *, barge_in: bool = True) -> Played:
        """Play to the end, or until a key is pressed; the key is kept.

        With keys waiting already a prompt that can be interrupted is skipped.
        """
        if barge_in and self.pending:
            return Played(0, interrupted=True)
        sound = await self.sound(utterance)
        if not barge_in:
            await self.play_through(sound)
            return Played(sound.ms)
        key, ms = await self.play(sound)
        self.pending += key
        return Played(ms, interrupted=bool(key))

    async def ask(self, question: Question) -> Heard:
        """Play, listen, and give back what was heard."""
        if question.flush:
            await self.flush()
        if question.words and question.speech is not None and self._listener is not None:
            return await self._listener.ask(self, question)
        return await questions.ask(self, question)

    async def flush(self) -> None:
        """Forget the keys that are waiting, here and in Asterisk; at most one command."""
        if self.pending:
            self.pending = ""
            await self.command(commands.wait(questions.BURST), questions.BURST)

    async def record(
        self, path: str, *, limit: float, silence: float, beep: bool, finish: str
    ) -> Recorded:
        """Record the caller to `path`; its suffix is the format.

        `ended_by` is `key`, `silence`, `limit` or `hangup`: a caller who hangs up has left a note
        all the same, so that is returned and the next method raises CallerHungUp. Quiet is counted
        in whole seconds (RECORD FILE, res/res_agi.c). Keys typed ahead are dropped. A key during
        the beep leaves no file and 0 ms.
        """
        self.pending = ""
        stem, dot, suffix = path.rpartition(".")
        if not dot or not stem:
            raise CommandRefused("A recording's path needs a suffix such as .wav.")
        seconds = max(1, round(silence)) if silence > 0 else 0
        line = commands.record_file(stem, suffix, finish, limit, seconds, beep)
        reply = await self.command(line, limit + 2.0)
        ms = (reply.endpos or 0) // 8  # positions are samples of 8 kHz
        if reply.data == "timeout":  # the result is what was left of the limit, in milliseconds
            quiet = seconds > 0 and int(reply.result) > FRAME_MS
            return Recorded(path, ms, "silence" if quiet else "limit")
        if reply.result != "-1":
            return Recorded(path, ms, "key")
        if reply.data in ("hangup", "waitfor"):
            return Recorded(path, ms, "hangup")
        await self.check_up()  # a hang-up during the beep, when there is no file yet
        raise TelephonyFault(f"Asterisk cannot record ({reply.data}).")

    async def play_back(self, recorded: Recorded) -> Played:
        """Play a recording that was just made; a key cuts it short and is kept."""
        name = sound_name(Path(recorded.path))
        key, ms = await self.play(Sound((name,), recorded.ms, recorded.ms))
        self.pending += key
        return Played(ms, interrupted=bool(key))

    async def wait(self, task: asyncio.Future[Any], timeout: float) -> bool:
        """Listen for keys while `task` works; False when it is not done within `timeout` seconds.

        Keys whose release meets a channel without a running command are lost in Asterisk, so one
        runs all the time. A task that is done at once costs none.
        """
        for _ in range(3):  # turns of the loop, for what needs no more than that
            await asyncio.sleep(0)
        end = self.time() + timeout
        for turn in range(1_000_000):
            if task.done():
                return True
            left = end - self.time()
            if left <= 0:
                return False
            length = min(SLICES[min(turn, len(SLICES) - 1)], left)
            self.pending += await self.listen(length)
        return task.done()

    async def transfer(self, kind: str, target: str, options: Mapping[str, str]) -> None:
        """Leave `SANTRAL_DONE`, `SANTRAL_TO` and `SANTRAL_<OPTION>` for the dialplan and close.

        Raises CommandRefused for a target or value that could be more than text to a dialplan.
        """
        if not _TARGET.fullmatch(target):
            raise CommandRefused("The target of the transfer has a character that is not allowed.")
        values = {"SANTRAL_DONE": kind, "SANTRAL_TO": target}
        values.update({f"SANTRAL_{name.upper()}": value for name, value in options.items()})
        await self._leave(values)

    async def hangup(self) -> None:
        """Tell the dialplan that the call is over and close."""
        await self._leave({"SANTRAL_DONE": "hangup"})

    async def _leave(self, values: Mapping[str, str]) -> None:
        if self._listener is not None:
            await self._listener.leave(self)
        await self.command(commands.set_variables(values))
        self._connection.close()

    async def sound(
        self, utterance: Utterance | None, tail: float = 0.0, *, one: bool = False
    ) -> Sound:
        """What to play for an utterance, and `tail` seconds of silence behind it.

        With `one` it is a single file where that can be had: for fixed prompts, not for values.
        """
        paths = () if utterance is None else await self.prompts.files(utterance)
        prompt_ms = sum(map(self.prompts.duration_ms, paths))
        ms = prompt_ms
        if tail > 0:
            silence = self.prompts.silence(tail)
            paths = (*paths, silence)
            ms += self.prompts.duration_ms(silence)
        if one and len(paths) > 1 and utterance is not None and utterance.fixed:
            directory = self.prompts.silence(tail or 1.0).parent
            joined = await self._joiner.join(paths, directory)
            paths = paths if joined is None else (joined,)
        return Sound(tuple(map(sound_name, paths)), ms, prompt_ms)

    async def play(self, sound: Sound) -> tuple[str, int]:
        """Play until the end or a key: the key ("" at the end) and the milliseconds played."""
        began = self.time()
        for run in commands.batches(sound.names):
            reply = await self.command(commands.background(run), sound.ms / 1000)
            if reply.result != "0":
                key = chr(int(reply.result))
                if self.is_stray(key):
                    return await self.play(sound)
                return key, min(sound.ms, int((self.time() - began) * 1000))
        await self._check_played(sound, began, commands.BACKGROUND_STATUS)
        return "", sound.ms

    async def play_through(self, sound: Sound) -> None:
        """Play to the end; keys meanwhile are not heard."""
        began = self.time()
        for run in commands.batches(sound.names):
            await self.command(commands.playback(run), sound.ms / 1000)
        await self._check_played(sound, began, commands.PLAYBACK_STATUS)

    async def listen(self, seconds: float) -> str:
        """The key pressed within so many seconds, or ""."""
        end = self.time() + seconds
        reply = await self.command(commands.wait_for_digit(seconds), seconds)
        key = "" if reply.result == "0" else chr(int(reply.result))
        if key and self.is_stray(key):
            left = end - self.time()
            return await self.listen(left) if left > 0 else ""
        return key

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
        if self.digit_timeout != seconds:
            await self.command(commands.set_digit_timeout(seconds))
            self.digit_timeout = seconds

    async def _check_played(self, sound: Sound, began: float, status: bytes) -> None:
        """Asterisk says 0 for a file it does not have, too; only much too early."""
        if sound.ms and (self.time() - began) * 1000 < sound.ms / 2:
            reply = await self.command(status)
            if reply.data != "SUCCESS":
                raise PromptUnavailable(f"Asterisk cannot play {' or '.join(sound.names)}.")
