"""The port to a speech synthesiser, and the engines that are a program: espeak-ng, or any other."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from ivr.errors import BadSetting
from ivr.prompts.languages import VOICES, Voice, voice_of
from ivr.prompts.process import run_program

_NOTHING: Mapping[str, str] = MappingProxyType({})


class Synthesiser(Protocol):
    """Turns text into a wav file. Deadlines, retries and concurrency are `studio.py`'s."""

    @property
    def at_once(self) -> int:
        """How many texts it may be given at a time; 0 = as many as there are processors."""
        ...

    def identity(self, language: str) -> str:
        """Whatever changes the sound: engine, voice, rate. PromptUnavailable: no such language."""
        ...

    async def synthesise(self, text: str, language: str, path: Path) -> None:
        """Write `text`, one line, to a PCM wav file of any rate. PromptUnavailable when it fails.

        Cancelled, it leaves no process behind; a half-written file may stay.
        """
        ...

    async def close(self) -> None:
        """End what it has running."""
        ...


class EspeakNg:
    """espeak-ng, one process a text (17 ms of processor time). The text goes by standard input: it
    is in no process list, and one that begins with `-` is no option.

    `command` may have arguments of its own, as an unpacked one needs; `environment` is added.
    """

    at_once = 0

    def __init__(
        self,
        command: Sequence[str] = ("espeak-ng",),
        environment: Mapping[str, str] = _NOTHING,
        voices: Mapping[str, Voice] = VOICES,
    ) -> None:
        self._command = tuple(command)
        self._environment = environment
        self._voices = voices

    def identity(self, language: str) -> str:
        voice = voice_of(self._voices, language)
        return f"espeak-ng {voice.espeak} {voice.rate}"

    async def synthesise(self, text: str, language: str, path: Path) -> None:
        voice = voice_of(self._voices, language)
        options = ("-v", voice.espeak, "-s", str(voice.rate), "-b", "1", "-w", str(path), "--stdin")
        # In [[ ]] espeak-ng reads phonemes; no text of ours means them.
        plain = text.replace("[", " ").replace("]", " ")
        await run_program((*self._command, *options), plain, self._environment)

    async def close(self) -> None:
        """Nothing runs between two texts."""


class CommandLine:
    """Any program: `piper --model {voice} --output_file {output}`.

    `{text}`, `{output}`, `{language}`, `{voice}` (the voice's `model`) and `{rate}` are filled in;
    without `{text}` the text is given on standard input. There is no shell. BadSetting: no
    `{output}`, or quotes that do not close.
    """

    def __init__(
        self,
        command: str | Sequence[str],
        voices: Mapping[str, Voice] = VOICES,
        *,
        environment: Mapping[str, str] = _NOTHING,
        at_once: int = 0,
    ) -> None:
        try:
            self._command = tuple(shlex.split(command) if isinstance(command, str) else command)
        except ValueError as error:
            raise BadSetting(f"the synthesiser's command line cannot be read: {error}") from error
        if not any("{output}" in argument for argument in self._command):
            raise BadSetting("the synthesiser's command line has no {output} to write to")
        self._by_argument = any("{text}" in argument for argument in self._command)
        self._voices = voices
        self._environment = environment
        self.at_once = at_once

    def identity(self, language: str) -> str:
        voice = voice_of(self._voices, language)
        return f"command {shlex.join(self._command)} {voice.model} {voice.rate}"

    async def synthesise(self, text: str, language: str, path: Path) -> None:
        voice = voice_of(self._voices, language)
        values = {
            "{output}": str(path),
            "{language}": language,
            "{voice}": voice.model,
            "{rate}": str(voice.rate),
            "{text}": f" {text}" if text.startswith("-") else text,  # a text is never an option
        }
        command = [_filled(argument, values) for argument in self._command]
        await run_program(command, None if self._by_argument else text + "\n", self._environment)

    async def close(self) -> None:
        """Nothing runs between two texts."""


def _filled(argument: str, values: Mapping[str, str]) -> str:
    """The text is filled in last, so that a brace in it stays a brace."""
    for name, value in values.items():
        argument = argument.replace(name, value)
    return argument
