"""Messages between the listener and its recogniser workers, over the worker's stdin and stdout.

A message is a 9-byte header (length of what follows it, question, kind) and a body: audio for
`AUDIO`, JSON for the others, often empty.
"""

from __future__ import annotations

import json
import struct
from asyncio import IncompleteReadError, StreamReader
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

_HEADER = struct.Struct("!IIB")
_LONGEST = 4 * 1024 * 1024


class Kind(IntEnum):
    # to the worker
    BEGIN = 1  # {"language", "phrases"}
    AUDIO = 2
    FINISH = 3
    CANCEL = 4
    PING = 5
    # from the worker
    READY = 16  # {"languages": {language: engine}}
    PAUSED = 17  # the engine heard the speaker pause
    FINAL = 18  # {"guesses": [[text, confidence], …]}
    FAILED = 19  # {"message"}
    PONG = 20
    WORDS = 21  # the engine understood something new


@dataclass(frozen=True, slots=True)
class Message:
    question: int
    kind: Kind
    body: bytes = b""

    @property
    def data(self) -> Any:
        return json.loads(self.body) if self.body else {}


def pack(question: int, kind: Kind, body: bytes | Mapping[str, Any] = b"") -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return _HEADER.pack(len(raw), question, kind) + raw


async def read(reader: StreamReader) -> Message | None:
    """The next message; None when the other side is gone. ValueError when it is not ours."""
    try:
        length, question, kind = _HEADER.unpack(await reader.readexactly(_HEADER.size))
        if length > _LONGEST:
            raise ValueError(f"a message of {length} bytes")
        return Message(question, Kind(kind), await reader.readexactly(length))
    except (IncompleteReadError, ConnectionResetError):
        return None
