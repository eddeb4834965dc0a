"""What is refused, and how it is said: `{"error": {"code", "message"}}`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from cti.web.json import reply
from ivr.errors import (
    ActionNotSent,
    ActionRefused,
    BadInput,
    LineLost,
    ReplyOverdue,
    SantralError,
)

log = logging.getLogger(__name__)


class Refused(BadInput):
    """A request that is answered with an error."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, dict(headers or {})


# The first that fits.
ANSWERS: Final[tuple[tuple[type[Exception], int, str], ...]] = (
    (ActionNotSent, 503, "no_asterisk"),
    (ActionRefused, 502, "asterisk_refused"),
    (ReplyOverdue, 504, "outcome_unknown"),
    (LineLost, 504, "outcome_unknown"),
    (BadInput, 400, "bad_input"),
    (SantralError, 500, "fault"),
    (SQLAlchemyError, 503, "no_database"),
    (TimeoutError, 504, "too_slow"),
)


def answer(status: int, code: str, message: str) -> web.Response:
    return reply({"error": {"code": code, "message": message}}, status=status)


def answer_to(error: Exception) -> web.Response:
    """The answer to an error. What is ours to mend is logged with its trace, and not told."""
    if isinstance(error, Refused):
        response = answer(error.status, error.code, str(error))
        response.headers.update(error.headers)
        return response
    if isinstance(error, web.HTTPException):
        codes = {404: "not_found", 405: "not_found", 413: "too_long", 415: "not_json"}
        code = codes.get(error.status, "bad_input" if error.status < 500 else "fault")
        response = answer(error.status, code, error.reason or code)
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    for kind, status, code in ANSWERS:
        if isinstance(error, kind):
            if isinstance(error, SantralError):
                return answer(status, code, str(error))
            log.error("%s: %s", type(error).__name__, error)
            return answer(status, code, "The database or a service did not answer.")
    log.exception("a request failed", exc_info=error)
    return answer(500, "fault", "Something broke on our side; it is in the log.")
