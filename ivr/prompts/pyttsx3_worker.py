"""The process that pyttsx3 lives in: one thread, one text at a time. Runs as a script.

It reads a JSON line `{"text", "voice", "rate", "path"}` and answers `{}` or `{"error": …}`. pyttsx3
prints on standard output, so the answers go to the file number that standard output had at first.
Its driver swallows an error while the file is written; so the file is looked at before it counts.
"""

from __future__ import annotations

import json
import os
import sys
import wave
from typing import Any


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    engine: Any = None
    for line in sys.stdin:
        try:
            if engine is None:
                import pyttsx3

                engine = pyttsx3.init()
            answer = _speak(engine, json.loads(line))
        except Exception as error:  # whatever a driver raises is told and costs only this text
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(answer), file=answers, flush=True)


def _speak(engine: Any, order: dict[str, Any]) -> dict[str, str]:
    """One save per `runAndWait`: with several queued, only the last is written.

    A voice that is not there is passed over by pyttsx3, which then speaks with another.
    """
    engine.setProperty("voice", order["voice"])
    engine.setProperty("rate", order["rate"])
    engine.save_to_file(order["text"], order["path"])
    engine.runAndWait()
    if engine.getProperty("voice") != order["voice"]:
        return {"error": f"there is no voice {order['voice']!r}"}
    with wave.open(order["path"]) as file:
        return {} if file.getnframes() else {"error": "the file has no sound in it"}


if __name__ == "__main__":
    main()
