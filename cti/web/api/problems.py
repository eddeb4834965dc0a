"""Answers to requests that cannot be carried out: `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from typing import Any, Final, NamedTuple

from aiohttp import web
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from cti.web.errors import Refused
from ivr.errors import BadInput, Fault, RequestRefused

log = logging.getLogger(__name__)
CONTENT_TYPE: Final = "application/problem+json"
MOST_ERRORS: Final = 50  # told of in one answer
KEPT_HEADERS: Final = frozenset({"Allow", "Retry-After", "WWW-Authenticate"})


class Kind(NamedTuple):
    status: int
    title: str


PROBLEMS: Final[Mapping[str, Kind]] = {
    "bad-json": Kind(400, "The body is not JSON"),
    "bad-header": Kind(400, "A header cannot be used"),
    "not-signed-in": Kind(401, "No valid token was given"),
    "not-allowed": Kind(403, "The token may not do this"),
    "not-found": Kind(404, "There is no such thing"),
    "method-not-allowed": Kind(405, "This cannot be done here"),
    "not-acceptable": Kind(406, "There is no answer in a form that is accepted"),
    "conflict": Kind(409, "This contradicts what is known already"),
    "in-progress": Kind(409, "The same request is being carried out"),
    "too-large": Kind(413, "The body is too large"),
    "unsupported-media-type": Kind(415, "The body is not of a kind that is read here"),
    "bad-value": Kind(422, "Some values cannot be used"),
    "key-reused": Kind(422, "The idempotency key was used for another request"),
    "too-many-requests": Kind(429, "Too many requests"),
    "fault": Kind(500, "Something broke on our side"),
    "unavailable": Kind(503, "The database has no answer at the moment"),
}
_OF_STATUS: Final = {
    401: "not-signed-in", 403: "not-allowed", 404: "not-found", 405: "method-not-allowed",
    406: "not-acceptable", 413: "too-large", 415: "unsupported-media-type",
    429: "too-many-requests",
}  # fmt: skip


def problem(
    kind: str,
    detail: str = "",
    *,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
    reference: str = "",
) -> web.Response:
    """The answer. `errors` are `{"pointer": "/order/total", "detail": …}`, RFC 6901 pointers."""
    status, title = PROBLEMS[kind]
    body: dict[str, Any] = {
        "type": f"/api/v1/problems#{kind}", "title": title, "status": status,
    }  # fmt: skip
    if detail:
        body["detail"] = detail
    if errors:
        body["errors"] = [dict(error) for error in errors[:MOST_ERRORS]]
    if reference:
        body["reference"] = reference
    text = json.dumps(body, ensure_ascii=False)
    return web.Response(text=text, status=status, content_type=CONTENT_TYPE, headers=headers)


def bad_values(error: ValidationError, tags: Container[str] = ()) -> RequestRefused:
    """What pydantic found, each with where it stands. The values themselves are not repeated.

    `tags`: pydantic puts the chosen member of a union into the way; these are left out of it.
    """
    errors = _errors(error, tags)
    first = errors[0]
    where = f"{first['pointer']}: " if first["pointer"] else ""
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return RequestRefused("bad-value", f"{where}{first['detail']}{more}", errors=errors)


def _errors(error: ValidationError, tags: Container[str]) -> list[Mapping[str, str]]:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return [
        {
            "pointer": pointer([part for part in one["loc"] if part not in tags]),
            "detail": _said(one["type"], one["msg"]),
        }
        for one in found
    ]


def pointer(place: Sequence[int | str]) -> str:
    """A JSON pointer (RFC 6901)."""
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in place)
    return "".join(f"/{part}" for part in parts)


def _said(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "there is no such field"
    if kind == "missing":
        return "this field is missing"
    return message.removeprefix("Value error, ")


@web.middleware
async def answer_problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Whatever goes wrong becomes a problem."""
    try:
        return await handler(request)
    except Exception as error:
        return await as_problem(error, request)


async def as_problem(error: Exception, request: web.Request) -> web.StreamResponse:
    """The answer to an error; what broke is logged, and told by a reference only."""
    match error:
        case RequestRefused():
            return problem(error.kind, str(error), errors=error.errors, headers=error.headers)
        case Refused():
            kind = _OF_STATUS.get(error.status, "bad-header")
            return problem(kind, str(error), headers=error.headers)
        case BadInput():
            return problem("bad-value", str(error))
        case web.HTTPException():
            return _of_http(error)
        case SQLAlchemyError() | TimeoutError() | OSError() | Fault():
            log.error("%s %s: %s", request.method, request.path, type(error).__name__)
            return problem("unavailable", headers={"Retry-After": "5"})
    reference = uuid.uuid4().hex[:12]
    log.error("%s %s broke, %s", request.method, request.path, reference, exc_info=error)
    return problem("fault", reference=reference)


def _of_http(refused: web.HTTPException) -> web.StreamResponse:
    kind = _OF_STATUS.get(refused.status)
    if kind is None:
        if refused.status < 400:
            raise refused
        kind = "bad-header"
    kept = {name: value for name, value in refused.headers.items() if name in KEPT_HEADERS}
    return problem(kind, headers=kept)
