"""Accounts as an admin sees them. They are made and changed with `santral user`."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from cti.web.auth import require
from cti.web.json import reply
from cti.web.site import site

MOST: Final = 500


@require("accounts")
async def users(request: web.Request) -> web.StreamResponse:
    found = await site(request).accounts.people.everybody()
    return reply({"users": [user.to_dict() for user in found]})


@require("accounts")
async def audit(request: web.Request) -> web.StreamResponse:
    query = request.query
    limit = query.get("limit", "100")
    entries = await site(request).audit.find(
        actor=query.get("actor", ""),
        action=query.get("action", ""),
        limit=min(MOST, int(limit)) if limit.isascii() and limit.isdigit() else 100,
    )
    return reply({"entries": entries})


ROUTES: Final = (web.get("/api/users", users), web.get("/api/audit", audit))
