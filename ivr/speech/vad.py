"""Voice activity detection and end-pointing: when speech began, and when it is over.

Pure: audio and the time it came go in, events come out. Quiet is measured both in audio and on the
clock, because a telephone with silence suppression sends nothing at all while its owner is quiet.

A 20 ms frame counts as speech by its level in the telephone band against a noise floor, the minimum
of the smoothed level over the last two seconds (after Martin, "Noise power spectral density
estimation based on optimal smoothing and minimum statistics", IEEE TSAP 9(5), 2001, simplified to
one band). Against stationary noise the plain level found more of the speech, at no more false
alarms, than band-wise measures did.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ivr.errors import BadInput
from ivr.speech.recogniser import RATE

FRAME_MS = 20
FRAME_BYTES = RATE * 2 * FRAME_MS // 1000
ON_DB = 6.0  # over the floor: speech may begin here
HOLD_DB = 4.0  # over the floor: speech goes on
BELOW_PEAK_DB = 30.0  # so far below the loudest frame it is quiet, whatever the floor says
LOWEST_FLOOR_DB = -58.0  # dB of full scale; lines are never quieter than this for us
ONSET_FRAMES = 3  # loud frames out of the last ONSET_WINDOW that make an onset
ONSET_WINDOW = 5
_SUB_WINDOWS = 8
_SUB_FRAMES = 250 // FRAME_MS
_RISE_DB = 6.0 * FRAME_MS / 1000  # the floor rises at most 6 dB a second
_WARM_UP_FRAMES = 10
_SPECTRUM = 256
_BAND = slice(math.ceil(200 * _SPECTRUM / RATE), math.floor(3500 * _SPECTRUM / RATE) + 1)
_WINDOW = np.hanning(FRAME_BYTES // 2).astype(np.float32)
_FULL_SCALE = float((32768.0**2) * np.sum(_WINDOW**2) * _SPECTRUM / 2)


class Activity(StrEnum):
    """What the end-pointer noticed."""

    ONSET = "onset"  # somebody began to speak
    END = "end"  # they have been quiet for the hang-over
    NOISE = "noise"  # it was over before it could have been a word
    TOO_MUCH = "too_much"  # they talk on and on


@dataclass(frozen=True, slots=True)
class EndPointing:
    """When speech counts and when it is over; all in milliseconds.

    `hangover`: quiet that ends an answer. `min`: less speech than this is a noise. `max`: more than
    this, pauses included, is too much.
    """

    hangover: int = 500
    min: int = 100
    max: int = 15_000

    def __post_init__(self) -> None:
        for name, low, high in (("hangover", 100, 5000), ("min", 0, 2000), ("max", 500, 120_000)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise BadInput(f"{name} speech is {value} ms; it must be from {low} to {high} ms")


def level_db(frame: bytes) -> float:
    """The level of one 20 ms frame between 200 and 3500 Hz, in dB of a full-scale sine."""
    samples = np.frombuffer(frame, "<i2").astype(np.float32)
    spectrum = np.fft.rfft((samples - samples.mean()) * _WINDOW, _SPECTRUM)[_BAND]
    power = float(np.vdot(spectrum, spectrum).real) / _FULL_SCALE * 2
    return 10 * math.log10(power + 1e-10)


class NoiseFloor:
    """The line's background level in dB. Kept for a whole call, from question to question."""

    __slots__ = ("_count", "_minima", "_recent", "db")

    def __init__(self) -> None:
        self.db = LOWEST_FLOOR_DB
        self._count = 0
        self._recent: deque[float] = deque(maxlen=3)
        self._minima: deque[float] = deque(maxlen=_SUB_WINDOWS)

    @property
    def warm(self) -> bool:
        """False during the first 200 ms of a call: what is heard then may be all noise."""
        return self._count >= _WARM_UP_FRAMES

    def add(self, db: float) -> None:
        self._recent.append(db)
        smooth = sum(self._recent) / len(self._recent)
        if self._count % _SUB_FRAMES == 0:
            self._minima.append(smooth)
        self._minima[-1] = min(self._minima[-1], smooth)
        self._count += 1
        lowest = max(LOWEST_FLOOR_DB, min(self._minima) + 1.0)
        rise = _RISE_DB if self.warm else math.inf
        self.db = min(lowest, self.db + rise)


