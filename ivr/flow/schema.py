"""The JSON Schema of a flow file, generated from the models, for editors that complete and check.

An editor with the YAML language server finds it by the first line of a file, see `editor_line`.
"""

from __future__ import annotations

from typing import Any, Final

from ivr.flow.model import OPTIONS, Flow

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
INTERNAL: Final = ("shared", "version")
LANGUAGE: Final = "^[a-z]{2,3}$"
TEXTS: Final = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
    "description": "What is said; a list gives alternates that take turns.",
}


def editor_line(schema: str) -> str:
    """The first line of a YAML file whose schema it names, as a path from that file."""
    return f"# yaml-language-server: $schema={schema}"


def flow_schema() -> dict[str, Any]:
    """The schema of a flow file."""
    schema = Flow.model_json_schema(by_alias=True)
    for name in INTERNAL:
        schema["properties"].pop(name, None)
    schema["$defs"]["Prompt"] = _prompt(schema["$defs"]["Prompt"])
    _as_yaml(schema)
    return {"$schema": DRAFT, **schema, "title": "A call flow of Santral"}


def _prompt(model: dict[str, Any]) -> dict[str, Any]:
    """A prompt as it is written: texts by language beside its options."""
    return {
        "type": "object",
        "title": "Prompt",
        "description": model.get("description", ""),
        "properties": {name: model["properties"][name] for name in sorted(OPTIONS)},
        "patternProperties": {LANGUAGE: TEXTS},
        "additionalProperties": False,
        "minProperties": 1,
    }


def _as_yaml(part: Any) -> None:
    """One prompt may stand where a list of them is meant."""
    if isinstance(part, list):
        for item in part:
            _as_yaml(item)
        return
    if not isinstance(part, dict):
        return
    for item in list(part.values()):
        _as_yaml(item)
    if part.get("title") == "Prompt" and part.get("type") == "array":
        items = {
            key: part.pop(key) for key in ("type", "items", "maxItems", "minItems") if key in part
        }
        part["anyOf"] = [items["items"], items]
