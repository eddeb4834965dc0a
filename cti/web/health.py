"""For health checks, load balancers and Prometheus: is the engine alive, ready, and how does it do?

`/healthz` and `/readyz` are open to all; the reasons and `/metrics` are for this machine and for
the networks in SANTRAL_METRICS_FROM, never for what a proxy passes on.
"""

from __future__ import annotations

import ipaddress
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from cti.health.vitals import Vitals
from cti.web.auth import open_to_all
from cti.web.errors import Refused
from cti.web.json import reply
from cti.web.site import site

PASSED_ON: Final = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")


@open_to_all
async def healthz(request: web.Request) -> web.StreamResponse:
    """200 as long as the event loop turns."""
    del request
    return reply({"ok": True})


@open_to_all
async def readyz(request: web.Request) -> web.StreamResponse:
    """200 when calls can be served here, else 503; why, for those who may know."""
    ready, told = _vitals(request).readiness()
    body = told if _may_know(request) else {"ready": ready}
    return reply(body, status=200 if ready else 503)


@open_to_all
async def metrics(request: web.Request) -> web.StreamResponse:
    """Prometheus's text format."""
    if not _may_know(request):
        raise Refused(403, "not_allowed", "Metrics are for SANTRAL_METRICS_FROM only.")
    page = _vitals(request).metrics()
    return web.Response(body=page, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _vitals(request: web.Request) -> Vitals:
    vitals = site(request).vitals
    if vitals is None:
        raise Refused(503, "starting", "This engine is starting.")
    return vitals


def _may_know(request: web.Request) -> bool:
    if any(name in request.headers for name in PASSED_ON):
        return False
    try:
        address = ipaddress.ip_address(request.remote or "")
    except ValueError:
        return False
    known = site(request).settings.metrics_networks
    return address.is_loopback or any(address in network for network in known)


ROUTES: Final = (
    web.get("/healthz", healthz),
    web.get("/readyz", readyz),
    web.get("/metrics", metrics),
)
