"""The wav files of the cache: 8 kHz, 16 bit, mono, with a checksum of the sound in their header.

The checksum is a chunk of its own (`crc `) between the format and the sound; Asterisk skips chunks
it does not know (formats/format_wav.c, check_header), and so does everybody else.
"""

from __future__ import annotations

import os
import secrets
import struct
import zlib
from pathlib import Path

from ivr.audio import TELEPHONE_RATE, Samples

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sII4sI")
_RATE_BYTES = TELEPHONE_RATE * 2
TEMPORARY = ".part"


def write_sound(path: Path, samples: Samples) -> int:
    """Write the whole file or none, by a rename; its length in milliseconds. OSError."""
    sound = samples.astype("<i2", copy=False).tobytes()
    header = _HEADER.pack(
        b"RIFF", _HEADER.size - 8 + len(sound), b"WAVE",
        b"fmt ", 16, 1, 1, TELEPHONE_RATE, _RATE_BYTES, 2, 16,
        b"crc ", 4, zlib.crc32(sound),
        b"data", len(sound),
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.stem}.{secrets.token_hex(8)}{TEMPORARY}")
    try:
        partial.write_bytes(header + sound)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return _ms(len(sound))


def check_sound(path: Path) -> int | None:
    """The length in milliseconds of a file that is whole; None when it is not, or not there."""
    try:
        content = path.read_bytes()
        fields = _HEADER.unpack_from(content)
    except (OSError, struct.error):
        return None
    sound = memoryview(content)[_HEADER.size :]
    whole = fields[-1] == len(sound) > 0 and fields[13] == zlib.crc32(sound)
    return _ms(len(sound)) if whole else None


def length_ms(path: Path) -> int:
    """The length by the file's size alone. OSError when it is not there."""
    return _ms(max(0, os.stat(path).st_size - _HEADER.size))


def _ms(size: int) -> int:
    return size * 1000 // _RATE_BYTES
