"""Real engines and libraries for the prompts' tests."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from cti.asterisk import Espeak, find_espeak
from ivr.audio import Samples, read_wav
from ivr.errors import BadInput
from ivr.prompts.library import PromptLibrary
from ivr.prompts.opening import PromptSettings, open_prompts

SPEAKER = Path(__file__).with_name("speaker.py")
STATE = Path(__file__).parents[3] / ".santral"


@pytest.fixture(scope="session")
def espeak() -> Espeak:
    """The machine's espeak-ng, else the one in .santral/, else a skip that says why."""
    try:
        return asyncio.run(find_espeak(STATE))
    except (BadInput, OSError) as reason:
        pytest.skip(f"there is no espeak-ng to be had: {reason}")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where the speaker program notes what it was asked."""
    return tmp_path / "speaker.log"


@pytest.fixture
def asked(log: Path) -> Callable[[], list[str]]:
    """What the speaker program was asked so far."""

    def texts() -> list[str]:
        lines = log.read_text().splitlines() if log.exists() else []
        return [json.loads(line)["text"] for line in lines]

    return texts


@pytest.fixture
def speaker(log: Path) -> Callable[..., str]:
    """The command line of the speaker program."""

    def command(behave: str = "", *more: str) -> str:
        begin = [sys.executable, "-S", str(SPEAKER), "{output}", "--log", str(log)]
        return shlex.join([*begin, *(["--behave", behave] if behave else []), *more])

    return command


@pytest.fixture
async def open_library(tmp_path: Path) -> AsyncIterator[Callable[..., object]]:
    """Opens libraries on one cache; closed when the test ends."""
    async with AsyncExitStack() as opened:

        async def library(**settings: object) -> PromptLibrary:
            settings.setdefault("cache", tmp_path / "cache")
            settings.setdefault("recorded", tmp_path / "sounds")
            chosen = PromptSettings(**settings)  # type: ignore[arg-type]
            return await opened.enter_async_context(open_prompts(chosen))

        yield library


def sound_of(path: Path) -> Samples:
    samples, rate = read_wav(path)
    assert rate == 8000
    return samples
