"""Signing in and out, and who one is."""

from __future__ import annotations

import hmac
import ipaddress
import logging
import math
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from pydantic import Field

from cti.accounts import Locked, Session, WrongPassword
from cti.accounts.passwords import TooBusy
from cti.web.auth import (
    PRINCIPAL,
    ROLES,
    Handler,
    Principal,
    open_to_all,
    principal,
    signed_in,
)
from cti.web.errors import Refused
from cti.web.json import Body, body, done, reply
from cti.web.site import Site, site

log = logging.getLogger(__name__)
COOKIE: Final = "santral_session"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF: Final = "X-CSRF-Token"


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find out who asks, and refuse what another site has a browser send."""
    here = site(request)
    header = request.headers.get(hdrs.AUTHORIZATION, "")
    if header.startswith("Bearer "):
        session = await here.accounts.bearer(header.removeprefix("Bearer ").strip())
        if session is None:
            raise Refused(401, "not_signed_in", "This token is not good (any more).")
        request[PRINCIPAL] = as_principal(session)
        return await handler(request)
    cookie = request.cookies.get(COOKIE, "")
    session = await here.accounts.session(cookie) if cookie else None
    if session is not None:
        request[PRINCIPAL] = as_principal(session)
    if request.method not in SAFE or request.headers.get(hdrs.UPGRADE):
        same_origin(request)
    if session is not None:
        needed = request.method not in SAFE and not _is_sign_in(request)
        given = request.headers.get(CSRF, "").encode(errors="replace")
        if needed and not hmac.compare_digest(given, session.csrf.encode()):
            raise Refused(403, "csrf", f"The header {CSRF} is missing, or of another session.")
    return await handler(request)


def as_principal(session: Session) -> Principal:
    """A token has its own scopes, but never more than its owner's role."""
    user = session.user
    role = ROLES.get(user.role, frozenset())
    scopes = role if session.kind == "session" else role & frozenset(session.scopes)
    return Principal(
        user.id, user.login, user.name, user.role, user.language, scopes, session.kind,
        session.hash, session.csrf, session.ends,
    )  # fmt: skip


def same_origin(request: web.Request) -> None:
    """Raises `Refused` (403) for a request that a page of another site made a browser send."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and urlsplit(origin).netloc.lower() != request.host.lower():
        raise Refused(403, "csrf", "This request comes from another site.")
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Refused(403, "csrf", "This request comes from another site.")


def address(request: web.Request) -> str:
    """Where the request comes from; a proxy's word counts only when the proxy is ours."""
    peer = request.remote or ""
    if trusted_proxy(site(request), peer):
        forwarded = request.headers.get("X-Forwarded-For", "").split(",")
        return forwarded[-1].strip()[:64] or peer
    return peer


def secure(request: web.Request) -> bool:
    if trusted_proxy(site(request), request.remote or ""):
        return request.headers.get("X-Forwarded-Proto", request.scheme) == "https"
    return request.scheme == "https"


def trusted_proxy(here: Site, peer: str) -> bool:
    try:
        found = ipaddress.ip_address(peer)
    except ValueError:
        return False
    return any(found in ipaddress.ip_network(one) for one in here.settings.web_proxies.split())


async def refuse(request: web.Request, why: str) -> None:
    """Note in the log and the audit log that something was tried that is not allowed."""
    who = request.get(PRINCIPAL)
    login = who.login if isinstance(who, Principal) else ""
    await deny(site(request), login, f"{request.method} {request.path}", why, address(request))


async def deny(here: Site, login: str, what: str, why: str, where: str) -> None:
    log.warning("refused (%s): %s by %r from %s", why, what[:200], login, where)
    await here.audit.note(login, "refused", what[:200], where, why=why)


# --- handlers


class SignIn(Body):
    login: str = Field(max_length=200)
    password: str = Field(max_length=1000)


@open_to_all
async def sign_in(request: web.Request) -> web.StreamResponse:
    here, given = site(request), await body(request, SignIn)
    try:
        session = await here.accounts.sign_in(given.login, given.password, address(request))
    except WrongPassword:
        raise Refused(401, "wrong_password", "The name or the password is wrong.") from None
    except Locked as error:
        seconds = max(1, math.ceil(error.seconds))
        raise Refused(
            429, "locked", f"Too many wrong passwords; try again in {seconds} s.",
            {"Retry-After": str(seconds)},
        ) from None  # fmt: skip
    except TooBusy as error:
        raise Refused(429, "locked", str(error), {"Retry-After": "3"}) from None
    response = reply(me_of(here, as_principal(session)))
    response.set_cookie(
        COOKIE, session.secret, httponly=True, samesite="Strict", secure=secure(request), path="/",
        max_age=round(session.ends - here.accounts.now()),
    )  # fmt: skip
    return response


@signed_in
async def sign_out(request: web.Request) -> web.StreamResponse:
    here, who = site(request), principal(request)
    await here.accounts.sign_out(who.id)
    last = not here.accounts.has_session(who.login)
    if last and here.telephony and here.roster.person(who.login) is not None:
        here.telephony.agents.sign_out(who.login)
    await here.audit.note(who.login, "sign-out", address=address(request))
    response = done()
    response.del_cookie(COOKIE, path="/")
    return response


@signed_in
async def me(request: web.Request) -> web.StreamResponse:
    return reply(me_of(site(request), principal(request)))


class NewPassword(Body):
    old: str = Field(max_length=1000)
    new: str = Field(max_length=1000)


@signed_in
async def change_password(request: web.Request) -> web.StreamResponse:
    here = site(request)
    given = await body(request, NewPassword)
    session = await here.accounts.session(request.cookies.get(COOKIE, ""))
    if session is None:
        raise Refused(403, "not_allowed", "Only a session can change its user's password.")
    try:
        await here.accounts.change_password(session, given.old, given.new, address(request))
    except WrongPassword:
        raise Refused(401, "wrong_password", "The old password is wrong.") from None
    except Locked:
        raise Refused(429, "locked", "Too many wrong passwords; try again later.") from None
    return done()


class Language(Body):
    language: str = Field(pattern="^(tr|en)$")


@signed_in
async def change_language(request: web.Request) -> web.StreamResponse:
    here, who = site(request), principal(request)
    given = await body(request, Language)
    await here.accounts.people.change(who.login, language=given.language)
    here.accounts.forget(who.id)
    return done()


def me_of(here: Site, who: Principal) -> dict[str, Any]:
    """`Me` of docs/desk-api.md."""
    user = here.roster.user(who.login)
    desk = user.desk if user and user.active and who.may("desk") else None
    agent = desk and {
        "login": who.login,
        "interface": f"PJSIP/{desk.extension}",
        "extension": desk.extension,
        "phone": desk.phone,
        "queues": [name for name in here.roster.queues.queues if name in desk.seats],
    }
    return {
        "login": who.login, "name": who.name, "role": who.role, "language": who.language,
        "scopes": sorted(who.scopes), "csrf": who.csrf, "agent": agent, "ends": who.ends,
    }  # fmt: skip


def _is_sign_in(request: web.Request) -> bool:
    return request.method == "POST" and request.path == "/api/session"


ROUTES: Final = (
    web.post("/api/session", sign_in),
    web.delete("/api/session", sign_out),
    web.get("/api/me", me),
    web.post("/api/me/password", change_password),
    web.post("/api/me/language", change_language),
)
