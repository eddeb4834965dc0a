"""The dialplan: what happens around the engine, with real calls from a real SIP phone."""

from __future__ import annotations

import asyncio
import re
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import pytest_asyncio

from cti.asterisk import Asterisk, Installation, InstanceSettings, Outside, Queue, Trunk
from cti.asterisk.ports import free_ports
from cti.softphone import IncomingCall, Phone, tone
from tests.e2e.conftest import instance_defaults
from tests.e2e.scripted_engine import ScriptedEngine, Visit

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]

TRIES = 4
ENTRIES = 7
# An agent for queues who is no telephone: answers, talks half a second and hangs up.
AGENT = """
[test-agent]
exten => talks,1,Answer()
 same => n,Wait(0.5)
exten => silent,1,Wait(60)
"""


class Channel(NamedTuple):
    name: str
    context: str
    application: str
    data: str


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def line(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Asterisk]:
    """An Asterisk with short waits, a few queues, and one trunk over which 0850 numbers may go."""
    trunk_port = free_ports(1)[0]
    settings = InstanceSettings.fresh(
        tmp_path_factory.mktemp("line"),
        **instance_defaults(
            tries=TRIES,
            wait=0.1,
            entries=ENTRIES,
            engine_limit=2,
            ring=2,
            fallback_members=("PJSIP/desk1",),
            queues=(
                Queue("support", members=("Local/talks@test-agent/n",)),
                Queue("patient", members=("Local/silent@test-agent/n",)),
                Queue("full", limit=1),
                Queue("nobody", join_empty="no"),
            ),
            trunks=(Trunk("provider", f"sip:127.0.0.1:{trunk_port}"),),
            outside=(Outside("_0850XXX", "provider", strip=1, prefix="+90"),),
            extra={"extensions.conf": AGENT},
        ),
    )
    async with Asterisk(installation, settings) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def phone(line: Asterisk) -> AsyncIterator[Phone]:
    """The demo's softphone; afterwards no channel may be left behind."""
    async with caller(line, "demo") as opened:
        yield opened
    await eventually(lambda found: found == [], line)


@asynccontextmanager
async def caller(line: Asterisk, name: str, **rest: object) -> AsyncIterator[Phone]:
    account = next(account for account in line.settings.accounts if account.name == name)
    server = ("127.0.0.1", line.settings.sip_port)
    async with Phone(name, server=server, password=account.password, **rest) as phone:  # type: ignore[arg-type]
        yield phone


async def channels(line: Asterisk) -> list[Channel]:
    shown = await line.command("core show channels concise")
    rows = [row.split("!") for row in shown.splitlines() if row.count("!") > 8]
    return [Channel(row[0], row[1], row[5], row[6]) for row in rows]


async def eventually(
    holds: Callable[[list[Channel]], bool], line: Asterisk, timeout: float = 8.0
) -> list[Channel]:
    """Look at the channels until the condition holds."""
    found: list[Channel] = []
    try:
        async with asyncio.timeout(timeout):
            while not holds(found := await channels(line)):
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"it never came to that; the last channels were {found}")
    return found


def in_fallback(found: list[Channel]) -> bool:
    return any(c.application == "Queue" and c.data.startswith("santral-fallback,") for c in found)


async def dies(visit: Visit) -> None:
    """An engine that is gone as soon as a call has come in."""


async def hangs_up(visit: Visit) -> None:
    await visit.leave(done="hangup")


def transfers(then: str = "hangup", **values: str) -> Callable[[Visit], object]:
    """Transfer at the first visit; at the next one, leave with `then`."""

    async def behave(visit: Visit) -> None:
        await visit.command("ANSWER")
        await (visit.leave(**values) if visit.number == 1 else visit.leave(done=then))

    return behave


def engine(line: Asterisk, behave: object) -> ScriptedEngine:
    return ScriptedEngine(line.settings.agi_url, behave)  # type: ignore[arg-type]


# --- the engine's absence


