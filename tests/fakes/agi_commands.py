"""What the fake Asterisk does on each AGI command and application it knows, in the real bytes."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from tests.fakes.agi_channel import EVERY_KEY, HUNG_UP, NOTHING, Channel
from tests.fakes.agi_text import arguments, code

Command = Callable[[Channel, list[str]], Awaitable[str]]
Application = Callable[[Channel, list[str]], Awaitable[int]]
FORMATS = ("wav", "ulaw", "alaw", "sln", "gsm")


async def answer(channel: Channel, argv: list[str]) -> str:
    channel.up = True
    return "200 result=0"


async def channel_status(channel: Channel, argv: list[str]) -> str:
    return f"200 result={6 if channel.up else 4}"


async def noop(channel: Channel, argv: list[str]) -> str:
    return "200 result=0"


async def verbose(channel: Channel, argv: list[str]) -> str:
    return "200 result=1"


async def hangup(channel: Channel, argv: list[str]) -> str:
    channel.hang_up()
    return "200 result=1"


async def set_variable(channel: Channel, argv: list[str]) -> str:
    channel.variables[argv[0]] = argv[1]
    return "200 result=1"


async def get_variable(channel: Channel, argv: list[str]) -> str:
    value = channel.variables.get(argv[0])
    return "200 result=0" if value is None else f"200 result=1 ({value})"


async def get_full_variable(channel: Channel, argv: list[str]) -> str:
    value = re.sub(r"\$\{([\w()]+)\}", lambda found: channel.variables.get(found[1], ""), argv[0])
    return f"200 result=1 ({value})"


async def wait_for_digit(channel: Channel, argv: list[str]) -> str:
    return _keyed(await channel.key(int(argv[0]) / 1000))


async def stream_file(channel: Channel, argv: list[str]) -> str:
    if _missing(channel, argv[0]):
        return "200 result=-1 endpos=0"
    began = channel.now
    key = await channel.play([argv[0]], argv[1])
    position = min(channel.now - began, channel.length(argv[0])) * 8000
    return f"{_keyed(key)} endpos={int(position)}"


async def get_data(channel: Channel, argv: list[str]) -> str:
    wait = int(argv[1]) / 1000 if len(argv) > 1 and int(argv[1]) > 0 else 6.0
    most = int(argv[2]) if len(argv) > 2 else 255
    if argv[0] and _missing(channel, argv[0]):
        return "200 result=-1"
    typed, how = await channel.collect([argv[0]] if argv[0] else [], most, "#", wait)
    if how == HUNG_UP:
        return "200 result=-1"
    return f"200 result={typed}{' (timeout)' if how == 'TIMEOUT' else ''}"


async def record_file(channel: Channel, argv: list[str]) -> str:
    path, form, finish, limit, *extra = argv
    silence = next((int(word[2:]) for word in extra if word.startswith("s=")), 0)
    if "BEEP" in extra:
        key = await channel.play(["beep"], finish)
        if key:
            return f"{_keyed(key)} (randomerror) endpos=0"
    if path in channel.missing or form not in FORMATS:
        return "200 result=-1 (writefile)"
    most = int(limit) / 1000
    length = min(most, silence) if silence else most
    began = channel.now
    key = await channel.one_of(finish, length)
    position = f"endpos={max(1, int((channel.now - began) * 8000))}"
    if key == HUNG_UP:
        return f"200 result=-1 (hangup) {position}"
    if key:
        return f"200 result={code(key)} (dtmf) {position}"
    return f"200 result={int((most - length) * 1000)} (timeout) {position}"


async def execute(channel: Channel, argv: list[str]) -> str:
    application = APPLICATIONS.get(argv[0].lower())
    if application is None:
        return "200 result=-2"
    return f"200 result={await application(channel, arguments(argv[1] if argv[1:] else ''))}"


async def background(channel: Channel, args: list[str]) -> int:
    status, key = "SUCCESS", NOTHING
    for sound in [] if channel.dead else args[0].split("&"):
        if _missing(channel, sound):
            status = "FAILED"
            break
        key = await channel.play([sound], EVERY_KEY)
        if key:
            break
    channel.variables["BACKGROUNDSTATUS"] = status
    return -1 if key == HUNG_UP else code(key)


async def playback(channel: Channel, args: list[str]) -> int:
    if channel.dead:
        return 0
    sounds = args[0].split("&")
    there = [sound for sound in sounds if not _missing(channel, sound)]
    key = await channel.play(there, "")
    channel.variables["PLAYBACKSTATUS"] = "SUCCESS" if there == sounds else "FAILED"
    return -1 if key == HUNG_UP else 0


async def read(channel: Channel, args: list[str]) -> int:
    """Sets the variable and READSTATUS; the result is 0 whatever happens."""
    name, files, most, options, _, timeout = [*args, "", "", "", "", ""][:6]
    found = re.fullmatch(r"t(?:\((.*)\))?", options)
    finish = (found[1] or "") if found else "#"
    asked = [sound for sound in files.split("&") if sound]
    there = [sound for sound in asked if not _missing(channel, sound)]
    if asked[-1:] != there[-1:]:
        await channel.play(there, "")
        typed, how = "", "ERROR"
    else:
        typed, how = await channel.collect(there, int(most or 255), finish, float(timeout or 6))
    channel.variables[name] = typed
    channel.variables["READSTATUS"] = "HANGUP" if how == HUNG_UP else how
    return 0


async def wait(channel: Channel, args: list[str]) -> int:
    return -1 if await channel.one_of("", float(args[0])) == HUNG_UP else 0


async def mset(channel: Channel, args: list[str]) -> int:
    for pair in args:
        name, equals, value = pair.partition("=")
        if equals:
            timeout = name.startswith("TIMEOUT(")
            channel.variables[name] = f"{float(value):.3f}" if timeout else value
    return 0


def _keyed(key: str) -> str:
    return "200 result=-1" if key == HUNG_UP else f"200 result={code(key)}"


def _missing(channel: Channel, sound: str) -> bool:
    return sound in channel.missing


COMMANDS: dict[str, Command] = {
    "ANSWER": answer,
    "CHANNEL STATUS": channel_status,
    "EXEC": execute,
    "GET DATA": get_data,
    "GET FULL VARIABLE": get_full_variable,
    "GET VARIABLE": get_variable,
    "HANGUP": hangup,
    "NOOP": noop,
    "RECORD FILE": record_file,
    "SET VARIABLE": set_variable,
    "STREAM FILE": stream_file,
    "VERBOSE": verbose,
    "WAIT FOR DIGIT": wait_for_digit,
}
APPLICATIONS: dict[str, Application] = {
    "background": background,
    "mset": mset,
    "playback": playback,
    "read": read,
    "wait": wait,
}
