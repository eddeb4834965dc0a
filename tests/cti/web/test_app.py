"""What every request goes through, whatever it asks for."""

from __future__ import annotations

from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from cti.web import app as app_module
from cti.web.app import build_app
from cti.web.auth import ROLES, SCOPES, require
from cti.web.site import Site


def _site() -> Site:
    return Site(
        settings=cast(Any, None),
        database=cast(Any, None),
        bus=cast(Any, None),
        audit=cast(Any, None),
    )


async def test_every_answer_carries_the_security_headers() -> None:
    async with TestClient(TestServer(build_app(_site()))) as client:
        for path, status in (("/healthz", 200), ("/nowhere", 404)):
            answer = await client.get(path)
            assert answer.status == status
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Cache-Control"] == "no-store"


async def test_errors_are_json_and_name_a_code() -> None:
    async with TestClient(TestServer(build_app(_site()))) as client:
        answer = await client.post("/healthz")
        assert answer.status == 405
        assert (await answer.json())["error"]["code"] == "not_found"


def test_a_route_that_does_not_say_whom_it_is_for_stops_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def careless(request: web.Request) -> web.StreamResponse:
        return web.Response()

    monkeypatch.setattr(app_module, "AREAS", ((web.get("/careless", careless),),))
    with pytest.raises(ValueError, match="whom is it for"):
        build_app(_site())


def test_there_is_no_scope_by_another_name() -> None:
    with pytest.raises(ValueError, match="no scope"):
        require("everything")
    assert set().union(*ROLES.values()) == set(SCOPES)
