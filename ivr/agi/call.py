"""`ivr.call.Call` over AGI: one caller's line on Asterisk.

Keys that nobody has asked for yet are kept in `pending` (type-ahead) and answer the next question.
How a question is asked is in `questions.py`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from ivr.agi import commands, questions
from ivr.agi.connection import AgiConnection
from ivr.agi.line import SLACK, AgiLine
from ivr.agi.sound import Joiner, Sound, sound_name
from ivr.call import CallInfo, Heard, Played, Question, Recorded, Trouble, Utterance
from ivr.errors import CommandRefused, PromptUnavailable, TelephonyFault

BURST = 0.3  # seconds from key to key within which they were typed in one go
FRAME_MS = 40  # twice the frame that may come in just before a limit
PAUSE = 0.02  # seconds without a command in which no key is lost (see AgiLine), with room
SYNTHESIS = 10.0  # seconds the values of a prompt may take to be spoken
SLICES = (0.2, 0.25)  # seconds of listening between two looks at a task (see AgiLine)
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


class AgiCall(AgiLine):
    """A call that has entered the engine. With a `listener` questions with words take speech too.

    Raises what AgiLine raises, and PromptUnavailable for a prompt that cannot be played.
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
        super().__init__(connection, between=between, slack=slack, clock=clock)
        self.info = info
        self.prompts = prompts
        self.pending = ""
        self._listener = listener
        self._joiner = joiner or Joiner()
        self._up = False
        self.route: Callable[[str, Mapping[str, str]], Mapping[str, str]] | None = None
        """What is told of a caller for a queue beside what the flow says; set by who knows."""

    async def answer(self) -> None:
        """Pick up; nothing is sent when that was done already.

        For a call that came back, the dialplan's count of tries without an engine begins anew.
        """
        if not self._up:
            await self.command(commands.ANSWER)
            self._up = True
            if self.info.entry > 1:
                await self.command(commands.set_variables({"SANTRAL_TRIES": "0"}))

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
        if self.pending:
            return Played(0, interrupted=True)
        key, ms = await self.play(sound)
        self.pending += key
        return Played(ms, interrupted=bool(key))

    async def ask(self, question: Question) -> Heard:
        """Play, listen, and give back what was heard."""
        if question.flush:
            await self.flush()
        if not question.heeds_speech:
            return await questions.ask(self, question)
        if self._listener is not None:
            return await self._listener.ask(self, question)
        heard = await questions.ask(self, question)
        return heard if question.keys else replace(heard, trouble=Trouble.SPEECH_DOWN)

    async def flush(self) -> None:
        """Forget the keys that are waiting, and those right behind the last; at most one command.

        Asterisk itself keeps none back, but a burst that has begun goes on arriving.
        """
        self.pending = ""
        rest = self.heard_at + BURST - self.time()
        if rest > 0:
            await self.command(commands.wait(rest), rest)
        self.pressed.forget()

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
        self.pressed.forget()
        ms = (reply.endpos or 0) // 8  # positions are samples of 8 kHz
        if reply.data == "timeout":  # the result is what was left of the limit, in milliseconds
            quiet = seconds > 0 and reply.result.isdecimal() and int(reply.result) > FRAME_MS
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

        What is done within PAUSE costs no command: no key is lost in so short a time (AgiLine).
        """
        end = self.time() + timeout
        if not task.done():
            await asyncio.wait((task,), timeout=min(timeout, PAUSE))
        turn = 0
        while not task.done():
            left = end - self.time()
            if left <= 0:
                return False
            self.pending += await self.listen(min(SLICES[turn], left))
            turn = min(turn + 1, len(SLICES) - 1)
        return True

    async def tape(self, path: str) -> None:
        """Record both sides of the call, behind what is in the file already."""
        await self.command(commands.STOP_MIX_MONITOR)  # one of an engine before us
        await self.command(commands.mix_monitor(path))

    async def untape(self) -> None:
        """Stop recording the call."""
        await self.command(commands.STOP_MIX_MONITOR)

    async def transfer(self, kind: str, target: str, options: Mapping[str, str]) -> None:
        """Leave `SANTRAL_DONE`, `SANTRAL_TO` and `SANTRAL_<OPTION>` for the dialplan and close.

        Raises CommandRefused for a target or value that could be more than text to a dialplan.
        """
        if not _TARGET.fullmatch(target):
            raise CommandRefused("The target of the transfer has a character that is not allowed.")
        if kind == "queue" and self.route is not None:
            options = self.route(target, options)
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
        paths = () if utterance is None else await self._files(utterance)
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

    async def _files(self, utterance: Utterance) -> tuple[Path, ...]:
        """The files of a prompt. Values may have to be spoken first; keys are heard meanwhile."""
        if utterance.fixed:
            return await self.prompts.files(utterance)
        task = asyncio.ensure_future(self.prompts.files(utterance))
        try:
            if not await self.wait(task, SYNTHESIS):
                raise PromptUnavailable(f"The prompt {utterance.prompt} was not ready in time.")
            return task.result()
        finally:
            task.cancel()
