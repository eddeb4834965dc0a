"""Flows as people look at them: the graph with its callers, versions, findings, transcripts."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from cti.db.store.flows import FlowVersion
from cti.transcript import transcript as told
from cti.web.auth import principal, require
from cti.web.desk import CALL
from cti.web.errors import Refused
from cti.web.json import reply
from cti.web.site import Site, site
from cti.web.watching import counted, findings_of, flow_of
from ivr.flow.graph import graph_of
from ivr.flow.model import Flow

NAME: Final = "{name:[A-Za-z0-9_-]{1,64}}"


@require("flows")
async def flows(request: web.Request) -> web.StreamResponse:
    here = site(request)
    names = sorted(here.scenarios.on_line)
    return reply(
        {
            "flows": [flow_of(here.scenarios, name, here.floor.live) for name in names],
            "findings": findings_of(here.scenarios, here.roster),
        }
    )


@require("flows")
async def graph(request: web.Request) -> web.StreamResponse:
    here = site(request)
    flow = await _flow(here, request)
    language = request.query.get("language", "")
    if language not in flow.languages:
        language = flow.languages[0]
    drawn = graph_of(flow, language, whole=True)
    return reply(
        {
            "flow": flow.name, "version": flow.version, "about": flow.about,
            "language": language, "languages": list(flow.languages), "start": flow.start,
            "nodes": drawn.nodes, "edges": drawn.edges, "everywhere": drawn.everywhere,
            "standing": counted(here.floor.live).get(flow.name, {}),
        }
    )  # fmt: skip


async def _flow(here: Site, request: web.Request) -> Flow:
    """The flow that is asked for, as it is on the line or as it was."""
    name, version = request.match_info["name"], request.query.get("version", "")
    try:
        return here.scenarios.library.get(name, version)
    except KeyError:
        pass
    found = await here.scenarios.versions.find(name, version) if version else None
    if found is None:
        raise Refused(404, "not_found", "There is no such flow or version.")
    return found


@require("flows")
async def callers(request: web.Request) -> web.StreamResponse:
    here, name = site(request), request.match_info["name"]
    step = request.query.get("step", "")
    return reply(
        {
            "calls": [
                call
                for call in here.floor.live.calls.values()
                if call.in_flow and call.flow == name and step in ("", call.step)
            ]
        }
    )


@require("flows")
async def versions(request: web.Request) -> web.StreamResponse:
    here, name = site(request), request.match_info["name"]
    kept = await here.versions.versions(name)
    if not kept and name not in here.scenarios.on_line:
        raise Refused(404, "not_found", "There is no such flow.")
    return reply({"versions": [_version(here, one) for one in kept]})


@require("flows")
async def version(request: web.Request) -> web.StreamResponse:
    here = site(request)
    found = await here.versions.get(request.match_info["name"], request.match_info["version"])
    if found is None:
        raise Refused(404, "not_found", "There is no such version.")
    return reply(_version(here, found) | {"source": found.source})


def _version(here: Site, one: FlowVersion) -> dict[str, Any]:
    on = here.scenarios.on_line.get(one.name)
    return {
        "version": one.version, "first_seen_at": one.first_seen_at.timestamp(),
        "last_seen_at": one.last_seen_at.timestamp(), "author": one.author,
        "on_line": on is not None and on.version == one.version,
    }  # fmt: skip


@require("transcripts")
async def transcript(request: web.Request) -> web.StreamResponse:
    """What was said in a call, also while it goes on; no secrets. Who looked is noted."""
    here, call = site(request), request.match_info["call"]
    entries = await here.journal.history(call)
    if not entries:
        raise Refused(404, "not_found", "There is no such call.")
    await here.audit.note(principal(request).login, "transcript", call)
    return reply(told(entries).to_dict())


ROUTES: Final = (
    web.get("/api/flows", flows),
    web.get(f"/api/flows/{NAME}/graph", graph),
    web.get(f"/api/flows/{NAME}/callers", callers),
    web.get(f"/api/flows/{NAME}/versions", versions),
    web.get(f"/api/flows/{NAME}/versions/{{version:[A-Za-z0-9:_-]{{1,100}}}}", version),
    web.get(f"/api/calls/{CALL}/transcript", transcript),
)