async def test_with_no_engine_a_call_ends_in_the_fallback_queue(
    line: Asterisk, phone: Phone
) -> None:
    call = await phone.dial("4000")
    await eventually(in_fallback, line)
    assert call.state == "up"
    codes = [code for _, code in call.progress]
    assert 180 in codes, "while we try, the caller hears it ring"
    shown = await line.command("queue show santral-fallback")
    assert "has 1 calls" in shown


async def test_people_answer_the_fallback_queue_and_know_the_call(
    line: Asterisk, phone: Phone
) -> None:
    async with (
        caller(line, "desk1", register=True, on_call=picks_up) as desk,
        engine(line, dies) as dying,
    ):
        call = await phone.dial("4000")
        there = await desk.next_call()
        await call.until_over(8)
    assert there.invite.get("x-santral-call") == dying.visits[0].query["call"]


async def test_an_engine_that_keeps_dying_is_tried_a_bounded_number_of_times(
    line: Asterisk, phone: Phone
) -> None:
    async with engine(line, dies) as dying:
        await phone.dial("4000")
        await eventually(in_fallback, line)
        assert [visit.query["entry"] for visit in dying.visits] == ["1", "2", "3", "4"]
        assert len({visit.query["call"] for visit in dying.visits}) == 1


async def test_successes_in_between_start_the_count_again_but_not_for_ever(
    line: Asterisk, phone: Phone
) -> None:
    async def resumes_and_dies(visit: Visit) -> None:
        await visit.command("SET VARIABLE SANTRAL_TRIES 0")

    async with engine(line, resumes_and_dies) as dying:
        await phone.dial("4000")
        await eventually(in_fallback, line)
        assert len(dying.visits) == ENTRIES > TRIES


async def test_a_caller_in_mid_call_is_back_with_the_engine_as_soon_as_it_is(
    line: Asterisk, phone: Phone
) -> None:
    async def waits(visit: Visit) -> None:
        await visit.command("ANSWER")
        await visit.until_hangup()

    async with engine(line, waits) as first:
        call = await phone.dial("4000")
        assert call.state == "up"
        first.kill()
        await eventually(lambda found: any(c.application == "Wait" for c in found), line)
    async with engine(line, hangs_up) as second:
        await call.until_over(5)
    assert second.visits[0].query["call"] == first.visits[0].query["call"]
    assert int(second.visits[0].query["entry"]) > 1
    assert second.visits[0].query["outcome"] == ""


async def test_tries_that_reach_no_engine_are_no_entries(
    installation: Installation, tmp_path: Path
) -> None:
    """An engine that starts slowly, time and again, must not use up what a call may have."""

    async def resumes_and_waits(visit: Visit) -> None:
        await visit.command("SET VARIABLE SANTRAL_TRIES 0")
        await visit.until_hangup()

    defaults = instance_defaults(tries=200, wait=0.05, entries=5)
    settings = InstanceSettings.fresh(tmp_path / "asterisk", **defaults)
    async with Asterisk(installation, settings) as line, caller(line, "demo") as phone:
        call, entries = None, []
        for _ in range(4):
            async with engine(line, resumes_and_waits) as up:
                call = call or await phone.dial("4000", wait=False)
                async with asyncio.timeout(10):
                    while not up.visits:
                        await asyncio.sleep(0.01)
                entries.append(int(up.visits[0].query["entry"]))
            await asyncio.sleep(0.6)  # about ten tries are refused meanwhile
        assert entries == [1, 2, 3, 4]
        async with engine(line, hangs_up):
            await call.until_over(10)


async def test_an_engine_that_says_nothing_cannot_keep_a_caller_for_ever(
    line: Asterisk, phone: Phone
) -> None:
    async with engine(line, Visit.until_hangup):
        await phone.dial("4000")
        await eventually(in_fallback, line)


async def test_a_hangup_frees_the_line_though_the_engine_never_answers(
    line: Asterisk, phone: Phone
) -> None:
    async with engine(line, Visit.until_hangup) as deaf:
        call = await phone.dial("4000", wait=False)
        await eventually(lambda found: any(c.application == "AGI" for c in found), line)
        await call.hangup()
        await eventually(lambda found: found == [], line, timeout=1.5)
        assert deaf.visits[0].hung_up


