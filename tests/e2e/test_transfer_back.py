"""A transfer that brings the caller back to their flow: the real engine, dialplan and phones."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio

from cti.asterisk import Asterisk, Installation, InstanceSettings, find_espeak
from cti.main import running
from cti.settings import Settings
from cti.softphone import Prompt, heard_prompt
from ivr.call import Utterance
from ivr.flow.loader import load_text
from ivr.prompts.opening import PromptSettings, open_prompts
from tests.e2e.conftest import instance_defaults
from tests.e2e.test_dialplan import caller, eventually, is_busy, picks_up, rings_on

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]

FLOW = """
flow: back
languages: [en]
start: on
prompts:
  busy: {en: "They are talking to somebody else."}
  no_answer: {en: "Nobody picked up the phone."}
  failed: {en: "That telephone is not connected."}
  done: {en: "We hope that you were helped."}
steps:
  on:
    type: transfer
    to: desk1
    kind: extension
    ring: 2s
    busy: busy
    no_answer: no_answer
    failed: failed
    done: done
  busy: {type: say, prompt: busy, next: bye}
  no_answer: {type: say, prompt: no_answer, next: bye}
  failed: {type: say, prompt: failed, next: bye}
  done: {type: say, prompt: done, next: bye}
  bye: {type: hangup}
"""
WAYS = ("busy", "no_answer", "failed", "done")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def line(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Asterisk, Mapping[str, Prompt]]]:
    home = tmp_path_factory.mktemp("back")
    scenarios = home / "scenarios"
    scenarios.mkdir()
    (scenarios / "back.yaml").write_text(FLOW)
    (scenarios / "lines.yaml").write_text("default: {flow: back}\n")
    espeak = await find_espeak(Settings.from_environment().state, print)
    instance = InstanceSettings.fresh(home / "asterisk", **instance_defaults())
    settings = Settings(
        scenarios=scenarios,
        state=home / "state",
        agi_port=int(instance.agi_url.rpartition(":")[2]),
        agi_key=instance.agi_key,
        espeak=shlex.join(espeak.program),
        drain=1.0,
    )
    async with running(settings), Asterisk(installation, instance) as asterisk:
        yield asterisk, await sounds(settings)


async def sounds(settings: Settings) -> Mapping[str, Prompt]:
    flow = load_text(FLOW)
    made = {}
    async with open_prompts(PromptSettings(settings.prompts, espeak=settings.espeak)) as prompts:
        for name in WAYS:
            pieces = flow.prompts[name].template("en").pieces({"language": "en"})
            (file,) = await prompts.files(Utterance(name, "en", pieces, flow.name))
            made[name] = await asyncio.to_thread(Prompt, file)
    return made


@pytest.mark.parametrize(
    ("way", "behaves"),
    [("busy", is_busy), ("no_answer", rings_on), ("done", picks_up), ("failed", None)],
)
async def test_the_caller_is_told_how_it_went(
    line: tuple[Asterisk, Mapping[str, Prompt]], way: str, behaves: object
) -> None:
    asterisk, said = line
    registered = {"register": True, "on_call": behaves} if behaves else {}
    async with caller(asterisk, "desk1", **registered), caller(asterisk, "demo") as phone:
        call = await phone.dial("4000")
        await call.until_over(20)
        heard = [name for name in WAYS if heard_prompt(call.heard, said[name]).whole]
        assert heard == [way]
    await eventually(lambda found: found == [], asterisk)
