"""The web application: its list of areas, and what every request goes through.

An area is a module with `ROUTES`; each of its handlers says who may use it (`require`,
`signed_in` or `open_to_all` of `cti/web/auth.py`), or the app does not start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from cti.web import (
    customers,
    desk,
    events,
    flows,
    health,
    insight,
    phones,
    recordings,
    reports,
    serving,
    session,
    supervising,
    users,
)
from cti.web.api.app import build_api
from cti.web.api.problems import as_problem
from cti.web.auth import SCOPE, Handler
from cti.web.errors import Refused, answer_to
from cti.web.json import LARGEST
from cti.web.security import protect
from cti.web.session import SAFE, authenticate, refuse
from cti.web.site import SITE, Site
from ivr.errors import BadInput

# Every area, in the order of docs/desk-api.md.
AREAS: Final[Sequence[Sequence[web.AbstractRouteDef]]] = (
    health.ROUTES,
    session.ROUTES,
    events.ROUTES,
    desk.ROUTES,
    phones.ROUTES,
    customers.ROUTES,
    supervising.ROUTES,
    flows.ROUTES,
    recordings.ROUTES,
    reports.ROUTES,
    insight.ROUTES,
    users.ROUTES,
    serving.ROUTES,
)


API_PATH: Final = "/api/v1"


def build_app(site: Site) -> web.Application:
    """The app, ready to be served. Raises ValueError for a route that does not say whom it is
    for."""
    app = web.Application(middlewares=(tell_errors, authenticate), client_max_size=LARGEST)
    app[SITE] = site
    for routes in AREAS:
        app.add_routes(routes)
    if site.api is not None:
        app.add_subapp(API_PATH, build_api(site.api))
    for route in app.router.routes():
        if not hasattr(route.handler, SCOPE):
            raise ValueError(f"{route.method} {route.resource}: whom is it for?")
    app.on_response_prepare.append(protect)
    return app


@web.middleware
async def tell_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors as JSON; what was refused, and what was wrong in something that would have changed
    something, is in the log."""
    try:
        return await handler(request)
    except Exception as error:
        if request.path.startswith(f"{API_PATH}/"):
            return await as_problem(error, request)
        if isinstance(error, Refused):
            if error.status in (400, 403):
                await refuse(request, error.code)
        elif isinstance(error, BadInput) and request.method not in SAFE:
            await refuse(request, str(error)[:100])
        return answer_to(error)
