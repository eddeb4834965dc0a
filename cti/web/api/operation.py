"""What one operation of the API is. Its route, its place in the OpenAPI document and what is read
and checked of a request all come from the same declaration, so that none can lie about another."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Final, Generic, TypeVar

from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError

from cti.web.api.idempotency import Answered, fingerprint
from cti.web.api.kinds import Model
from cti.web.api.problems import bad_values
from cti.web.api.services import Api, allowed
from cti.web.auth import Principal
from ivr.errors import RequestRefused

Body = TypeVar("Body")
Query = TypeVar("Query")
JSON: Final = "application/json"
KEY_HEADER: Final = "Idempotency-Key"
MOST_BYTES: Final = 1_000_000  # of a body, unless the operation says otherwise
KEY_PATTERN: Final = r"^[!-~]{1,255}$"


class NoQuery(Model):
    """Nothing may be asked after the `?`."""


@dataclass(frozen=True, slots=True)
class Request(Generic[Body, Query]):
    """A request that was checked: its handler gets this, and decides nothing about HTTP."""

    api: Api
    who: Principal | None
    path: Mapping[str, Any]
    query: Query
    body: Body
    raw: web.Request


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler gives back. `next`: the cursor of the page after this one."""

    value: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    """`answers` are the good ones, by status; problems are added from what the operation takes.

    `scope` is what the token has to allow; "" for what everybody may read. `media`: the kind of the
    body. `raw_body`: the handler gets the bytes, up to `most_bytes`; `body` is then their schema.
    `key_of` names what a body is about: the same name with another body is refused.
    """

    method: str
    path: str
    name: str
    summary: str
    handler: Callable[[Any], Awaitable[Answer]]
    scope: str
    answers: Mapping[int, Any]
    body: Any = None
    query: type[BaseModel] = NoQuery
    places: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    about: str = ""
    tag: str = ""
    media: str = JSON
    raw_body: bool = False
    most_bytes: int = MOST_BYTES
    tags: frozenset[str] = frozenset()
    example: Any = None
    words: Mapping[int, str] = field(default_factory=dict)
    key_of: Callable[[Any], str] | None = None

    @property
    def takes_key(self) -> bool:
        """Whether it takes an `Idempotency-Key`: the other methods are idempotent by nature."""
        return self.method == "POST"

    @property
    def problem_kinds(self) -> list[str]:
        """Every problem that may be the answer."""
        kinds = ["unavailable", "bad-value"]
        if self.scope:
            kinds += ["not-signed-in", "not-allowed"]
        if self.places:
            kinds.append("not-found")
        if self.body is not None:
            kinds += ["bad-json", "too-large", "unsupported-media-type"]
        if self.takes_key:
            kinds += ["bad-header", "key-reused", "in-progress"]
        return list(dict.fromkeys((*kinds, *self.problems)))

    @cached_property
    def reader(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.body)

    @cached_property
    def place_readers(self) -> Mapping[str, TypeAdapter[Any]]:
        return {name: TypeAdapter(kind) for name, kind in self.places.items()}

    async def answer(self, api: Api, raw: web.Request) -> web.Response:
        """Answer a request; `RequestRefused` when it cannot be."""
        who = allowed(raw, self.scope)
        path = self._place(raw)
        query = _query(self.query, raw)
        sent, body = b"", None
        if self.body is not None:
            sent = await read_body(raw, self.most_bytes, self.media)
            body = sent if self.raw_body else self._value(sent, api.region)
        elif raw.body_exists and (await read_body(raw, MOST_BYTES)).strip() not in (b"", b"{}"):
            raise RequestRefused("bad-value", "nothing may be sent in the body")
        request = Request(api, who, path, query, body, raw)

        async def work() -> Answered:
            return await self._work(request)

        owner = who.id if who else ""
        if self.key_of is not None:
            mark = fingerprint(self.name, "", self.reader.dump_json(body))
            work = partial(api.once.run, owner, f"{self.name}:{self.key_of(body)}", mark, work)
        if self.takes_key and (key := _key(raw)):
            mark = fingerprint(self.method, raw.path_qs, sent)
            work = partial(api.once.run, owner, f"key:{key}", mark, work)
        return respond(await work())

    async def _work(self, request: Request[Any, Any]) -> Answered:
        given = await self.handler(request)
        if given.status == 204:
            return Answered(204, "", headers=given.headers)
        kind = self.answers[given.status]
        made = TypeAdapter(kind).dump_json(given.value, by_alias=True, exclude_none=False)
        return Answered(given.status, made.decode(), headers=given.headers)

    def _place(self, raw: web.Request) -> Mapping[str, Any]:
        try:
            return {
                name: reader.validate_python(raw.match_info[name])
                for name, reader in self.place_readers.items()
            }
        except ValidationError:
            raise RequestRefused("not-found") from None

    def _value(self, sent: bytes, region: str) -> Any:
        check_json(sent)
        try:
            return self.reader.validate_json(sent, strict=True, context={"region": region})
        except ValidationError as error:
            raise bad_values(error, self.tags) from None


def _query(kind: type[BaseModel], raw: web.Request) -> Any:
    given: dict[str, str] = {}
    for name, value in raw.query.items():
        if name in given:
            raise RequestRefused("bad-value", f"{name} is given twice")
        given[name] = value
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise bad_values(error) from None


def _key(raw: web.Request) -> str:
    key = raw.headers.get(KEY_HEADER)
    if key is None:
        return ""
    if not re.fullmatch(KEY_PATTERN[1:-1], key):
        raise RequestRefused("bad-header", f"{KEY_HEADER}: 1 to 255 visible ASCII characters")
    return key


async def read_body(raw: web.Request, most: int, media: str = "") -> bytes:
    """The body, if it is of the right kind and not too large; what is said to be is not read."""
    if media and raw.content_type != media:
        raise RequestRefused("unsupported-media-type", f"send {media}")
    too_large = RequestRefused("too-large", f"the largest is {most} bytes")
    if (raw.content_length or 0) > most:
        raise too_large
    made = bytearray()
    async for part in raw.content.iter_chunked(65_536):
        made += part
        if len(made) > most:
            raise too_large
    return bytes(made)


def check_json(body: bytes) -> None:
    """`RequestRefused` for what is no JSON, or has a name twice in one object: which of the two
    was meant?"""
    try:
        json.loads(body.decode(), parse_constant=_no_constant, object_pairs_hook=_once_each)
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise RequestRefused("bad-json", f"this is no JSON{where}") from None


def _no_constant(name: str) -> Any:
    raise RequestRefused("bad-json", f"{name} is no JSON")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RequestRefused("bad-json", f"{twice!r} stands twice in one object")
    return made


def respond(answered: Answered) -> web.Response:
    """The answer as it goes out."""
    headers = dict(answered.headers)
    if answered.again:
        headers["Idempotency-Replayed"] = "true"
    if answered.status == 204:
        return web.Response(status=204, headers=headers)
    return web.Response(
        text=answered.body, status=answered.status, content_type=JSON, headers=headers
    )
