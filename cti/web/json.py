"""JSON in and out: dataclasses, enums, times and amounts as the pages want them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import PurePath
from typing import Any, Final, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from ivr.errors import BadInput

LARGEST: Final = 64 * 1024
B = TypeVar("B", bound="Body")


class Body(BaseModel):
    """The body of a request; what is not known in it is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_max_length=8_000)


def _other(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {
            part.name: getattr(value, part.name)
            for part in fields(value)
            if not part.name.startswith("_")
        }
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Set):
        return sorted(value)
    if isinstance(value, Decimal | PurePath):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be told as JSON")


_encoder = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), default=_other, allow_nan=False
)


def dumps(value: Any) -> str:
    """One line of JSON."""
    return _encoder.encode(value)


def reply(value: Any, *, status: int = 200) -> web.Response:
    return web.Response(
        body=dumps(value).encode(), status=status, content_type="application/json", charset="utf-8"
    )


def done() -> web.Response:
    """204: nothing to say."""
    return web.Response(status=204)


async def body(request: web.Request, kind: type[B]) -> B:
    """The body as that model; `BadInput` says what is wrong with it, never what was in it."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(reason="application/json is expected here")
    raw = await request.read()
    try:
        return kind.model_validate(json.loads(raw))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        raise BadInput(f"{where}: {first['msg']}") from None
    except ValueError:
        raise BadInput("This is not JSON.") from None
