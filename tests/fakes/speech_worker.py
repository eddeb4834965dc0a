"""A recogniser worker that breaks on purpose: `python -m tests.fakes.speech_worker MODE`.

`crash`: dies at the end of a question. `hang`: stops reading there. `mute`: reads on but gives no
result. `stillborn`: ends before it is ready. `empty`: has no language. `nonsense`: says no message
of ours.
"""

from __future__ import annotations

import os
import struct
import sys
import time

from ivr.speech import wire
from ivr.speech.parent import die_with_parent, first_line
from ivr.speech.wire import Kind


def main(mode: str) -> None:
    die_with_parent()
    first_line()
    if mode == "stillborn":
        return
    languages = {} if mode == "empty" else {"tr": "fake"}
    say(0, Kind.READY, {"languages": languages})
    while True:
        length, question, kind = struct.unpack("!IIB", exactly(9))
        exactly(length)
        if kind == Kind.PING:
            say(0, Kind.PONG)
        if kind == Kind.FINISH:
            finish(mode, question)


def finish(mode: str, question: int) -> None:
    if mode == "crash":
        os.abort()
    if mode == "hang":
        time.sleep(3600)
    if mode == "nonsense":
        os.write(1, b"\xff" * 64)
    if mode == "well":
        say(question, Kind.FINAL, {"guesses": [["evet", 0.5]]})


def say(question: int, kind: Kind, body: dict[str, object] | None = None) -> None:
    os.write(1, wire.pack(question, kind, body or b""))


def exactly(count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = os.read(0, count - len(data))
        if not piece:
            sys.exit(0)
        data += piece
    return data


if __name__ == "__main__":
    main(sys.argv[1])
