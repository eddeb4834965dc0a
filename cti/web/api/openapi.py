"""The OpenAPI 3.1 document, made from the operations that are served: it cannot say otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import Field, TypeAdapter

from cti.web.api.kinds import Model
from cti.web.api.operation import JSON, KEY_HEADER, KEY_PATTERN, NoQuery, Operation
from cti.web.api.problems import CONTENT_TYPE, PROBLEMS

VERSION: Final = "1.0.0"
PREFIX: Final = "/api/v1"
REF: Final = "#/components/schemas/{model}"
ABOUT: Final = """What a shop says to Santral, and asks it: orders and what comes of them,
customers, calls, the do-not-call lists, and the messages that went back. Every refusal is
`application/problem+json`; lists are read page by page with `after`; a POST with an
`Idempotency-Key` is carried out once, however often it is sent."""


class ProblemError(Model):
    pointer: str = Field(description="where in the body or the query (RFC 6901)")
    detail: str


class Problem(Model):
    """Why a request was not carried out (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str | None = None
    errors: tuple[ProblemError, ...] | None = None
    reference: str | None = Field(None, description="what to tell when asking for help")


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """The whole document."""
    listed = list(operations)
    schemas, shared = _schemas(listed)
    paths: dict[str, dict[str, Any]] = {}
    for one in listed:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Santral", "version": VERSION, "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": PREFIX}],
        "tags": [{"name": tag} for tag in dict.fromkeys(one.tag for one in listed)],
        "paths": paths,
        "components": {
            "schemas": shared,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }  # fmt: skip


Schemas = Mapping[tuple[Any, Any], Mapping[str, Any]]


def _schemas(operations: list[Operation]) -> tuple[Schemas, dict[str, Any]]:
    """The schema of every body and answer, and those that they share."""
    inputs: list[tuple[Any, Any, TypeAdapter[Any]]] = [
        ("problem", "serialization", TypeAdapter(Problem))
    ]
    for one in operations:
        if one.body is not None and not one.raw_body:
            inputs.append((f"{one.name} body", "validation", one.reader))
        for status, kind in one.answers.items():
            if kind is not None:
                name = f"{one.name} {status}"
                inputs.append((name, "serialization", TypeAdapter(kind)))
    made, rest = TypeAdapter.json_schemas(inputs, ref_template=REF)
    return made, dict(sorted(rest.get("$defs", {}).items()))


def _operation(one: Operation, schemas: Schemas) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": one.name, "summary": one.summary, "tags": [one.tag],
        "parameters": list(_parameters(one)),
        "responses": {**_answers(one, schemas), **_problems(one, schemas)},
        "security": [{"token": []}] if one.scope else [],
    }  # fmt: skip
    if one.about:
        made["description"] = one.about
    if one.scope:
        made["description"] = f"{one.about}\n\nScope: `{one.scope}`.".strip()
    if one.body is not None:
        schema = one.body if one.raw_body else schemas[(f"{one.name} body", "validation")]
        content: dict[str, Any] = {"schema": schema}
        if one.example is not None:
            content["example"] = one.example
        made["requestBody"] = {"required": True, "content": {one.media: content}}
    return made


def _parameters(one: Operation) -> Iterable[dict[str, Any]]:
    for name, reader in one.place_readers.items():
        schema = reader.json_schema()
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    if one.query is not NoQuery:
        whole = one.query.model_json_schema(by_alias=True)
        needed = whole.get("required", ())
        for name, schema in whole["properties"].items():
            shown = {k: v for k, v in schema.items() if k != "title"}
            about = {"description": shown.pop("description")} if "description" in shown else {}
            yield {
                "name": name, "in": "query", "required": name in needed, "schema": shown, **about,
            }  # fmt: skip
    if one.takes_key:
        yield {
            "name": KEY_HEADER, "in": "header", "required": False,
            "schema": {"type": "string", "pattern": KEY_PATTERN},
            "description": "The same key and body again: the same answer, and nothing done twice.",
        }  # fmt: skip


def _answers(one: Operation, schemas: Schemas) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for status, kind in one.answers.items():
        answer: dict[str, Any] = {"description": one.words.get(status, "Done.")}
        if kind is not None:
            schema = schemas[(f"{one.name} {status}", "serialization")]
            answer["content"] = {JSON: {"schema": schema}}
        made[str(status)] = answer
    return made


def _problems(one: Operation, schemas: Schemas) -> dict[str, Any]:
    schema = schemas[("problem", "serialization")]
    by_status: dict[int, list[str]] = {}
    for kind in one.problem_kinds:
        by_status.setdefault(PROBLEMS[kind].status, []).append(kind)
    return {
        str(status): {
            "description": "; ".join(f"`{kind}`: {PROBLEMS[kind].title}" for kind in kinds),
            "content": {CONTENT_TYPE: {"schema": schema}},
        }
        for status, kinds in sorted(by_status.items())
    }
