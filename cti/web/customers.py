"""Customers: found, shown with all we know, and noted upon."""

from __future__ import annotations

from typing import Final

from aiohttp import web
from pydantic import Field

from cti.phone import e164, e164_or_same
from cti.web.auth import principal, require
from cti.web.json import Body, body, reply
from cti.web.site import site


@require("desk")
async def search(request: web.Request) -> web.StreamResponse:
    here = site(request)
    return reply({"customers": await here.records.search(request.query.get("q", ""))})


@require("desk")
async def card(request: web.Request) -> web.StreamResponse:
    here = site(request)
    phone = e164_or_same(request.match_info["phone"], here.settings.country)
    return reply(await here.records.card(phone))


class Text(Body):
    text: str = Field(min_length=1, max_length=4000)


@require("desk")
async def note(request: web.Request) -> web.StreamResponse:
    here, who = site(request), principal(request)
    phone = e164(request.match_info["phone"], here.settings.country)
    given = await body(request, Text)
    user = here.roster.user(who.login)
    agent = user.desk.agent if user and user.desk else None
    number = await here.notes.note(agent, phone, given.text.strip())
    here.floor.forget_card(phone)
    await here.audit.note(who.login, "customer note", str(number))
    return reply({"id": number}, status=201)


PHONE: Final = r"{phone:\+?[0-9]{2,20}}"
ROUTES: Final = (
    web.get("/api/customers", search),
    web.get(f"/api/customers/{PHONE}", card),
    web.post(f"/api/customers/{PHONE}/notes", note),
)
