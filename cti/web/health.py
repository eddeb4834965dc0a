"""For health checks: whether the server runs."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from cti.web.auth import open_to_all
from cti.web.json import reply


@open_to_all
async def healthz(request: web.Request) -> web.StreamResponse:
    del request
    return reply({"ok": True})


ROUTES: Final = (web.get("/healthz", healthz),)
