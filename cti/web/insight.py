"""What callers say, searched, and the staffing plan, for the reports page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from cti.reports import themes
from cti.reports.plan import What, plan
from cti.web.auth import principal, require
from cti.web.json import reply
from cti.web.reports import asked
from cti.web.site import site
from ivr.errors import BadInput

NUMBERS: Final = ("level", "within", "handling", "patience", "shrinkage", "volume")


@require("transcripts")
async def said(request: web.Request) -> web.StreamResponse:
    """The texts that hold `words`, of a `theme` and a `tone`; with `rated`, the comments left in
    surveys, with their marks. Each `recording` is at `/api/recordings/ID`. Who looks is noted."""
    here = site(request)
    own, rest = _split(request.query, ("words", "theme", "tone", "rated"))
    query = asked(here, rest)
    judge = themes.the_judge()
    async with here.database.connect() as connection:
        texts = await themes.said(connection, query, judge, rated=bool(own.get("rated")))
        found = themes.search(
            texts, own.get("words", "")[:200], own.get("theme", ""), own.get("tone", "")
        )
        marks = await themes.answers(connection, (one.call for one in found))
    await here.audit.note(principal(request).login, "report", themes.NAME)
    return reply(
        {
            "count": len(found), "of": len(texts), "most": themes.MOST,
            "texts": [
                themes.as_dict(one) | {"answers": marks.get(one.call, [])} for one in found
            ],
            "themes": {
                name: {"tr": judge.title(name, "tr"), "en": judge.title(name, "en")}
                for name in judge.lists.themes
            },
        }
    )  # fmt: skip


@require("reports")
async def staffing(request: web.Request) -> web.StreamResponse:
    """The coming week by half hours, and what the forecast stands on."""
    here = site(request)
    own, rest = _split(request.query, (*NUMBERS, "country"))
    query = asked(here, {"from": "90d", **rest})
    try:
        numbers = {name: float(own[name]) for name in NUMBERS if own.get(name)}
    except ValueError:
        raise BadInput("What is asked for has to be numbers.") from None
    what = What(**numbers, country=own.get("country") or "TR")
    async with here.database.connect() as connection:
        made = await plan(connection, query, what)
    language = request.query.get("language_of_titles", "") or principal(request).language
    return reply(made.table.to_dict(language) | {"about": dict(made.about)})


def _split(given: Mapping[str, str], own: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, str]]:
    mine = {name: given[name] for name in own if name in given}
    return mine, {name: value for name, value in given.items() if name not in own}


ROUTES: Final = (web.get("/api/said", said), web.get("/api/staffing", staffing))