async def test_the_caller_is_told_once_and_then_that_nobody_is_there(
    line: Asterisk, phone: Phone
) -> None:
    """Both sounds are there, in the default language: tones that can be told apart."""
    sounds = {"santral-one-moment": tone(700, 0.4), "santral-apology": tone(1100, 0.4)}
    folder = line.settings.sound_directory / "tr"
    folder.mkdir(exist_ok=True)
    for name, samples in sounds.items():
        write_wav(folder / f"{name}.wav", samples)
    try:

        async def answers_and_dies(visit: Visit) -> None:
            await visit.command("ANSWER")

        async with engine(line, answers_and_dies):
            call = await phone.dial("4000")
            await eventually(in_fallback, line)
            await asyncio.sleep(0.2)
        heard = call.heard.astype(np.float64)
        assert seconds_of(heard, 700) == pytest.approx(0.4, abs=0.1)
        assert seconds_of(heard, 1100) == pytest.approx(0.4, abs=0.1)
    finally:
        for name in sounds:
            (folder / f"{name}.wav").unlink()


def seconds_of(heard: np.ndarray[tuple[int], np.dtype[np.float64]], frequency: float) -> float:
    """How long a tone of this frequency was there, looked at in pieces of 20 ms."""
    pieces = heard[: len(heard) // 160 * 160].reshape(-1, 160)
    wave_ = np.exp(-2j * np.pi * frequency * np.arange(160) / 8000)
    level = np.abs(pieces @ wave_) / 80
    return float((level > 1000).sum() * 0.02)


def write_wav(path: Path, samples: np.ndarray[tuple[int], np.dtype[np.int16]]) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.astype("<i2").tobytes())


# --- what the engine gets


async def test_the_engine_is_told_who_calls_what_and_how_often(
    line: Asterisk, phone: Phone
) -> None:
    async with engine(line, hangs_up) as told:
        call = await phone.dial("+90 850#1")
        await call.until_over(5)
    (visit,) = told.visits
    assert visit.door == "inbound"
    assert re.fullmatch(r"[0-9a-f-]{36}", visit.query["call"])
    assert visit.query["entry"] == "1"
    assert visit.query["dialled"] == "+90 850#1"
    assert visit.query["outcome"] == ""
    assert visit.header["agi_callerid"] == "demo"
    assert visit.header["agi_arg_1"] == line.settings.agi_key


@pytest.mark.parametrize(
    "dialled",
    [
        "1${UNIQUEID}",
        "1$[1+1]",
        '1"a,b&c=d?e',
        "1${SHELL(id)}",
        "1)&key=mine",
        "ab",
        "*1#",
        "s",
    ],
)
async def test_what_is_dialled_is_never_evaluated(
    line: Asterisk, phone: Phone, dialled: str
) -> None:
    async with engine(line, hangs_up) as told:
        call = await phone.dial(dialled)
        await call.until_over(5)
    (visit,) = told.visits
    assert visit.query["dialled"] == dialled
    assert visit.query["entry"] == "1"
    assert visit.header["agi_arg_1"] == line.settings.agi_key


@pytest.mark.parametrize("dialled", ["h", "i", "t", "T"])
async def test_one_letter_is_no_number(line: Asterisk, phone: Phone, dialled: str) -> None:
    async with engine(line, hangs_up) as told:
        call = await phone.dial(dialled)
        assert call.code in (404, 484)
    assert told.visits == []


async def test_a_call_we_place_comes_in_by_the_other_door_with_its_own_id(line: Asterisk) -> None:
    async with engine(line, hangs_up) as told:
        await line.command(
            "channel originate Local/talks@test-agent/n extension 05551112233@santral-outbound"
        )
        await eventually(lambda found: bool(told.visits) and found == [], line)
    assert told.visits[0].door == "outbound"
    assert told.visits[0].query["dialled"] == "05551112233"


# --- what the engine wants


