"""Telephone audio as arrays: wav files, resampling, and G.711. Everything is int16 mono.

Blocking and free of asyncio: call the file functions off the event loop when the file is not small.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

from ivr.errors import BadInput

Samples = npt.NDArray[np.int16]

TELEPHONE_RATE = 8000
"""Samples a second on a telephone line; the rate of everything Asterisk plays for us."""


@dataclass(frozen=True, slots=True)
class WavFormat:
    """What a wav file holds. `plain` tells that its header is the simple one, as Asterisk wants."""

    rate: int
    bits: int
    channels: int
    frames: int
    plain: bool = True


def wav_format(path: str | PathLike[str]) -> WavFormat:
    """The format of a PCM wav file; `frames` are those that are there. Raises like `read_wav`."""
    file, plain = _open_wav(path)
    with file:
        frame = file.getsampwidth() * file.getnchannels()
        frames = len(file.readframes(file.getnframes())) // frame
        return WavFormat(
            file.getframerate(), file.getsampwidth() * 8, file.getnchannels(), frames, plain
        )


def read_wav(path: str | PathLike[str]) -> tuple[Samples, int]:
    """A PCM wav file as (samples, rate). Channels are averaged; other widths become 16 bit.

    Raises BadInput when the file is no PCM wav, and OSError when it cannot be read. A frame count
    in the header that is too large (espeak-ng --stdout) is no error: what is there is returned.
    """
    file, _ = _open_wav(path)
    with file:
        width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
        raw = file.readframes(file.getnframes())
    raw = raw[: len(raw) - len(raw) % (width * channels)]
    samples = _WIDTHS[width](raw)
    if channels > 1:
        samples = samples.reshape(-1, channels).mean(axis=1).round().astype(np.int16)
    return samples, rate


def _open_wav(path: str | PathLike[str]) -> tuple[wave.Wave_read, bool]:
    """The file opened, and whether its header is plain.

    Programs for recording often write WAVE_FORMAT_EXTENSIBLE, which Asterisk refuses, and Python
    before 3.12 too; where PCM is inside it, it is read as if it were plain.
    """
    content = bytearray(Path(path).read_bytes())
    fmt = content.find(b"fmt ", 12, 4096)
    plain = content[fmt + 8 : fmt + 10] != b"\xfe\xff"
    if not plain and content[fmt + 32 : fmt + 34] == b"\x01\x00":
        content[fmt + 8 : fmt + 10] = b"\x01\x00"
    try:
        file = wave.open(io.BytesIO(content), "rb")  # noqa: SIM115
        if file.getsampwidth() not in _WIDTHS or not file.getnchannels():
            raise wave.Error(f"{file.getsampwidth() * 8} bits a sample")
    except (wave.Error, EOFError) as error:
        raise BadInput(f"{path} is not a PCM wav file: {error}") from error
    return file, plain


def write_wav(path: str | PathLike[str], samples: Samples, rate: int = TELEPHONE_RATE) -> None:
    """Write a 16-bit mono wav file, in place: who needs it whole or not at all renames."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.ascontiguousarray(samples, dtype="<i2").tobytes())


def resample(samples: Samples, from_rate: int, to_rate: int) -> Samples:
    """The same sound at another rate (soxr, high quality; about 1 ms for 5 s of speech)."""
    if from_rate == to_rate:
        return samples
    result: Samples = soxr.resample(samples, from_rate, to_rate).astype(np.int16, copy=False)
    return result


def ulaw_encode(samples: Samples) -> bytes:
    """PCMU, one byte a sample (ITU-T G.711 mu-law)."""
    return _TO_ULAW[samples.view(np.uint16)].tobytes()


def ulaw_decode(codes: bytes) -> Samples:
    """The samples of PCMU bytes."""
    return _FROM_ULAW[np.frombuffer(codes, np.uint8)]


def alaw_encode(samples: Samples) -> bytes:
    """PCMA, one byte a sample (ITU-T G.711 A-law)."""
    return _TO_ALAW[samples.view(np.uint16)].tobytes()


def alaw_decode(codes: bytes) -> Samples:
    """The samples of PCMA bytes."""
    return _FROM_ALAW[np.frombuffer(codes, np.uint8)]


def _samples_24(raw: bytes) -> Samples:
    return np.frombuffer(raw, np.uint8).reshape(-1, 3)[:, 1:].copy().view("<i2").ravel()


_WIDTHS: dict[int, Callable[[bytes], Samples]] = {
    1: lambda raw: ((np.frombuffer(raw, np.uint8).astype(np.int16) - 128) << 8).astype(np.int16),
    2: lambda raw: np.frombuffer(raw, "<i2").astype(np.int16),
    3: _samples_24,
    4: lambda raw: (np.frombuffer(raw, "<i4") >> 16).astype(np.int16),
}


def _ulaw_table() -> Samples:
    """G.711 table 2: inverted bits, 3 bits of exponent, 4 of mantissa, bias 33 (132 in 16 bit)."""
    code = ~np.arange(256)
    exponent, mantissa = (code >> 4) & 7, code & 15
    size = (((mantissa << 3) + 132) << exponent) - 132
    return np.where(code & 0x80, -size, size).astype(np.int16)


def _alaw_table() -> Samples:
    """G.711 table 1: every second bit inverted; the lowest segment is linear."""
    code = np.arange(256) ^ 0x55
    exponent, mantissa = (code >> 4) & 7, code & 15
    size = np.where(
        exponent == 0,
        (mantissa << 4) + 8,
        ((mantissa << 4) + 264) << np.maximum(exponent - 1, 0),
    )
    return np.where(code & 0x80, size, -size).astype(np.int16)


def _nearest(table: Samples) -> npt.NDArray[np.uint8]:
    """For each of the 65,536 samples, seen as unsigned, the code whose value is nearest to it.

    A sample half way between two values goes to the larger one, away from zero, as in the
    standard's decision values.
    """
    order = np.argsort(table, kind="stable")
    values = table[order].astype(np.int32)
    middles = values[:-1] + values[1:]
    twice = 2 * np.arange(-32768, 32768)
    up, down = np.searchsorted(middles, twice, "right"), np.searchsorted(middles, twice, "left")
    codes = order[np.where(twice >= 0, up, down)].astype(np.uint8)
    return np.roll(codes, 32768)


_FROM_ULAW = _ulaw_table()
_FROM_ALAW = _alaw_table()
_TO_ULAW = _nearest(_FROM_ULAW)
_TO_ALAW = _nearest(_FROM_ALAW)
