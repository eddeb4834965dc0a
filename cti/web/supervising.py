"""The floor: everybody's calls and states, listening, and stepping in."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Literal

from aiohttp import web
from pydantic import Field

from cti.agents import Agents, Presence
from cti.ami.actions import Listening
from cti.web.auth import principal, require
from cti.web.desk import Reason, own
from cti.web.errors import Refused
from cti.web.json import Body, body, reply
from cti.web.site import site

WAYS: Final = {
    "listen": Listening.LISTEN,
    "whisper": Listening.WHISPER,
    "barge": Listening.BARGE,
}
LOGIN: Final = "{login:[a-z0-9][a-z0-9_-]{1,31}}"


@require("wallboard")
async def wallboard(request: web.Request) -> web.StreamResponse:
    here = site(request)
    return reply(
        {"at": time.time(), "live": here.floor.live.connected, "numbers": here.figures.numbers()}
    )


class Listen(Body):
    call: str = Field(max_length=100)
    agent: str = Field(max_length=80)
    how: Literal["listen", "whisper", "barge"]


@require("floor")
async def listen(request: web.Request) -> web.StreamResponse:
    """Rings the supervisor's own phone, and puts it on the agent's talk."""
    here, person = site(request), own(request)
    given = await body(request, Listen)
    if given.agent == person.interface:
        raise Refused(409, "conflict", "One cannot listen to oneself.")
    id = await here.tele.desk.listen(person.interface, given.call, given.agent, WAYS[given.how])
    await here.audit.note(
        principal(request).login, given.how, given.call, agent=given.agent, leg=id
    )
    return reply({"id": id}, status=202)


@require("floor")
async def end_listening(request: web.Request) -> web.StreamResponse:
    here = site(request)
    await here.tele.desk.end_listening(request.match_info["id"])
    return reply({}, status=202)


async def _step_in(
    request: web.Request, what: str, do: Callable[[Agents, str], Presence]
) -> web.StreamResponse:
    here, login = site(request), request.match_info["login"]
    agents = here.tele.agents
    if here.roster.person(login) is None:
        raise Refused(404, "not_found", "There is no such agent.")
    now = do(agents, login)
    await here.audit.note(principal(request).login, what, login)
    return reply(now)


@require("floor")
async def pause(request: web.Request) -> web.StreamResponse:
    given = await body(request, Reason)
    return await _step_in(
        request, "force-pause", lambda agents, login: agents.pause(login, given.reason)
    )


@require("floor")
async def ready(request: web.Request) -> web.StreamResponse:
    return await _step_in(request, "force-ready", lambda agents, login: agents.ready(login))


@require("floor")
async def sign_out(request: web.Request) -> web.StreamResponse:
    return await _step_in(request, "force-sign-out", lambda agents, login: agents.sign_out(login))


class OfCall(Body):
    call: str = Field(max_length=100)


@require("floor")
async def hang_up(request: web.Request) -> web.StreamResponse:
    here, login = site(request), request.match_info["login"]
    given = await body(request, OfCall)
    person = here.roster.person(login)
    if person is None:
        raise Refused(404, "not_found", "There is no such agent.")
    await here.tele.desk.hang_up(person.interface, given.call)
    await here.audit.note(principal(request).login, "force-hang-up", given.call, agent=login)
    return reply({}, status=202)


ROUTES: Final = (
    web.get("/api/wallboard", wallboard),
    web.post("/api/listen", listen),
    web.delete("/api/listen/{id:[0-9a-f-]{36}}", end_listening),
    web.post(f"/api/agents/{LOGIN}/pause", pause),
    web.post(f"/api/agents/{LOGIN}/ready", ready),
    web.post(f"/api/agents/{LOGIN}/sign-out", sign_out),
    web.post(f"/api/agents/{LOGIN}/hang-up", hang_up),
)
