"""Sound files in the form Asterisk takes them."""

from __future__ import annotations

from pathlib import Path


class Sound:
    """Files in the form Asterisk takes them, and how long they last."""

    __slots__ = ("ms", "names")

    def __init__(self, names: tuple[str, ...] = (), ms: int = 0) -> None:
        self.names = names
        self.ms = ms


def sound_name(path: Path) -> str:
    """A file's name as Asterisk takes it: without its suffix."""
    return str(path)[: -len(path.suffix)] if path.suffix else str(path)
