"""One question being listened to: the end-pointer, the recogniser's job, and the clock.

Audio goes to a recogniser from 400 ms before the first sound; silence costs it nothing. A question
whose recogniser is lost before anybody spoke gets another one; afterwards it ends with an error.
While no recogniser is ready (they start anew within seconds) the audio is kept for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Protocol

from ivr.errors import RecogniserFailed
from ivr.speech.aeap import Asked, Tag
from ivr.speech.pool import Job, Pool
from ivr.speech.recogniser import BYTES_PER_MS, NOTHING, Final
from ivr.speech.vad import Activity, EndPointer, NoiseFloor

log = logging.getLogger(__name__)

PREROLL_MS = 400
BARGE_GAP = 2.0  # seconds the engine may take between a BARGEIN and listening on
ENGINE_PAUSE_MS = 700  # how long an engine has waited when it says that the speaker pauses
LATE = 0.03  # a timer that fires so late means a busy loop: audio may be waiting unread
WITHOUT = 3.0  # seconds to wait for a recogniser when none is ready, or the last one was lost
AGAIN = 0.1  # seconds between two looks for one


class Tell(Protocol):
    """Takes a result: the question's id, what kind it is, the guesses."""

    def __call__(self, question: str, tag: Tag, final: Final = NOTHING) -> None: ...


class Attention:
    """Begins at once; `tell` is called on the event loop with each result."""

    def __init__(self, asked: Asked, pool: Pool, floor: NoiseFloor, tell: Tell) -> None:
        self._asked = asked
        self._pool = pool
        self._floor = floor
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._job: Job | None = None
        self._before: deque[bytes] = deque()  # audio not yet passed on
        self._ending: Activity | None = None
        self._over = self._broken = self._heard = self._told = False
        self._arm()

    @property
    def state(self) -> str:
        """The id, and `speaking` from the first sound until the result is told."""
        begun = self._pointer.speaking or self._ending is not None
        return f"{self._asked.id} {'speaking' if begun and not self._told else 'waiting'}"

    def audio(self, data: bytes, now: float) -> None:
        """Audio that came at `now`, in seconds of the event loop's clock."""
        if self._over:
            return
        if self._broken:  # told only now: results before the first audio are lost in Asterisk
            self._end(Tag.ERROR)
            return
        self._held_until = 0.0
        began = self._pointer.speaking
        events = self._pointer.feed(data, now)
        self._before.append(data)
        if began or events:
            self._pass_on()
        else:
            self._trim()
        for event in events:
            self._noticed(event, now)

    def stop(self) -> None:
        """Nothing more is wanted; nothing more is told."""
        self._quieten()
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def words(self) -> None:
        self._cancel("pause")

    def paused(self) -> None:
        left = max(0, self._asked.end_pointing.hangover - ENGINE_PAUSE_MS)
        self._later("pause", left / 1000, self._long_pause)

    def final(self, result: Final) -> None:
        self._job = None
        if self._ending is Activity.TOO_MUCH:
            self._end(Tag.TOOMUCH, result)
        elif result.guesses:
            self._end(Tag.SPEECH, result)
        elif self._ending is Activity.NOISE:
            self._tell(self._asked.id, Tag.NOISE)
            self._arm()
        else:
            self._end(Tag.NOMATCH)

    def failed(self, why: str) -> None:
        self._job = None
        log.warning("a question lost its recogniser: %s", why)
        if self._heard:
            self._end(Tag.ERROR)
        else:
            self._give_up_at = self._loop.time() + WITHOUT
            self._begin()

    def _arm(self) -> None:
        """Listen from the start, with what is known of the line's noise."""
        self._pointer = EndPointer(self._asked.end_pointing, self._floor)
        self._job = None
        self._before.clear()
        self._ending = None
        self._held_until = 0.0
        self._broken = self._heard = self._told = self._over = False
        self._give_up_at = self._loop.time() + WITHOUT
        self._begin()

    def _begin(self) -> None:
        """Take a recogniser, now or when there is one."""
        try:
            job = self._pool.begin(self._asked.language, self._asked.phrases, self)
        except RecogniserFailed as error:
            hopeless = self._pool.ready and self._asked.language not in self._pool.languages()
            if not hopeless and self._loop.time() < self._give_up_at:
                self._later("begin", AGAIN, self._begin)
                return
            log.warning("a question has no recogniser: %s", error)
            self._broken = True
            if self._ending is not None:
                self._end(Tag.ERROR)
            return
        self._job = job
        if self._pointer.speaking or self._ending is not None:
            self._pass_on()
        if self._ending is not None:
            job.finish()

    def _trim(self) -> None:
        size = sum(map(len, self._before))
        while size - len(self._before[0]) >= PREROLL_MS * BYTES_PER_MS:
            size -= len(self._before.popleft())

    def _pass_on(self) -> None:
        if self._job is not None and self._before:
            self._heard = True
            self._job.feed(b"".join(self._before))
            self._before.clear()

    def _noticed(self, event: Activity, now: float) -> None:
        if event is not Activity.ONSET:
            self._finish(event)
            return
        if self._asked.barge_in:
            self._tell(self._asked.id, Tag.BARGEIN)
            self._held_until = now + BARGE_GAP
        self._watch(self._asked.end_pointing.hangover / 1000)

    def _finish(self, event: Activity) -> None:
        """Speech is over: have the result, and listen to nothing more."""
        self._ending = event
        self._over = True
        self._cancel("clock", "pause")
        if self._job is not None:
            self._job.finish()

    def _end(self, tag: Tag, result: Final = NOTHING) -> None:
        self.stop()
        self._told = True
        self._tell(self._asked.id, tag, result)

    def _quieten(self) -> None:
        self._over = True
        self._cancel(*self._timers)

    def _watch(self, wait: float) -> None:
        """Look at the clock when the hang-over could be over: no audio need ever come again."""
        due = self._loop.time() + wait
        self._later("clock", wait, lambda: self._look(due))

    def _look(self, due: float) -> None:
        now = self._loop.time()
        if now - due > LATE:  # we are late: let the audio that is waiting be read first
            self._watch(LATE)
        elif now < self._held_until:  # no audio comes until the engine listens on
            self._watch(self._held_until - now)
        elif (event := self._pointer.tick(now)) is not None:
            self._noticed(event, now)
        else:
            self._watch(max(0.02, self._pointer.due(now)))

    def _long_pause(self) -> None:
        quiet = max(ENGINE_PAUSE_MS, self._asked.end_pointing.hangover)
        event = self._pointer.pause_noticed(quiet, self._loop.time())
        if event is not None:
            self._finish(event)

    def _later(self, name: str, wait: float, what: Callable[[], None]) -> None:
        self._cancel(name)
        self._timers[name] = self._loop.call_later(wait, what)

    def _cancel(self, *names: str) -> None:
        for name in names:
            timer = self._timers.pop(name, None)
            if timer is not None:
                timer.cancel()