async def test_hangup(line: Asterisk, phone: Phone) -> None:
    async with engine(line, hangs_up) as told:
        call = await phone.dial("4000")
        await call.until_over(5)
    assert len(told.visits) == 1
    assert call.ended_by == "them"


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        ({"done": "queue", "to": "support"}, "done"),
        ({"done": "queue", "to": "patient", "timeout": "1"}, "timeout"),
        ({"done": "queue", "to": "nobody"}, "join_empty"),
        ({"done": "queue", "to": "unknown"}, "failed"),
        ({"done": "extension", "to": "desk1"}, "failed"),
        ({"done": "extension", "to": "demo"}, "failed"),
        ({"done": "extension", "to": "unknown"}, "failed"),
        ({"done": "extension", "to": "provider"}, "failed"),
        ({"done": "number", "to": "05321112233"}, "failed"),
        ({"done": "number", "to": "s"}, "failed"),
        ({"done": "number", "to": "h"}, "failed"),
    ],
)
async def test_the_caller_comes_back_with_an_outcome(
    line: Asterisk, phone: Phone, values: dict[str, str], outcome: str
) -> None:
    async with engine(line, transfers(back="1", **values)) as told:
        call = await phone.dial("4000")
        await call.until_over(8)
    assert [visit.query["outcome"] for visit in told.visits] == ["", outcome]
    assert [visit.query["entry"] for visit in told.visits] == ["1", "2"]


async def test_a_full_queue(line: Asterisk, phone: Phone) -> None:
    async def behave(visit: Visit) -> None:
        await visit.command("ANSWER")
        if visit.query["outcome"]:
            await visit.leave(done="hangup")
        else:
            await visit.leave(done="queue", to="full", back="1")

    async with engine(line, behave) as told:
        waiting = await phone.dial("4000")
        await eventually(lambda found: any(c.data.startswith("full,") for c in found), line)
        refused = await phone.dial("4000")
        await refused.until_over(5)
        assert told.visits[-1].query["outcome"] == "full"
        await waiting.hangup()


async def test_without_the_wish_to_come_back_a_transfer_is_the_end(
    line: Asterisk, phone: Phone
) -> None:
    async with engine(line, transfers(done="queue", to="support")) as told:
        call = await phone.dial("4000")
        await call.until_over(8)
    assert len(told.visits) == 1


async def test_a_queue_asterisk_does_not_know_is_the_fallback_queue(
    line: Asterisk, phone: Phone
) -> None:
    async with engine(line, transfers(done="queue", to="unknown")):
        await phone.dial("4000")
        await eventually(in_fallback, line)


async def test_a_word_the_dialplan_does_not_know_is_the_fallback_queue(
    line: Asterisk, phone: Phone
) -> None:
    async with engine(line, transfers(done="fly", to="moon")):
        await phone.dial("4000")
        await eventually(in_fallback, line)


async def test_a_hangup_in_the_queue_ends_the_call(line: Asterisk, phone: Phone) -> None:
    async with engine(line, transfers(done="queue", to="patient", back="1")) as told:
        call = await phone.dial("4000")
        await eventually(lambda found: any(c.data.startswith("patient,") for c in found), line)
        await call.hangup()
        await eventually(lambda found: found == [], line)
    assert len(told.visits) == 1


@pytest.mark.parametrize("inject", ["support)", "support,r", "${SHELL(id)}", "su$[1+1]pport"])
async def test_a_queues_name_is_nothing_but_a_name(
    line: Asterisk, phone: Phone, inject: str
) -> None:
    async def behave(visit: Visit) -> None:
        await visit.command("ANSWER")
        if visit.number > 1:
            await visit.leave(done="hangup")
            return
        await visit.command(f'SET VARIABLE SANTRAL_TO "{inject}"')
        await visit.leave(done="queue", back="1")

    async with engine(line, behave) as told:
        call = await phone.dial("4000")
        await call.until_over(8)
    assert told.visits[1].query["outcome"] in {"failed", "done"}
    asked = [text for text in line.settings.log.read_text().splitlines() if "join queue" in text]
    assert all(re.search(r"join queue '[\w-]*'", text) for text in asked)


# --- desks and numbers


async def picks_up(call: IncomingCall) -> None:
    call.ring()
    await call.answer()
    await asyncio.sleep(0.3)


