"""The application that is served below `/api/v1`: its list of resources, and its document."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from aiohttp import hdrs, web

from cti.web.api import (
    calls,
    campaigns,
    customers,
    deliveries,
    do_not_call,
    imports,
    jobs,
    orders,
    product_orders,
    webhooks,
)
from cti.web.api.openapi import document
from cti.web.api.operation import JSON, Operation
from cti.web.api.problems import PROBLEMS, answer_problems
from cti.web.api.services import API, Api
from cti.web.auth import SCOPE, Handler

OPERATIONS: Final[Sequence[Operation]] = (
    *orders.OPERATIONS,
    *product_orders.OPERATIONS,
    *imports.OPERATIONS,
    *customers.OPERATIONS,
    *jobs.OPERATIONS,
    *campaigns.OPERATIONS,
    *do_not_call.OPERATIONS,
    *calls.OPERATIONS,
    *deliveries.OPERATIONS,
    *webhooks.OPERATIONS,
)
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


def build_api(api: Api) -> web.Application:
    """The application, to be mounted at `/api/v1`."""
    app = web.Application(middlewares=(answer_problems,))
    app[API] = api
    for operation in OPERATIONS:
        # Not GET's own HEAD: what is not in the document is not there.
        app.router.add_route(operation.method, operation.path, _handler(operation, api))
    text = json.dumps(document(OPERATIONS), ensure_ascii=False)
    app.router.add_route(hdrs.METH_GET, "/openapi.json", _fixed(text))
    app.router.add_route(hdrs.METH_GET, "/problems", _fixed(json.dumps(_problems())))
    return app


def _handler(operation: Operation, api: Api) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await operation.answer(api, request)

    setattr(handle, SCOPE, operation.scope)
    handle.__name__ = operation.name
    return handle


def _fixed(text: str) -> Handler:
    """An answer that is the same for everybody."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(text=text, content_type=JSON)

    setattr(handle, SCOPE, "")
    return handle


def _problems() -> dict[str, Any]:
    return {kind: {"status": status, "title": title} for kind, (status, title) in PROBLEMS.items()}
