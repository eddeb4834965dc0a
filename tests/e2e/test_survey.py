"""From a talk to the survey report, on a real Asterisk: the caller talks with an agent, is asked,
answers by keys and leaves a comment; the report and the comment's text show it. Who calls again is
not asked again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
from sqlalchemy import select

from cti.db.engine import open_engine
from cti.db.models import order_lines, orders, recordings, survey_invitations
from cti.demo import Demo, demo_running
from cti.demo_shop import CALLER
from cti.settings import HOME
from cti.softphone import OutgoingCall, Phone, Prompt, until
from ivr.call import Utterance
from ivr.errors import CannotInstall
from ivr.flow.folder import load_folder
from ivr.prompts.opening import PromptSettings, open_prompts
from tests.cti.web.site_room import Page
from tests.e2e.test_web_desk import Sit, _telephones, is_state, sit
from tests.ivr.speech import voices

__all__ = ["sit"]
pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]
COMMENT = "sipariş durumu"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def demo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Demo]:
    state, home = HOME / ".santral", tmp_path_factory.mktemp("survey")
    changes: dict[str, Any] = {
        "prompt_cache": state / "demo" / "prompts", "drain": 1.0, "reports_every": 1.0,
    }  # fmt: skip
    try:
        async with demo_running(state, print, home=home, **changes) as running:
            await _telephones(running)
            yield running
    except CannotInstall as reason:
        pytest.skip(str(reason))


async def rows(demo: Demo, query: Any) -> list[Any]:
    engine = open_engine(demo.settings.journal_database)
    try:
        async with engine.connect() as connection:
            return list((await connection.execute(query)).all())
    finally:
        await engine.dispose()


async def sounds(demo: Demo, flow: str, *names: str) -> Mapping[str, Prompt]:
    library, _ = load_folder(demo.settings.scenarios)
    settings = demo.settings
    made = {}
    async with open_prompts(
        PromptSettings(settings.prompts, settings.sounds, espeak=demo.espeak)
    ) as prompts:
        for name in names:
            pieces = library.get(flow).prompts[name].template("tr").pieces({"language": "tr"})
            (file, *_) = await prompts.files(Utterance(name, "tr", pieces, flow))
            made[name] = await asyncio.to_thread(Prompt, file)
    return made


async def hears(
    call: OutgoingCall, prompt: Prompt, within: float = 25.0, *, least: float = 0.5
) -> None:
    await call.wait_for(until.prompt(prompt, least=least), within, "the prompt")


async def a_talk_of_a_second(call: Any) -> None:
    """An agent who answers, talks, and hangs up while the caller stays."""
    call.ring()
    await call.pause(0.3)
    await call.answer()
    await call.pause(1.0)
    await call.hangup()


@asynccontextmanager
async def supervisor(demo: Demo) -> AsyncIterator[Page]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        page = Page(http, demo.url.rstrip("/"))
        answer = await page.sign_in("zeynep", demo.passwords["zeynep"])
        assert answer.status == 200, await answer.text()
        yield page


async def marks(page: Page, most: int) -> list[Any]:
    """The report's rows once there are so many."""
    table = await page.read("/api/reports/surveys?from=today")
    return list(table["rows"]) if len(table["rows"]) >= most else []


async def comments(page: Page) -> list[Any]:
    """The comments, once they have been turned into text."""
    found = await page.read("/api/said?from=today&rated=1")
    return [one for one in found["texts"] if one["text"]]


async def sooner_or_later(read: Callable[[], Awaitable[Any]], within: float = 60.0) -> Any:
    async with asyncio.timeout(within):
        while not (found := await read()):
            await asyncio.sleep(0.3)
    return found


async def test_from_a_talk_to_the_survey_report_and_once_only(demo: Demo, sit: Sit) -> None:
    survey = await sounds(demo, "survey", "satisfaction", "recommend", "glad_first", "comment")
    line = await sounds(demo, "support_line", "goodbye")
    page, _ = await sit("ayse", a_talk_of_a_second)
    account = demo.account
    async with Phone(account.name, server=demo.sip, password=account.password) as phone:
        call = await phone.dial("107")
        await hears(call, survey["satisfaction"], 60)
        await call.press("5")
        await hears(call, survey["recommend"])
        await call.press("10#")
        await hears(call, survey["glad_first"])
        await call.press("1")
        await hears(call, survey["comment"], least=0.95)
        await call.pause(1.0)  # the tone
        said = [voices.silence(0.4), voices.spoken(COMMENT), voices.silence(0.6)]
        await call.play(np.concatenate(said).astype(np.int16))
        await call.press("#")
        await call.until_over(20)

        await page.post("/api/agent/ready")
        await is_state(page, "ready")
        again = await phone.dial("107")
        await hears(again, line["goodbye"], 60)
        await again.until_over(20)

    decided = await rows(demo, select(survey_invitations.c.verdict).order_by("at"))
    assert [row.verdict for row in decided] == ["asked", "lately"]
    async with supervisor(demo) as manager:
        told = await sooner_or_later(lambda: marks(manager, 2))
    bought = await rows(
        demo,
        select(order_lines.c.name)
        .join(orders, orders.c.id == order_lines.c.order_id)
        .where(orders.c.customer_id == 1, orders.c.status != "cancelled")
        .order_by(orders.c.placed_at.desc(), orders.c.id.desc(), order_lines.c.position),
    )
    by_question = {row["values"]["question"]: row["values"] for row in told}
    for values in by_question.values():
        assert values["answers"] == 1
        assert (values["flow"], values["queue"]) == ("support_line", "support")
        assert (values["agent"], values["product"]) == ("ayse", bought[0].name)
    assert by_question["satisfaction"]["mean"] == 5
    assert by_question["satisfaction"]["csat"] == 100
    assert by_question["recommend"]["nps"] == 100


async def test_the_comment_is_read_and_listened_to(demo: Demo) -> None:
    async with supervisor(demo) as manager:
        made = await rows(demo, select(recordings.c.name, recordings.c.ms))
        assert [row.name for row in made] == ["comment-1-0"], made
        (comment,) = await sooner_or_later(lambda: comments(manager))
        assert comment["text"] == COMMENT
        assert comment["caller"] == CALLER
        assert [(one["question"], one["mark"]) for one in comment["answers"]] == [
            ("satisfaction", 5), ("recommend", 10),
        ]  # fmt: skip
        (made,) = await rows(demo, select(recordings.c.id, recordings.c.transcript))
        assert (made.id, made.transcript) == (comment["recording"], COMMENT)
        sound = await manager.get(f"/api/recordings/{comment['recording']}")
        assert sound.status == 200
        assert (await sound.read())[:4] == b"RIFF"
