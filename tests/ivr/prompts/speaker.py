"""A speech program for tests: real, small, and misbehaving on request.

`speaker.py OUTPUT [--log FILE] [--text TEXT] [--behave HOW]` writes a tone of 0.3 s and appends the
text (given, or from standard input) to the log. HOW: fail, fail-once, hang, hang-with-child,
silence, nothing, empty, half, stereo.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import wave
from array import array
from math import pi, sin
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=Path)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--text")
    parser.add_argument("--behave", default="")
    asked = parser.parse_args()
    text = sys.stdin.buffer.read().decode().removesuffix("\n") if asked.text is None else asked.text
    tries = 0
    if asked.log:
        with asked.log.open("a", encoding="utf-8") as log:
            log.write(json.dumps({"text": text, "pid": os.getpid()}) + "\n")
        tries = len(asked.log.read_text().splitlines())
    if asked.behave == "fail" or (asked.behave == "fail-once" and tries == 1):
        sys.exit("no voice today")
    if asked.behave == "hang-with-child":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        asked.log.with_suffix(".child").write_text(str(child.pid))
    if asked.behave.startswith("hang"):
        time.sleep(600)
    if asked.behave == "nothing":
        return
    write(asked.output, asked.behave)


def write(path: Path, behave: str) -> None:
    rate, channels = 22_050, 2 if behave == "stereo" else 1
    loud = 0 if behave == "silence" else 6000
    count = 0 if behave == "empty" else rate * 3 // 10
    sound = array("h", (int(loud * sin(2 * pi * 440 * n / rate)) for n in range(count)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(array("h", (s for s in sound for _ in range(channels))).tobytes())
    if behave == "half":
        path.write_bytes(path.read_bytes()[:30])


if __name__ == "__main__":
    main()
