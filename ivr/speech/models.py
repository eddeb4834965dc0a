"""The speech models there are: what ships, what was added, what each language will use.

A model is a folder that libvosk can load. Added ones lie in `<root>/<language>/<name>`; the newest
of a language wins over the one that ships. How models are added is in `adding.py`.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ivr.errors import BadInput, BadSetting, RecogniserFailed
from ivr.speech.engines import SHIPPED_MODELS, EngineChoice, build, shipped
from ivr.speech.recogniser import BYTES_PER_MS, RATE, Final

LOAD = 300.0  # seconds a large model may take to load on a slow machine
ADDED = "santral-model.json"  # what is known of a model that was added, in its folder
_LICENCE_FILES = ("LICENSE", "LICENCE", "COPYING", "LICENSE.txt", "README.md", "README")
_FRAME = 20 * BYTES_PER_MS


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One model's folder. `words` is 0 when it does not list them; `size` is in bytes.

    `licence` is what was said when it was added, or the line of its README that speaks of it.
    """

    language: str
    name: str
    folder: Path
    size: int
    words: int
    licence: str
    source: str = ""
    ships: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """What a model made of a wav file. Times are milliseconds; `load` is the model's own."""

    final: Final
    audio_ms: int
    load_ms: int
    hear_ms: int


def list_models(root: Path | None = None) -> list[ModelInfo]:
    """Those that ship, then those that were added under `root`, newest first in each language."""
    found = [
        _info(SHIPPED_MODELS / name, name, ships=True)
        for name in sorted(one.name for one in SHIPPED_MODELS.iterdir() if one.is_dir())
    ]
    if root is not None and root.is_dir():
        for language in sorted(one for one in root.iterdir() if one.is_dir()):
            folders = [one for one in language.iterdir() if is_model(one)]
            folders.sort(key=lambda one: one.stat().st_mtime, reverse=True)
            found += [_info(folder, language.name) for folder in folders]
    return found


def choices(root: Path | None = None) -> dict[str, tuple[EngineChoice, ...]]:
    """What each language uses when no setting says otherwise."""
    chosen = shipped()
    for model in reversed(list_models(root)):
        if not model.ships:
            behind = tuple(one for one in chosen.get(model.language, ()) if one.engine != "vosk")
            chosen[model.language] = (EngineChoice("vosk", str(model.folder)), *behind)
    return chosen


def chosen_with(
    written: str, otherwise: Mapping[str, tuple[EngineChoice, ...]]
) -> dict[str, tuple[EngineChoice, ...]]:
    """`otherwise`, changed by a setting: `tr=vosk:/models/tr; en=remote:ws://host:2700|vosk`.

    Raises `BadSetting` for what is no such list.
    """
    chosen = dict(otherwise)
    for part in filter(None, (one.strip() for one in written.split(";"))):
        language, equals, engines = part.partition("=")
        if not equals or not language.strip().isalpha() or not engines.strip():
            raise BadSetting(f"'{part}' is not LANGUAGE=ENGINE|ENGINE, as tr=vosk:/models/tr")
        chosen[language.strip()] = tuple(map(EngineChoice.parse, engines.split("|")))
    return chosen


def explain(chosen: Mapping[str, Sequence[EngineChoice]]) -> list[str]:
    """One line a language and engine: what will hear it, how big it is, and what is wrong."""
    lines = []
    for language, engines in sorted(chosen.items()):
        for place, choice in enumerate(engines):
            what = "" if place == 0 else "behind it: "
            lines.append(f"{language}: {what}{_explain_one(choice, language)}")
    return lines


def is_model(folder: Path) -> bool:
    """Whether the folder looks like a Vosk model, of either layout (src/model.cc of vosk-api)."""
    return (folder / "am" / "final.mdl").is_file() or (folder / "final.mdl").is_file()


def describe(folder: Path, language: str = "") -> ModelInfo:
    """What can be said of a folder without loading it. Raises `BadInput` when it is no model."""
    if not folder.is_dir():
        raise BadInput(f"{folder} is not a folder")
    if not is_model(folder):
        raise BadInput(
            f"{folder} is not a Vosk model: it has no am/final.mdl. "
            "Give the folder that holds `am`, `conf` and `graph`"
        )
    return _info(folder, language)


def prove(folder: Path, language: str) -> None:
    """Load the model and hear some noise with it, in a process of its own.

    A damaged model can end the process that loads it. Raises `BadInput`.
    """
    code = "from ivr.speech.models import _prove; import sys; _prove(sys.argv[1], sys.argv[2])"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, str(folder), language],
            capture_output=True,
            text=True,
            timeout=LOAD,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BadInput(f"{folder} did not load within {LOAD:g} s") from error
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        raise BadInput(f"{folder} cannot be used as a model: it is damaged or incomplete ({why})")


