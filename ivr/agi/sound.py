"""Sound files as Asterisk takes them, and several made into one.

`GET DATA` takes one file only, and `EXEC Read` puts 50 ms between the files of its list and counts
another time-out in all but the last (ast_app_getdata_terminator, main/app.c). So the fixed prompts
of questions are joined, with the silence behind them: then one command asks, with the right times.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
import wave
from pathlib import Path
from typing import NamedTuple

LOOK_AGAIN = 1.0  # seconds
FRAMES = (1, 2, 8000)  # channels, bytes per sample, samples per second: what is joined


class Sound(NamedTuple):
    """Files to play, without suffix; `ms` is all of them, `prompt_ms` without silence behind."""

    names: tuple[str, ...] = ()
    ms: int = 0
    prompt_ms: int = 0


def sound_name(path: Path) -> str:
    """A file's name as Asterisk takes it: without its suffix."""
    text = str(path)
    dot = text.rfind(".")
    return text[:dot] if dot > text.rfind("/") + 1 else text


class Joiner:
    """Makes one file of several, once. The files lie in a cache that others may empty any time."""

    def __init__(self) -> None:
        self._known: dict[tuple[Path, ...], tuple[Path, str, float]] = {}

    async def join(self, paths: tuple[Path, ...], directory: Path) -> Path | None:
        """The joined file in `directory`; None when these files cannot be joined.

        The files themselves are looked at again after LOOK_AGAIN only.
        """
        path, made_of, looked_at = self._known.get(paths, (None, "", 0.0))
        now = time.monotonic()
        if path is not None and now - looked_at < LOOK_AGAIN:
            return path
        try:
            stamp = "|".join(f"{path}:{_stamp(path)}" for path in paths)
            if path is None or made_of != stamp or not path.exists():
                digest = hashlib.sha256(stamp.encode()).hexdigest()[:32]
                path = directory / f"joined-{digest}.wav"
                if not path.exists():
                    await asyncio.to_thread(_write_joined, paths, path)
            self._known[paths] = (path, stamp, now)
        except (OSError, ValueError, EOFError, wave.Error):
            return None
        return path


def _stamp(path: Path) -> str:
    status = path.stat()
    return f"{status.st_mtime_ns}:{status.st_size}"


def _write_joined(paths: tuple[Path, ...], target: Path) -> None:
    unfinished = target.with_suffix(f".{os.getpid()}.part")
    try:
        with wave.open(str(unfinished), "wb") as joined:
            joined.setnchannels(FRAMES[0])
            joined.setsampwidth(FRAMES[1])
            joined.setframerate(FRAMES[2])
            for path in paths:
                with wave.open(str(path), "rb") as part:
                    if part.getparams()[:3] != FRAMES:
                        raise ValueError("not 8 kHz mono of 16 bit")
                    joined.writeframesraw(part.readframes(part.getnframes()))
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