async def is_busy(call: IncomingCall) -> None:
    call.refuse(486)


async def rings_on(call: IncomingCall) -> None:
    call.ring()
    await call.until_over(20)


@pytest.mark.parametrize(
    ("behaves", "outcome"), [(picks_up, "done"), (is_busy, "busy"), (rings_on, "no_answer")]
)
async def test_a_desk_is_rung_and_its_phone_is_told_the_calls_id(
    line: Asterisk, phone: Phone, behaves: Callable[[IncomingCall], object], outcome: str
) -> None:
    leaves = transfers(done="extension", to="desk1", back="1", timeout="1")
    async with (
        caller(line, "desk1", register=True, on_call=behaves) as desk,
        engine(line, leaves) as told,
    ):
        call = await phone.dial("4000")
        there = await desk.next_call()
        await call.until_over(8)
    assert there.invite.get("x-santral-call") == told.visits[0].query["call"]
    assert told.visits[1].query["outcome"] == outcome


async def test_an_agent_of_a_queue_is_told_the_calls_id(line: Asterisk, phone: Phone) -> None:
    leaves = transfers(done="queue", to="nobody", back="1")
    async with (
        caller(line, "desk2", register=True, on_call=picks_up) as desk,
        engine(line, leaves) as told,
    ):
        await line.command("queue add member PJSIP/desk2 to nobody")
        try:
            call = await phone.dial("4000")
            there = await desk.next_call()
            await call.until_over(8)
        finally:
            await line.command("queue remove member PJSIP/desk2 from nobody")
    assert there.invite.get("x-santral-call") == told.visits[0].query["call"]
    assert told.visits[1].query["outcome"] == "done"


async def test_an_allowed_number_goes_out_over_its_trunk(line: Asterisk, phone: Phone) -> None:
    port = int(line.settings.trunks[0].contact.rpartition(":")[2])
    async with (
        Phone("provider", port=port, on_call=picks_up) as provider,
        engine(line, transfers(done="number", to="0850123", back="1")) as told,
    ):
        call = await phone.dial("4000")
        there = await provider.next_call()
        await call.until_over(8)
    assert there.number == "+90850123"
    assert told.visits[1].query["outcome"] == "done"


async def test_a_desk_rings_another_desk_and_cannot_dial_outside(line: Asterisk) -> None:
    async with (
        caller(line, "desk1", register=True) as one,
        caller(line, "desk2", register=True, on_call=picks_up) as other,
    ):
        call = await one.dial("desk2")
        there = await other.next_call()
        assert there.number
        await call.until_over(5)
        assert call.answered_at is not None
        for number in ("05321112233", "demo", "provider", "08501234567"):
            refused = await one.dial(number)
            assert refused.answered_at is None
            assert refused.code >= 400, number


# --- who is let in


async def test_a_scanner_learns_nothing(line: Asterisk) -> None:
    """An unknown name, and a known one with a wrong password, get the same answer."""
    server = ("127.0.0.1", line.settings.sip_port)
    seen = []
    for name, password in (("nobody", "x" * 20), ("demo", "x" * 20), ("demo-auth", "x" * 20)):
        async with Phone(name, server=server, password=password) as phone:
            call = await phone.dial("4000")
            assert call.final is not None
            headers = sorted({key.lower() for key, _ in call.final.headers})
            seen.append((call.code, call.reason, headers))
    assert seen[0][0] == 401
    assert seen[0] == seen[1] == seen[2]
    async with Phone("anybody", server=server) as phone:
        assert (await phone.dial("4000")).code == 401


async def test_no_secret_is_in_a_log(line: Asterisk, phone: Phone) -> None:
    """This runs last: by now calls failed in every way."""
    await phone.dial("4000")
    await eventually(in_fallback, line)
    settings = line.settings
    secrets = {settings.agi_key, settings.ami_secret, *(a.password for a in settings.accounts)}
    for path in (settings.directory / "log").iterdir():
        text = path.read_text(errors="replace")
        assert not [secret for secret in secrets if secret in text], path
    assert "res_agi" in settings.log.read_text()
