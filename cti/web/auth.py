"""Who asks, and whether they may: every route needs one scope, or says that it is open to all.

A page has a session (a signed cookie) and sends `X-CSRF-Token` with whatever changes something; a
program has a token (`Authorization: Bearer …`) and needs no cookie and no CSRF token.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from cti.web.errors import Refused

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# What a scope lets one do, as `santral user token --help` tells it.
SCOPES: Final[Mapping[str, str]] = {
    "desk": "the agent's desk: own state, own calls, customers, notes",
    "wallboard": "the numbers of the queues",
    "floor": "everybody's calls and states; listen and step in",
    "flows": "flows, their versions and findings, and the callers in them",
    "transcripts": "what was said in a call",
    "reports": "reports",
    "accounts": "users, tokens and the audit log",
    "orders:read": "the shop's API: what became of orders",
    "orders:write": "the shop's API: place and withdraw orders",
    "calls:read": "the shop's API: calls and their outcome",
    "calls:write": "the shop's API: place and end calls",
    "contacts:read": "the shop's API: the do-not-call lists",
    "contacts:write": "the shop's API: contacts, do-not-call, erasure",
    "campaigns:read": "the shop's API: campaigns and how they go",
    "campaigns:write": "the shop's API: pause campaigns, and let them go on",
    "webhooks:read": "the shop's API: messages to webhooks, and what became of them",
    "webhooks:write": "the shop's API: send messages to webhooks again",
}
SHOP: Final = frozenset(scope for scope in SCOPES if ":" in scope)
# What the outbound page works with: orders and their calls, campaigns, lists, webhooks.
OUTBOUND: Final = frozenset(
    scope for scope in SHOP if scope.partition(":")[0] != "calls" or scope == "calls:read"
)
ROLES: Final[Mapping[str, frozenset[str]]] = {
    "agent": frozenset({"desk", "wallboard"}),
    "supervisor": frozenset({"desk", "wallboard", "floor", "flows", "transcripts", "reports"})
    | OUTBOUND,
    "editor": frozenset({"wallboard", "flows", "transcripts"}),
    "admin": frozenset(SCOPES),
}
PRINCIPAL: Final = web.RequestKey("principal", object)
SCOPE: Final = "santral_scope"
OPEN: Final = ""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `kind` is `session` or `token`; `ends` is when it ends by itself (0: never).

    `id` names the session or token without being of use to anybody (a hash).
    """

    user: int
    login: str
    name: str
    role: str
    language: str
    scopes: frozenset[str]
    kind: str
    id: str
    csrf: str = ""
    ends: float = 0.0

    def may(self, scope: str) -> bool:
        return scope in self.scopes


def principal(request: web.Request) -> Principal:
    """Who asks; raises `Refused` (401) when nobody has signed in."""
    found = request.get(PRINCIPAL)
    if not isinstance(found, Principal):
        raise Refused(401, "not_signed_in", "Sign in first.")
    return found


def require(scope: str) -> Callable[[Handler], Handler]:
    """The handler is for those who have this scope; others get 401 or 403, and it is logged."""
    if scope not in SCOPES:
        raise ValueError(f"there is no scope {scope!r}")

    def decorate(handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            who = principal(request)
            if not who.may(scope):
                raise Refused(403, "not_allowed", f"{who.role} may not do this ({scope}).")
            return await handler(request)

        guarded.__name__ = getattr(handler, "__name__", "handler")
        guarded.__doc__ = handler.__doc__
        setattr(guarded, SCOPE, scope)
        return guarded

    return decorate


def signed_in(handler: Handler) -> Handler:
    """For everybody who is signed in, whatever their role."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        principal(request)
        return await handler(request)

    guarded.__name__ = getattr(handler, "__name__", "handler")
    setattr(guarded, SCOPE, "signed in")
    return guarded


def open_to_all(handler: Handler) -> Handler:
    """Nothing is asked: the sign-in itself, the pages' files."""
    setattr(handler, SCOPE, OPEN)
    return handler
