"""The AGI commands we use, as bytes. Pure; every builder raises CommandRefused for a bad value.

Three parsers read an `EXEC` argument one after another: AGI's words (`parse_args`, res_agi.c), the
application's comma list (`__ast_app_separate_args`, main/app.c) and, for sounds, the list joined by
`&` (`ast_strsep`, main/strings.c). Nothing here is ever substituted: `${…}` is sent as it is, but a
value that a dialplan would evaluate is refused so that it cannot be used by mistake later.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from ivr.agi.protocol import LONGEST_COMMAND, command
from ivr.errors import CommandRefused

_BAD_IN_SOUND = re.compile(r"[\x00-\x1f\x7f&\"'\\]")
_SPECIAL = re.compile(r"[,()\[\]]")
_BAD_IN_VALUE = re.compile(r"[\x00-\x1f\x7f\"\\`]|\$[{\[(]")
_BAD_IN_ENGINE = re.compile(r"[^A-Za-z0-9_-]")
_BAD_IN_NAME = re.compile(r"[^A-Z0-9_]")
_ROOM_FOR_SOUNDS = LONGEST_COMMAND - 200  # what else may stand in the line of an EXEC

# The commands during which the caller's keys are taken, each in its own way.
TAKE_KEYS = (b"EXEC Background ", b"EXEC Read ", b"EXEC SpeechBackground ", b"GET DATA ",
             b"WAIT FOR DIGIT ")  # fmt: skip
COLLECT_KEYS = (b"EXEC Read ", b"GET DATA ")  # of these, those that may take several
REMEMBERED = 4096  # lines of each kind that are kept ready
ANSWER = command("ANSWER")
CHANNEL_STATUS = command("CHANNEL STATUS")
BACKGROUND_STATUS = command("GET VARIABLE", "BACKGROUNDSTATUS")
SPEECH_DESTROY = command("EXEC SpeechDestroy")
STOP_MIX_MONITOR = command("EXEC StopMixMonitor")
PLAYBACK_STATUS = command("GET VARIABLE", "PLAYBACKSTATUS")


def batches(sounds: Sequence[str]) -> list[tuple[str, ...]]:
    """The sounds in runs that each fit into one command."""
    if sum(map(len, sounds)) * 4 < _ROOM_FOR_SOUNDS:  # no character has more than 4 bytes
        return [tuple(sounds)] if sounds else []
    runs: list[tuple[str, ...]] = []
    run: list[str] = []
    room = _ROOM_FOR_SOUNDS
    for sound in sounds:
        size = len(sound.encode("utf-8", "surrogateescape")) + 1
        if size > room and run:
            runs.append(tuple(run))
            run, room = [], _ROOM_FOR_SOUNDS
        run.append(sound)
        room -= size
    if run:
        runs.append(tuple(run))
    return runs


@lru_cache(REMEMBERED)
def background(sounds: tuple[str, ...]) -> bytes:
    """Play; any key stops it and is the result (pbx_builtin_background, main/pbx_builtins.c)."""
    return command("EXEC Background", _joined(sounds))


@lru_cache(REMEMBERED)
def playback(sounds: tuple[str, ...]) -> bytes:
    """Play to the end whatever is keyed (apps/app_playback.c)."""
    return command("EXEC Playback", _joined(sounds))


@lru_cache(REMEMBERED)
def read(variable: str, sounds: tuple[str, ...], most: int, finish: str, between: float) -> bytes:
    """Play and collect up to `most` keys into `variable` (apps/app_read.c).

    `between` seconds is both the wait for the first key after the last sound and that from key to
    key, except for keys that begin in a sound before the last: there Asterisk uses TIMEOUT(digit).
    """
    if not set(finish) <= set("0123456789*#ABCD"):
        raise CommandRefused("A finish key is not a key.")
    options = f"t({finish})" if finish else "t"
    return command(
        "EXEC Read", f"{variable},{_joined(sounds)},{most},{options},1,{max(between, 0.05):g}"
    )


@lru_cache(REMEMBERED)
def get_data(sound: str, most: int, between: float) -> bytes:
    """Play and collect keys; `#` always finishes (ast_app_getdata_full, main/app.c)."""
    return command("GET DATA", sound, f"{_ms(between)}", f"{most}")


def mix_monitor(path: str) -> bytes:
    """Record both sides to the end of a file (apps/app_mixmonitor.c)."""
    if _BAD_IN_SOUND.search(path) or _SPECIAL.search(path):
        raise CommandRefused("The path of a recording has a character that is not allowed.")
    return command("EXEC MixMonitor", f"{path},a")


def wait_for_digit(seconds: float) -> bytes:
    return command("WAIT FOR DIGIT", f"{_ms(seconds)}")


def get_full_variable(expression: str) -> bytes:
    return command("GET FULL VARIABLE", expression)


def wait(seconds: float) -> bytes:
    """Let time pass; keys are dropped meanwhile."""
    return command("EXEC Wait", f"{seconds:g}")


def set_digit_timeout(seconds: float) -> bytes:
    return command("EXEC MSet", f"TIMEOUT(digit)={seconds:g}")


def speech_create(engine: str) -> bytes:
    """Connect the channel to a speech engine of aeap.conf (apps/app_speech_utils.c)."""
    if _BAD_IN_ENGINE.search(engine):
        raise CommandRefused(f"{engine!r} cannot be the name of a speech engine.")
    return command("EXEC SpeechCreate", engine)


def speech_set(name: str, value: str) -> bytes:
    """Tell the speech engine something; its answer is waited for, one second at most."""
    return command("SET VARIABLE", f"SPEECH_ENGINE({name})", value)


def speech_background(sounds: Sequence[str], first: float) -> bytes:
    """Play and listen; `first` seconds after the last sound it gives up (0 = at once).

    Without any sound Asterisk would wait for ever, so there has to be one. Unlike its siblings this
    application wants no SpeechStart before it: it starts what is not started.
    """
    if not sounds:
        raise CommandRefused("SpeechBackground without a sound never gives up.")
    return command("EXEC SpeechBackground", f"{_joined(sounds)},{first:g}")


def record_file(
    path: str, format: str, finish: str, limit: float, silence: int, beep: bool
) -> bytes:
    """Record; `limit` seconds, `silence` whole seconds (0 = any length of quiet)."""
    extra = (["BEEP"] if beep else []) + ([f"s={silence}"] if silence else [])
    return command("RECORD FILE", path, format, finish, f"{_ms(limit)}", "0", *extra)


def set_variables(values: Mapping[str, str]) -> bytes:
    """Set all of them at once (pbx_builtin_setvar_multiple, main/pbx_variables.c)."""
    pairs = []
    for name, value in values.items():
        if _BAD_IN_NAME.search(name):
            raise CommandRefused(f"{name!r} cannot be the name of a channel variable.")
        check_value(name, value)
        pairs.append(f"{name}={_escape(value)}")
    return command("EXEC MSet", ",".join(pairs))


def check_value(name: str, value: str) -> None:
    """Raise CommandRefused for what a dialplan might take for more than text."""
    if _BAD_IN_VALUE.search(value):
        raise CommandRefused(f"The value of {name} has a character that a dialplan would act on.")


def _joined(sounds: Sequence[str]) -> str:
    for sound in sounds:
        if _BAD_IN_SOUND.search(sound):
            raise CommandRefused("A sound's path has a character that Asterisk would act on.")
    return _escape("&".join(sounds))


def _escape(text: str) -> str:
    """For the comma list of an application. Quotes would not do: brackets count inside them too."""
    return _SPECIAL.sub(r"\\\g<0>", text)


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
