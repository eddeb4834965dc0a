"""What one waits for in a call: `await call.wait_for(until.prompt(menu), timeout=10)`.

Each is looked at every 50 ms. Looking for a prompt costs some milliseconds a look, so a bench of
many calls looks afterwards instead.
"""

from __future__ import annotations

from collections.abc import Callable

from cti.softphone.call import Call
from cti.softphone.correlation import Prompt, Recording
from cti.softphone.hearing import Match, Sound, heard_prompt
from cti.softphone.levels import Burst, bursts, level
from ivr.audio import TELEPHONE_RATE

_EVERY = 0.1  # seconds of new sound before a prompt is looked for again
_MARGIN = 2.0  # seconds before the longest prompt that could just be ending


def prompt(
    sound: Sound, *, least: float = 0.9, after: float = 0.0
) -> Callable[[Call], Match | None]:
    """Until at least the fraction `least` of a prompt was heard that began after `after` seconds.

    A long prompt that is to be interrupted is waited for with a small `least`.
    """
    wanted = sound if isinstance(sound, Prompt) else Prompt(sound)
    length = len(wanted.samples) / TELEPHONE_RATE + _MARGIN
    looked = 0.0

    def condition(call: Call) -> Match | None:
        nonlocal looked
        now = call.clock()
        if now - looked < _EVERY and not call.over:
            return None
        since = max(after, min(looked, now) - length, 0.0)
        looked = now
        recent = call.heard[int(since * TELEPHONE_RATE) :]
        match = heard_prompt(Recording(recent, offset=since), wanted)
        return match if match.fraction >= least else None

    return condition


def sound(*, after: float = 0.0, above: float = -50.0) -> Callable[[Call], Burst | None]:
    """Until something is heard after `after` seconds of the call's clock, at least so loud."""

    def condition(call: Call) -> Burst | None:
        since = int(after * TELEPHONE_RATE)
        found = bursts(call.heard[since:], above=above)
        return Burst(found[0].start + after, found[0].end + after) if found else None

    return condition


def silence(seconds: float, *, after: float = 0.0, above: float = -50.0) -> Callable[[Call], bool]:
    """Until nothing was heard for so long, beginning after `after`."""

    def condition(call: Call) -> bool:
        now = call.clock()
        last = call.heard[int((now - seconds) * TELEPHONE_RATE) :] if now > seconds else None
        return last is not None and now - seconds >= after and level(last) < above

    return condition


def keys(count: int) -> Callable[[Call], str | None]:
    """Until so many keys came in."""
    return lambda call: call.keys if len(call.keys) >= count else None
