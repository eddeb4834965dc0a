"""What every request goes through, whatever it asks for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from cti.web import app as app_module
from cti.web.app import build_app
from cti.web.auth import ROLES, SCOPES, require
from tests.cti.web.site_room import SiteRoom, site_room


async def test_every_answer_carries_the_security_headers(desk: SiteRoom) -> None:
    page = await desk.signed_in("ayse")
    for path, status in (("/healthz", 200), ("/nowhere", 404), ("/", 200), ("/api/me", 200)):
        answer = await page.get(path)
        assert answer.status == status, path
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == ("no-cache" if path == "/" else "no-store")
        assert "Server" not in answer.headers


async def test_errors_are_json_and_name_a_code(desk: SiteRoom) -> None:
    page = desk.page()
    answer = await page.post("/healthz")
    assert answer.status == 405
    assert (await answer.json())["error"]["code"] == "not_found"
    answer = await page.get("/api/state")
    assert (answer.status, (await answer.json())["error"]["code"]) == (401, "not_signed_in")


async def test_no_file_beside_the_pages_is_given(desk: SiteRoom) -> None:
    page = desk.page()
    (desk.settings.state / "secret.js").write_text("x")
    for path in ("/static/../../../secret.js", "/static/%2e%2e/%2e%2e/%2e%2e/secret.js",
                 "/static//etc/passwd", "/static/nothing.js"):  # fmt: skip
        # 503: where the pages are not made yet
        assert (await page.get(path)).status in (404, 400, 503)


async def test_a_route_that_does_not_say_whom_it_is_for_stops_the_start(
    desk: SiteRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def careless(request: web.Request) -> web.StreamResponse:
        return web.Response()

    monkeypatch.setattr(app_module, "AREAS", ((web.get("/careless", careless),),))
    with pytest.raises(ValueError, match="whom is it for"):
        build_app(desk.desk.site)


async def test_a_port_that_is_taken_stops_no_engine_and_is_taken_up_when_free(
    tmp_path: Path, sqlite_template: Path
) -> None:
    async def nothing(*_: object) -> None: ...

    other = await asyncio.start_server(nothing, "127.0.0.1", 0)
    port = other.sockets[0].getsockname()[1]
    async with site_room(tmp_path, sqlite_template, web_port=port) as room:
        assert room.desk.port == 0
        assert room.desk.site.tele.agents.presence("ayse").state == "signed_out"
        other.close()
        async with asyncio.timeout(10):
            while not room.desk.port:
                await asyncio.sleep(0.05)
        assert (await room.signed_in("ayse")).me["login"] == "ayse"


def test_there_is_no_scope_by_another_name() -> None:
    with pytest.raises(ValueError, match="no scope"):
        require("everything")
    assert set().union(*ROLES.values()) == set(SCOPES)
