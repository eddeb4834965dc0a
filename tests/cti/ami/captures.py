"""The recorded captures as tests use them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from cti.ami.events import Event
from cti.ami.framing import GREETING, Framer, Message
from cti.ami.reading import typed

DIRECTORY = Path(__file__).parents[2] / "fakes/captures/ami"
NAMES = sorted(path.stem for path in DIRECTORY.glob("*.ami"))


def connections(name: str) -> list[bytes]:
    """What Asterisk sent, one item for each connection of the recording."""
    data = (DIRECTORY / f"{name}.ami").read_bytes()
    return [GREETING + part for part in data.split(GREETING)[1:]]


@cache
def messages(name: str) -> list[Message]:
    return [found for part in connections(name) for found in Framer().feed(part)]


def events(name: str) -> list[Event]:
    return [event for message in messages(name) if (event := typed(message, 0.0)) is not None]
