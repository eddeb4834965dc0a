"""Lists in pages: `after` is where the page before ended, in a form that only we read."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import Field

from cti.web.api.kinds import Model
from ivr.errors import RequestRefused

T = TypeVar("T")
Limit = Annotated[int, Field(ge=1, le=200, description="how many at most")]
After = Annotated[
    str,
    Field(
        max_length=500, pattern=r"^[A-Za-z0-9_-]*$", description="`next` of the page before this"
    ),
]


class Paged(Model):
    """What every list takes."""

    limit: Limit = 50
    after: After = ""


class Page(Model, Generic[T]):
    """`next` goes into `after`; it is null on the last page."""

    items: tuple[T, ...]
    next: str | None


def cursor(*values: Any) -> str:
    """Where a page ended, as text for an address."""
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def place(after: str, *kinds: type) -> tuple[Any, ...] | None:
    """What `cursor` was given; None for the first page. `RequestRefused` for anything else."""
    if not after:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)))
        fits = isinstance(found, list) and len(found) == len(kinds)
        if fits and all(type(one) is kind for one, kind in zip(found, kinds, strict=True)):
            return tuple(found)
    except (binascii.Error, ValueError, RecursionError):
        pass
    raise _no_place()


def moment(text: str) -> datetime:
    """A time that stands in a cursor."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise _no_place() from None
    if found.tzinfo is None:
        raise _no_place()
    return found


def _no_place() -> RequestRefused:
    return RequestRefused(
        "bad-value",
        "after: give it the `next` of the page before, as it is",
        errors=[{"pointer": "/after", "detail": "this is no place in a list"}],
    )


def page(found: list[T], limit: int, end: Any) -> Page[T]:
    """A page of what was asked for with one more than `limit`; `end(last)` gives its cursor."""
    shown = tuple(found[:limit])
    more = len(found) > limit
    return Page(items=shown, next=cursor(*end(shown[-1])) if more else None)