class EndPointer:
    """Follows one question. Feed it audio as it comes and `tick` it a few times per hang-over."""

    def __init__(self, settings: EndPointing, floor: NoiseFloor | None = None) -> None:
        self.settings = settings
        self.floor = floor or NoiseFloor()
        self.speaking = False
        self.over = False
        self._rest = b""
        self._loud: deque[bool] = deque(maxlen=ONSET_WINDOW)
        self._peak = -math.inf
        self._speech_ms = 0
        self._spoken_ms = 0
        self._quiet_ms = 0
        self._began = 0.0
        self._last_speech = 0.0

    @property
    def quiet_ms(self) -> int:
        """Quiet at the end of the audio so far."""
        return self._quiet_ms

    def feed(self, audio: bytes, now: float) -> tuple[Activity, ...]:
        """Take audio that came at `now` (seconds on any clock that only goes forward)."""
        if self.over:
            return ()
        data = self._rest + audio
        end = len(data) - len(data) % FRAME_BYTES
        self._rest = data[end:]
        found: list[Activity] = []
        for start in range(0, end, FRAME_BYTES):
            event = self._frame(data[start : start + FRAME_BYTES], now)
            if event is not None:
                found.append(event)
            if self.over:
                break
        return tuple(found)

    def tick(self, now: float) -> Activity | None:
        """The clock went on; audio need not have come."""
        if not self.speaking or self.over:
            return None
        return self._judge(max(self._quiet_ms, int((now - self._last_speech) * 1000)), now)

    def due(self, now: float) -> float:
        """Seconds until `tick` could have something to say if no audio came any more."""
        quiet = max(self._quiet_ms / 1000, now - self._last_speech)
        return self.settings.hangover / 1000 - quiet

    def pause_noticed(self, ms: int, now: float) -> Activity | None:
        """The recogniser says that no word was spoken for `ms`: in noise it knows better."""
        if not self.speaking or self.over or ms < self.settings.hangover:
            return None
        return self._finish(Activity.END)

    def _frame(self, frame: bytes, now: float) -> Activity | None:
        db = level_db(frame)
        self.floor.add(db)
        if not self.floor.warm:
            return None
        if not self.speaking:
            return self._maybe_begin(db, now)
        self._peak = max(self._peak, db)
        self._spoken_ms += FRAME_MS
        if db > max(self.floor.db + HOLD_DB, self._peak - BELOW_PEAK_DB):
            self._speech_ms += FRAME_MS
            self._quiet_ms = 0
            self._last_speech = now
        else:
            self._quiet_ms += FRAME_MS
        return self._judge(self._quiet_ms, now)

    def _maybe_begin(self, db: float, now: float) -> Activity | None:
        self._loud.append(db > self.floor.db + ON_DB)
        if sum(self._loud) < ONSET_FRAMES:
            return None
        self.speaking = True
        self._peak = db
        self._began = self._last_speech = now
        self._speech_ms = self._spoken_ms = sum(self._loud) * FRAME_MS
        return Activity.ONSET

    def _judge(self, quiet: int, now: float) -> Activity | None:
        if quiet >= self.settings.hangover:
            short = self._speech_ms < self.settings.min
            return self._finish(Activity.NOISE if short else Activity.END)
        if max(self._spoken_ms, (now - self._began) * 1000) >= self.settings.max:
            return self._finish(Activity.TOO_MUCH)
        return None

    def _finish(self, event: Activity) -> Activity:
        self.speaking = False
        self.over = True
        return event
