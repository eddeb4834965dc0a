"""Which question a caller is being asked, by ear and cheaply: for benches whose callers do as told.

Looking a prompt up in what was heard (`cti.softphone.until.prompt`) takes 28 ms a look; four
callers who listen for five prompts ten times a second would have no processor left, hear late, and
press late. Here one chunk of each prompt is looked for, the one by which a person knows what they
are asked; only where that is heard the whole prompt is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from cti.softphone import Call, Prompt
from cti.softphone.correlation import CHUNK, FRAME, Floats, Recording
from cti.softphone.hearing import heard_prompt
from ivr.audio import TELEPHONE_RATE

EVERY: Final = 0.1  # seconds of new sound before it is looked at again
KNOWN_BY: Final = (0.5, 0.75)  # the part of a prompt by whose end it is known
LIKELY: Final = 0.75  # correlation of the chunk from which the whole is compared
LEAST: Final = 0.45  # of the prompt has to have been heard then
# A tape places sound by its timestamps, which may lag behind the call's clock (tape.py, _TRUST).
LATE: Final = 2.0
OVERLAP: Final = CHUNK / TELEPHONE_RATE + EVERY + LATE


def question(prompts: Mapping[str, Prompt], after: float) -> Callable[[Call], str | None]:
    """Until one of these was heard, that began after so many seconds of the call: its name."""
    cues = {name: _cue(prompt) for name, prompt in prompts.items()}
    looked = after

    def condition(call: Call) -> str | None:
        nonlocal looked
        now = call.clock()
        if now - looked < EVERY and not call.over:
            return None
        since, looked = max(after, looked - OVERLAP), now
        heard = call.heard
        recent = Recording(heard[int(since * TELEPHONE_RATE) :])
        for name, cue in cues.items():
            if recent.correlation(cue).max() >= LIKELY:
                begun = max(after, since - len(prompts[name].samples) / TELEPHONE_RATE)
                whole = Recording(heard[int(begun * TELEPHONE_RATE) :], offset=begun)
                match = heard_prompt(whole, prompts[name], after=after - EVERY)
                if match.fraction >= LEAST:
                    return name
        return None

    return condition


def _cue(prompt: Prompt) -> Floats:
    """The chunk with the most sound among those that end about where a person knows it."""
    first, last = prompt.sounding
    length = last - first
    size = min(CHUNK, length // 2)
    least, most = (first + int(part * length) for part in KNOWN_BY)
    ends = range(max(least, first + size), most + 1, FRAME) or [most]
    energy = {end: float((prompt.samples[end - size : end] ** 2).sum()) for end in ends}
    end = max(energy, key=energy.__getitem__)
    return prompt.samples[end - size : end]
