"""One recording turned into text, in a process of its own that ends afterwards.

    python -m ivr.speech.transcribing LANGUAGE ENGINE[|ENGINE…] WAV > result.json

A large model takes gigabytes and a damaged file can end a recogniser: neither is to happen in the
engine that serves calls. The process lowers its own priority, as calls go first.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ivr.errors import BadInput, SantralError
from ivr.speech.engines import SHIPPED_MODELS, EngineChoice, build_chain
from ivr.speech.models import describe, read_telephone_wav
from ivr.speech.recogniser import BYTES_PER_MS

NICE = 10
SMALL = 1000  # words; a model with fewer knows a shop's words only, not what people say in a note
LOAD = 300.0  # seconds a large model may take to load
SLOWER = 10.0  # times the length of the recording that it may take
_FRAME = 200 * BYTES_PER_MS


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was understood ("" = nothing), how sure that is, and by which engine.

    `partial` is True when the model knows few words: whatever else was said is not in the text.
    """

    text: str
    confidence: float
    engine: str
    partial: bool


async def transcribe(path: Path, language: str, engines: Sequence[EngineChoice]) -> Transcript:
    """Raises `BadInput` for a file that cannot be heard or a language without an engine, and
    `TimeoutError`. Cancelled, it leaves no process behind."""
    if not engines:
        raise BadInput(f"nothing hears the language '{language}'")
    audio = await asyncio.to_thread(read_telephone_wav, path)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, language, "|".join(map(str, engines)), str(path),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    try:
        async with asyncio.timeout(LOAD + SLOWER * len(audio) / BYTES_PER_MS / 1000):
            told, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        why = (said.decode(errors="replace").strip().splitlines() or ["no word why"])[-1]
        raise BadInput(f"it could not be transcribed: {why}")
    return Transcript(**json.loads(told))


def knows_little(choice: EngineChoice, language: str) -> bool:
    """Whether an engine knows a shop's words only. One that does not say is taken at its word."""
    if choice.engine != "vosk":
        return False
    folder = Path(choice.model) if choice.model else SHIPPED_MODELS / language
    return 0 < describe(folder, language).words < SMALL


async def _transcribe(language: str, engines: Sequence[EngineChoice], path: Path) -> Transcript:
    audio = read_telephone_wav(path)
    recogniser = build_chain(engines, language)
    try:
        hearing = await recogniser.listen(())
        for start in range(0, len(audio), _FRAME):
            await hearing.feed(audio[start : start + _FRAME])
        best = (await hearing.finish()).best
    finally:
        await recogniser.close()
    text, confidence = (best.text, best.confidence) if best else ("", 0.0)
    return Transcript(text, confidence, str(engines[0]), knows_little(engines[0], language))


def main(arguments: Sequence[str]) -> None:
    language, engines, path = arguments
    os.nice(NICE)
    chosen = [EngineChoice.parse(one) for one in engines.split("|")]
    try:
        made = asyncio.run(_transcribe(language, chosen, Path(path)))
    except SantralError as error:
        sys.exit(str(error))
    fields = Transcript.__dataclass_fields__
    told = {name: getattr(made, name) for name in fields}
    sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