async def try_wav(
    choice: EngineChoice, language: str, path: Path, phrases: Sequence[str] = ()
) -> Heard:
    """What an engine hears in a wav file. Blocks while it computes: for the command line.

    Raises `BadInput` for a file that is no telephone sound, `RecogniserFailed` when it breaks.
    """
    audio = read_telephone_wav(path)
    began = time.monotonic()
    recogniser = build(choice, language)
    loaded = time.monotonic()
    try:
        hearing = await recogniser.listen(phrases)
        for start in range(0, len(audio), _FRAME):
            await hearing.feed(audio[start : start + _FRAME])
        final = await hearing.finish()
    finally:
        await recogniser.close()
    heard = time.monotonic()
    return Heard(
        final,
        len(audio) // BYTES_PER_MS,
        round((loaded - began) * 1000),
        round((heard - loaded) * 1000),
    )


def read_telephone_wav(path: Path) -> bytes:
    """The audio of a wav file of 8 kHz, 16 bit, mono. Raises `BadInput` for any other."""
    try:
        with wave.open(str(path), "rb") as file:
            rate, width, channels = file.getframerate(), file.getsampwidth(), file.getnchannels()
            audio = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise BadInput(f"{path} is not a PCM wav file: {error}") from error
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from error
    if (rate, width, channels) != (RATE, 2, 1):
        raise BadInput(
            f"{path} has {rate} samples a second, {8 * width} bit, {channels} channel(s); "
            f"telephone sound has {RATE}, 16 bit, 1. "
            f"Convert it: sox {path.name} -r {RATE} -b 16 -c 1 telephone.wav"
        )
    if not audio:
        raise BadInput(f"{path} holds no sound")
    return audio


def _explain_one(choice: EngineChoice, language: str) -> str:
    if choice.engine != "vosk":
        return str(choice)
    folder = Path(choice.model) if choice.model else SHIPPED_MODELS / language
    try:
        model = describe(folder, language)
    except BadInput as error:
        return f"vosk, but {error}"
    ships = " that ships with Santral (a shop's words and numbers only)" if model.ships else ""
    words = f", {model.words} words" if model.words else ""
    return f"vosk with the model {model.name}{ships}: {size_text(model.size)}{words}"


def size_text(size: int) -> str:
    """A size for people: `1.6 MB`."""
    for unit, step in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= step:
            return f"{size / step:.1f} {unit}"
    return f"{size} bytes"


def _info(folder: Path, language: str, *, ships: bool = False) -> ModelInfo:
    size = sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())
    words = folder / "graph" / "words.txt"
    count = 0
    if words.is_file():
        names = (line.split()[:1] for line in words.read_text("utf-8", "replace").splitlines())
        count = sum(bool(name) and name[0][0] not in "<#[" for name in names)
    known = _known(folder)
    return ModelInfo(
        known.get("language", language),
        known.get("name", folder.name),
        folder,
        size,
        count,
        known.get("licence") or _licence(folder),
        known.get("source", ""),
        ships or folder.parent == SHIPPED_MODELS,
    )


def _known(folder: Path) -> dict[str, str]:
    try:
        data = json.loads((folder / ADDED).read_text())
        return {str(name): str(value) for name, value in data.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _licence(folder: Path) -> str:
    """The first lines of its own files that speak of a licence."""
    for name in _LICENCE_FILES:
        try:
            lines = (folder / name).read_text("utf-8", "replace").splitlines()
        except OSError:
            continue
        if name.startswith(("LIC", "COP")):
            return next((line.strip() for line in lines if line.strip()), "")
        for place, line in enumerate(lines):
            if "licen" in line.lower():
                rest = " ".join(one.strip() for one in lines[place + 1 : place + 4])
                return f"{line.strip('# ')}: {rest}".strip(": ")[:200]
    return "not stated in its folder; ask its publisher"


def _prove(folder: str, language: str) -> None:
    """Run by `prove` in its own process: hear noise, with all words and with a few of them."""
    from ivr.speech.vosk import VoskRecogniser
    from ivr.speech.worker import warm

    words = Path(folder) / "graph" / "words.txt"
    some = words.read_text("utf-8").split()[4:24:2] if words.is_file() else []
    try:
        recogniser = VoskRecogniser(Path(folder), language)
        asyncio.run(warm(recogniser, [word for word in some if recogniser.knows(word)]))
    except (BadInput, RecogniserFailed, UnicodeDecodeError) as error:
        sys.exit(str(error))
