"""docs/shop-api.md: every example is run as it stands, against the desk as it is opened."""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from cti.settings import CHECKOUT
from tests.cti.services.test_http import serving
from tests.cti.web.site_room import SiteRoom, site_room

PAGE = (CHECKOUT / "docs/shop-api.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.M | re.S)
SCOPES = ("orders:read", "orders:write", "contacts:write", "webhooks:write")


def holds(wanted: Any, found: Any) -> bool:
    """Whether everything that the page shows is in what was answered."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            name in found and holds(value, found[name]) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(found, list) and (
            len(found) >= len(wanted) and all(map(holds, wanted, found))
        )
    return bool(wanted == found)


async def shell(command: str, **environment: str) -> Any:
    """What a command prints, as JSON."""
    process = await asyncio.create_subprocess_exec(
        "bash", "-euc", command, stdout=asyncio.subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **environment},
    )  # fmt: skip
    async with asyncio.timeout(20):
        out, _ = await process.communicate()
    return json.loads(out)


async def token_of(desk: SiteRoom) -> str:
    accounts = desk.desk.site.accounts
    user = await accounts.people.find("root")
    assert user is not None
    return (await accounts.make_token(user.id, "shop", SCOPES))[1]


@pytest.mark.skipif(not Path("/usr/bin/curl").exists(), reason="the page's examples use curl")
async def test_every_example_does_what_the_page_says(tmp_path: Path, sqlite_template: Path) -> None:
    got: asyncio.Queue[tuple[Any, bytes]] = asyncio.Queue()

    async def receive(request: web.Request) -> web.Response:
        got.put_nowait((request.headers, await request.read()))
        return web.Response()

    async with (
        serving(receive) as port,
        site_room(tmp_path, sqlite_template, manager=False, shop_api=True) as desk,
    ):
        environment = {
            "SANTRAL": desk.url,
            "TOKEN": await token_of(desk),
            "RECEIVER": f"http://127.0.0.1:{port}/",
        }
        blocks = BLOCK.findall(PAGE)
        answers = {}
        for number, (kind, text) in enumerate(blocks):
            if kind == "sh":
                found = await shell(text, **environment)
                wanted = blocks[number + 1]
                assert wanted[0] == "json", "the answer follows its command"
                assert holds(json.loads(wanted[1]), found), json.dumps(found, indent=1)
                answers[number] = found
        assert len(answers) >= 6

        # the page's receiver knows what is genuine
        (python,) = [text for kind, text in blocks if kind == "python"]
        names: dict[str, Any] = {}
        exec(python, names)
        secret = next(found["secret"] for found in answers.values() if "secret" in found)
        api = desk.room.api
        assert api is not None
        await api.notifier.notify("order_confirmed", {"number": "4711"}, f"c-{time.time()}:1")
        async with asyncio.timeout(10):
            headers, body = await got.get()
        assert names["is_genuine"](secret, headers, body)
        assert not names["is_genuine"](secret, headers, body.replace(b"4711", b"4712"))


async def test_a_token_does_no_more_than_its_scopes(tmp_path: Path, sqlite_template: Path) -> None:
    async with site_room(tmp_path, sqlite_template, manager=False, shop_api=True) as desk:
        page = desk.page()
        token = await token_of(desk)
        for given, status, kind in (
            (f"Bearer {token}", 403, "not-allowed"),
            ("Bearer nonsense", 401, "not-signed-in"),
            ("", 401, "not-signed-in"),
        ):
            headers = {"Authorization": given} if given else {}
            answer = await page.get("/api/v1/campaigns", headers=headers)
            found = await answer.json(content_type="application/problem+json")
            assert (answer.status, found["type"]) == (status, f"/api/v1/problems#{kind}")
        answer = await page.get("/api/v1/nowhere")
        assert (answer.status, answer.content_type) == (404, "application/problem+json")


async def test_the_pages_session_is_good_here_with_its_csrf_token(
    tmp_path: Path, sqlite_template: Path
) -> None:
    async with site_room(tmp_path, sqlite_template, manager=False, shop_api=True) as desk:
        page = await desk.signed_in("sema")
        found = await page.read("/api/v1/campaigns")
        assert [one["name"] for one in found["items"]] == ["order_received", "payment_retry"]
        answer = await page.http.post(f"{page.url}/api/v1/campaigns/payment_retry/pause")
        assert answer.status == 403
        answer = await page.http.post(
            f"{page.url}/api/v1/campaigns/payment_retry/pause",
            headers={"X-CSRF-Token": page.me["csrf"]},
        )
        assert (await answer.json())["paused"] is True
        agent = await desk.signed_in("ayse")
        assert (await agent.get("/api/v1/campaigns")).status == 403
