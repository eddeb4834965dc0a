"""`santral check --speech`: which words of a flow's menus are taken for one another when spoken."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cti.asterisk import find_espeak
from cti.settings import Settings
from cti.speech import Chosen, live_choices
from ivr.audio import TELEPHONE_RATE, Samples, read_wav, resample
from ivr.errors import BadInput
from ivr.flow.finding import meant
from ivr.flow.folder import check_folder
from ivr.flow.model import Flow
from ivr.prompts.languages import VOICES, voice_of
from ivr.prompts.process import run_program
from ivr.speech.confusion import Conditions, Table, confusions
from ivr.speech.engines import build
from ivr.speech.recogniser import Recogniser

PEAK = 0.3  # of full scale: how loud a telephone is spoken into
DEADLINE = 20.0  # seconds for one text


@dataclass(frozen=True, slots=True)
class Menu:
    """A step that offers words in one language: what each way is called, and its words."""

    flow: str
    step: str
    language: str
    options: Mapping[str, tuple[str, ...]]

    @property
    def name(self) -> str:
        return f"{self.flow}.{self.step} ({self.language})"

    @property
    def phrases(self) -> int:
        return sum(map(len, self.options.values()))


class EspeakSpeaker:
    """Says a text in espeak-ng's voices; each sound is kept, it is needed once a noise level."""

    def __init__(self, program: tuple[str, ...], environment: Mapping[str, str]) -> None:
        self._program = program
        self._environment = environment
        self._said: dict[tuple[str, str, int], Samples] = {}
        self.count = 0

    async def __call__(self, text: str, language: str, voice: str, speed: int) -> Samples:
        self.count += 1
        await asyncio.sleep(0)  # the lab itself never waits
        key = (text, language + voice, speed)
        if key not in self._said:
            self._said[key] = await self._say(
                text, voice_of(VOICES, language).espeak + voice, speed
            )
        return self._said[key]

    def forget(self) -> None:
        self._said.clear()

    async def _say(self, text: str, voice: str, speed: int) -> Samples:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "said.wav"
            options = ("-v", voice, "-s", str(speed), "-w", str(path), "--stdin")
            async with asyncio.timeout(DEADLINE):
                await run_program((*self._program, *options), text, self._environment)
            samples, rate = read_wav(path)
        sound = resample(samples, rate, TELEPHONE_RATE).astype(float)
        loudest = max(1.0, float(np.abs(sound).max(initial=0.0)))
        return (sound / loudest * 32767 * PEAK).astype(np.int16)


def check_speech(path: Path, folder: Path, settings: Settings, *, as_json: bool) -> int:
    """Put every menu of a flow (a name or a file) to the test; 1 when words should be changed."""
    flows = _flows(path, folder)
    menus = [menu for flow in flows for menu in menus_of(flow)]
    if not menus:
        raise BadInput(f"no menu of {', '.join(flow.name for flow in flows)} has words to say")
    tables = asyncio.run(_run(menus, settings))
    if as_json:
        told = [_told(menu, table) for menu, table in zip(menus, tables, strict=True)]
        print(json.dumps({"menus": told}, ensure_ascii=False, indent=2))
    else:
        print("\n\n".join("\n".join(table.lines()) for table in tables))
        bad = sum(not table.clean for table in tables)
        print(f"\n{len(tables)} menus, {bad} with words to change")
    return int(any(not table.clean for table in tables))


def menus_of(flow: Flow) -> Iterator[Menu]:
    """Each question with words, in each language of the flow; the flow's globals are in each."""
    for step_name, step in flow.steps.items():
        if not any(offer.words and not offer.command for offer in flow.offers(step)):
            continue
        for language in flow.languages:
            options = {
                f"{offer.outcome} {words[0]}"[:24]: words
                for offer in flow.offers(step)
                if (words := offer.spoken(language))
            }
            if options:
                yield Menu(flow.name, step_name, language, options)


def _flows(path: Path, folder: Path) -> list[Flow]:
    """The flows of a file, or the one of that name."""
    views = check_folder(path.parent if path.is_file() else folder).views
    if path.is_file():
        found = [view.flow for view in views.values() if Path(view.document.file) == path]
        if not found:
            raise BadInput(f"there is no flow in {path}, or it has errors: see `santral check`")
        return found
    if str(path) not in views:
        raise BadInput(f"there is no flow '{path}'{meant(str(path), views)}")
    return [views[str(path)].flow]


async def _run(menus: list[Menu], settings: Settings) -> list[Table]:
    speaker = await _speaker(settings)
    chosen = live_choices(settings)
    recognisers: dict[str, Recogniser] = {}
    tables = []
    try:
        for number, menu in enumerate(menus, 1):
            recogniser = recognisers.get(menu.language)
            if recogniser is None:
                recogniser = recognisers[menu.language] = await asyncio.to_thread(
                    _recogniser, chosen, menu.language
                )
            with _Progress(f"{number}/{len(menus)} {menu.name}", menu, speaker):
                tables.append(await confusions(menu.name, menu.options, recogniser, speaker))
            speaker.forget()
    finally:
        for recogniser in recognisers.values():
            await recogniser.close()
    return tables


async def _speaker(settings: Settings) -> EspeakSpeaker:
    if settings.espeak != "espeak-ng":
        return EspeakSpeaker(tuple(shlex.split(settings.espeak)), {})
    found = await find_espeak(settings.state, lambda text: print(text, file=sys.stderr))
    return EspeakSpeaker(tuple(found.program), dict(found.environment))


def _recogniser(chosen: Chosen, language: str) -> Recogniser:
    if not chosen.get(language):
        raise BadInput(f"nothing hears the language '{language}': add a model (santral models add)")
    return build(chosen[language][0], language)


class _Progress:
    """One line on the terminal that counts what was said; nothing where there is no terminal."""

    def __init__(self, title: str, menu: Menu, speaker: EspeakSpeaker) -> None:
        self._title = title
        self._total = menu.phrases * len(Conditions())
        self._speaker = speaker
        self._begun = speaker.count
        self._task: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        if sys.stderr.isatty():
            self._task = asyncio.create_task(self._tell())
        else:
            print(f"{self._title}: {self._total} sayings", file=sys.stderr)

    def __exit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    async def _tell(self) -> None:
        while True:
            done = self._speaker.count - self._begun
            print(
                f"\r\x1b[K{self._title}: {done}/{self._total}", end="", file=sys.stderr, flush=True
            )
            await asyncio.sleep(0.2)


def _told(menu: Menu, table: Table) -> dict[str, Any]:
    return {
        "flow": menu.flow,
        "step": menu.step,
        "language": menu.language,
        "options": {name: list(words) for name, words in menu.options.items()},
        "heard": table.counts,
        "collisions": [asdict(one) for one in table.collisions()],
        "shared": list(table.shared),
        "unknown": list(table.unknown),
        "clean": table.clean,
    }
