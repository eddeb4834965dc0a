"""Reports for people who look: tables, the calls behind a cell, and files to take along."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web
from sqlalchemy import select

from cti import demo_history, reports
from cti.db.models import call_facts, recordings
from cti.reports.period import UNITS, period
from cti.reports.query import FILTERS, Query
from cti.reports.table import Table
from cti.reports.wordlists import hidden
from cti.web.auth import principal, require
from cti.web.errors import Refused
from cti.web.json import reply
from cti.web.site import Site, site
from ivr.errors import BadInput

MOST: Final = 500  # calls in one list
NAME: Final = "{name:[a-z_]{1,32}}"
# The filters that the page has a field for, in this order.
FIELDS: Final = ("queue", "agent", "campaign", "flow", "version", "caller")
COLUMNS: Final = (
    "call", "began", "seconds", "direction", "line", "caller", "flow", "language", "ending",
    "reason", "queue", "agent", "waited", "talked", "no_inputs", "no_matches", "faults", "mark",
)  # fmt: skip


@require("reports")
async def listed(request: web.Request) -> web.StreamResponse:
    here = site(request)
    return reply(
        {
            "reports": [
                {
                    "name": one.name,
                    "title": one.title,
                    "timed": one.timed,
                    "filters": [name for name in FIELDS if name in one.filters],
                    "takes": one.filters,
                }
                for one in reports.REPORTS.values()
            ],
            "units": [unit for unit in UNITS if unit != "total"],
            "filters": FILTERS,
            "choices": await reports.known(here.database),
            "demo": await demo_history.is_there(here.database),
            "zone": here.settings.time_zone,
        }
    )


@require("reports")
async def table(request: web.Request) -> web.StreamResponse:
    """The table, and its totals in the period before, to compare with."""
    here, name = site(request), request.match_info["name"]
    query = asked(here, request.query)
    made = await _made(here, name, query)
    before = await _made(here, name, replace(query, period=query.period.before, unit="total"))
    return reply(
        made.to_dict(_language(request))
        | {
            "from": query.period.start.timestamp(), "to": query.period.end.timestamp(),
            "before": None if before.total is None else dict(before.total.values),
            "notes": [one.to_dict() for one in await reports.strangers(here.database, query)],
        }
    )  # fmt: skip


@require("reports")
async def calls(request: web.Request) -> web.StreamResponse:
    """The calls behind a cell: `where` is the row's and the column's `where` together, as JSON."""
    here, name = site(request), request.match_info["name"]
    query = asked(here, {k: v for k, v in request.query.items() if k != "where"})
    found = await reports.calls_behind(
        here.database, _known(name), query, _where(request.query.get("where", "{}")), MOST
    )
    await here.audit.note(principal(request).login, "report", name)
    return reply({"count": len(found), "most": MOST, "calls": await _calls(here, found)})


@require("reports")
async def file(request: web.Request) -> web.StreamResponse:
    here, name = site(request), request.match_info["name"]
    query = asked(here, request.query)
    made, language = await _made(here, name, query), _language(request)
    if request.match_info["kind"] == "csv":
        body, kind = ("\ufeff" + made.to_csv(language)).encode(), "text/csv"
    else:
        title = reports.find(name).title
        text = title.get(language) or title["en"]
        body = await asyncio.to_thread(made.to_xlsx, language, text, query.period.zone)
        kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    day = query.period.start.date().isoformat()
    return web.Response(
        body=body, content_type=kind,
        headers={
            "Content-Disposition":
                f'attachment; filename="{name}-{day}.{request.match_info["kind"]}"'
        },
    )  # fmt: skip


def asked(here: Site, given: Mapping[str, str]) -> Query:
    """The query of a request. Raises `BadInput` for one that cannot be."""
    unknown = set(given) - {"from", "to", "by", "language_of_titles", *FILTERS}
    if unknown:
        raise BadInput(f"{', '.join(sorted(unknown))}: nothing that a report can be asked for.")
    unit: Any = given.get("by", "day")
    if unit not in UNITS:
        raise BadInput(f"{unit!r} is no unit of time; there are {', '.join(UNITS)}.")
    when = period(
        given.get("from", "7d"), given.get("to", ""), here.settings.time_zone, datetime.now(UTC)
    )
    return Query(when, unit, **{name: given[name] for name in FILTERS if given.get(name)})


def _language(request: web.Request) -> str:
    return request.query.get("language_of_titles", "") or principal(request).language


def _known(name: str) -> str:
    if name not in reports.REPORTS:
        raise Refused(404, "not_found", "There is no such report.")
    return name


async def _made(here: Site, name: str, query: Query) -> Table:
    return await reports.make(here.database, _known(name), query)


def _where(text: str) -> dict[str, str]:
    try:
        where = json.loads(text)
    except ValueError:
        raise BadInput("`where` is to be JSON.") from None
    if not isinstance(where, dict) or not all(isinstance(one, str) for one in where.values()):
        raise BadInput("`where` is to be an object of texts.")
    return where


async def _calls(here: Site, ids: list[str]) -> list[dict[str, Any]]:
    """What is known of them, in the same order; one that is there twice is told once."""
    c = call_facts.c
    found: dict[str, dict[str, Any]] = {}
    async with here.database.connect() as connection:
        for start in range(0, len(ids), 200):
            some = ids[start : start + 200]
            rows = await connection.execute(
                select(*(c[n] for n in COLUMNS)).where(c.call.in_(some))
            )
            found |= {row.call: dict(row._mapping) for row in rows}
            r = recordings.c
            notes = select(r.call, r.transcript).where(r.call.in_(some), r.deleted_at.is_(None))
            for call, text in await connection.execute(notes):
                if call in found:
                    found[call]["note"] = hidden(text or "")
    return [found[call] for call in dict.fromkeys(ids) if call in found]


ROUTES: Final = (
    web.get("/api/reports", listed),
    web.get(f"/api/reports/{NAME}", table),
    web.get(f"/api/reports/{NAME}/calls", calls),
    web.get(f"/api/reports/{NAME}.{{kind:csv|xlsx}}", file),
)
