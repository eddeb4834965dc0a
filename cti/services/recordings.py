"""Where what callers say is recorded: `<state>/recordings/<call>/<name>.wav`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from ivr.errors import ServiceFailed

SAFE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")


class RecordingFolder:
    """`ivr.services.Recordings`. Asterisk has to be able to write here, we to read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    def place(self, call: str, name: str) -> str:
        """`ServiceFailed` for a name that is no plain name, or a folder that cannot be made."""
        if not SAFE.fullmatch(call) or not SAFE.fullmatch(name):
            raise ServiceFailed("a recording needs a plain name")
        folder = self._folder / call
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o770)
        except OSError as error:
            raise ServiceFailed(f"recordings cannot be kept: {error.strerror}") from None
        return str(folder / f"{name}.wav")
