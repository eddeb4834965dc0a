"""A caller for a demo that runs already: finds the way to an agent, and talks until they hang up.

It shows the desk at work: a pop with an order, a talk, whatever the agent does with the call, and
the wrap-up afterwards.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from cti.asterisk import find_espeak
from cti.demo import ACCOUNT
from cti.demo_call import LINE
from cti.demo_shop import CALLER, CALLER_NAME, ORDER
from cti.softphone import Phone, until
from cti.softphone.call import Call
from ivr.audio import TELEPHONE_RATE, Samples, read_wav, resample
from ivr.errors import BadInput, CallOver, NotInTime
from ivr.prompts.process import run_program

Tell = Callable[[str], None]
LONGEST: Final = 600.0  # seconds of a visit, waiting included
BREATH: Final = 4.0  # seconds between two of the caller's sentences
VOICE: Final = "tr+f2"
WORDS: Final = (
    "Merhaba, bin iki yüz otuz dört numaralı siparişimi iptal etmek istiyorum.",
    "Kargodan ne zaman gelir acaba?",
    "Tamam, çok teşekkür ederim.",
)


def runs(home: Path) -> bool:
    """Whether the demo of this folder runs: its lock is held."""
    try:
        with (home / "lock").open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


async def visit(state: Path, home: Path, tell: Tell) -> bool:
    """Call the running demo; True when an agent was heard. Raises `BadInput` when it cannot be
    found out where it listens."""
    try:
        kept: dict[str, Any] = json.loads((home / "instance.json").read_text("utf-8"))
        server, password = ("127.0.0.1", int(kept["sip_port"])), str(kept["password"])
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(f"where the demo listens is not written in {home}") from error
    voice = await _voice(state, tell)
    async with Phone(ACCOUNT, server=server, password=password) as phone:
        call = await phone.dial(LINE, ring_for=20)
        tell(f"{call.clock():6.2f}  {CALLER_NAME} ({CALLER}) dials {LINE}; cancel {ORDER}, please")
        try:
            await _ask_for_agent(call)
            tell(f"{call.clock():6.2f}  it is on its way already, so the call goes to an agent")
            return await _talk(call, voice, tell)
        except CallOver:
            tell(f"{call.clock():6.2f}  the call ended before an agent was there")
            return False
        except NotInTime:
            tell(f"{call.clock():6.2f}  nobody answered in time")
            return False
        finally:
            await call.hangup()


async def _ask_for_agent(call: Call) -> None:
    await call.wait_for(until.sound(), 20, "the line's first words")
    await call.pause(0.5)
    for keys, pause in (("2", 1.2), (f"{ORDER}#", 1.5), ("1", 0.5)):
        await call.press(keys)
        await call.pause(pause)


async def _talk(call: Call, voice: Samples, tell: Tell) -> bool:
    """Speak over and over: the agent hears it as soon as they answer. The first key pressed or the
    end of the call is theirs."""
    await call.play(voice, forever=True)
    await call.until_over(LONGEST)
    tell(f"{call.clock():6.2f}  the call is over, ended by {call.ended_by}")
    return call.ended_by == "them"


async def _voice(state: Path, tell: Tell) -> Samples:
    espeak = await find_espeak(state, tell)
    breath = np.zeros(int(BREATH * TELEPHONE_RATE), np.int16)
    spoken = []
    with tempfile.TemporaryDirectory() as folder:
        for index, words in enumerate(WORDS):
            path = Path(folder) / f"{index}.wav"
            command = [*espeak.program, "-v", VOICE, "-s", "150"]
            await run_program([*command, "-w", str(path), "--stdin"], words, {})
            samples, rate = await asyncio.to_thread(read_wav, path)
            spoken += [resample(samples, rate, TELEPHONE_RATE), breath]
    return np.concatenate(spoken)
