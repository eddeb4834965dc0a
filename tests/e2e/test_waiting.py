"""What a caller hears while waiting in a queue: their place, in their language, and the offer."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from cti.asterisk import Asterisk, Installation, InstanceSettings, find_espeak
from cti.queues import Files, Queues
from cti.settings import Settings
from cti.softphone import OutgoingCall, until
from ivr.prompts.builtin import write_played_prompts
from ivr.prompts.opening import PromptSettings, open_prompts
from tests.e2e.conftest import instance_defaults
from tests.e2e.scripted_engine import ScriptedEngine, Visit
from tests.e2e.test_dialplan import caller

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]

QUEUES = Queues.model_validate(
    {"queues": {"told": {"announce": {"every": "15s"}, "callback": {"key": "5", "remind": "3s"}}}}
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("waiting")
    espeak = await find_espeak(Settings.from_environment().state, print)
    settings = PromptSettings(cache=directory / "cache", espeak=shlex.join(espeak.program))
    async with open_prompts(settings) as prompts:
        await write_played_prompts(prompts, directory / "sounds")
    return directory / "sounds"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def line(
    installation: Installation, sounds: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Asterisk]:
    settings = InstanceSettings.fresh(
        tmp_path_factory.mktemp("line"), **instance_defaults(queues=(), sounds=sounds)
    )
    settings.etc.mkdir(parents=True)
    Files(settings.etc).write(QUEUES)
    async with Asterisk(installation, settings) as running:
        yield running


async def hears(call: OutgoingCall, sounds: Path, *names: str) -> None:
    """Each of them, one after another."""
    for name in names:
        await call.wait_for(until.prompt(sounds / f"{name}.wav"), timeout=20)


@pytest.mark.parametrize("language", ["tr", "en"])
async def test_the_place_and_the_offer_in_the_callers_language(
    line: Asterisk, sounds: Path, language: str
) -> None:
    async def behave(visit: Visit) -> None:
        await visit.command("ANSWER")
        await visit.command(f"SET VARIABLE CHANNEL(language) {language}")
        await visit.leave(done="queue", to="told")

    said = sounds / language
    async with (
        ScriptedEngine(line.settings.agi_url, behave),
        caller(line, "demo") as first_phone,
        caller(line, "demo") as second_phone,
    ):
        first = await first_phone.dial("4000")
        await hears(first, said, "queue-youarenext", "queue-thankyou")
        second = await second_phone.dial("4000")
        await hears(second, said, "queue-thereare", "digits/2", "queue-callswaiting")
        await hears(second, said, "santral-callback-offer-5")
        await first.hangup()
        await second.hangup()
