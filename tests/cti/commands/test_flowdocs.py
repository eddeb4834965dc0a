"""The generated pages: up to date, and true."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cti.commands.flowdocs import SCHEMA, written_docs
from cti.settings import HOME
from ivr.flow.loader import TYPES
from ivr.flow.reader import read_text
from ivr.flow.schema import flow_schema

SAMPLES = HOME / "tests" / "ivr" / "steps"


@pytest.fixture(scope="module")
def docs() -> dict[Path, str]:
    return dict(written_docs(HOME))


def test_the_generated_files_are_up_to_date(docs: dict[Path, str]) -> None:
    stale = [path.name for path, text in docs.items()
             if not path.exists() or path.read_text("utf-8") != text]  # fmt: skip
    assert not stale, f"{', '.join(stale)}: run ./santral schema --write and commit what it writes"


def test_every_step_type_has_its_keys_and_an_example_that_ran(docs: dict[Path, str]) -> None:
    page = docs[HOME / "docs" / "flow-language.md"]
    for name, step in TYPES.items():
        part = page.partition(f"\n### {name}\n")[2].partition("\n### ")[0]
        for field, info in step.model_fields.items():
            if field not in {"type", "note"}:
                assert f"| `{info.alias or field}` |" in part, (name, field)
        assert "A conversation with it" in part
        assert re.search(r"^ends +\S", part, re.MULTILINE), name
        assert "ends      failed" not in part


def test_the_shipped_flows_name_the_schema() -> None:
    for path in (HOME / "scenarios").glob("*.yaml"):
        if "\nflow:" in (text := path.read_text("utf-8")):
            assert text.startswith(f"# yaml-language-server: $schema={SCHEMA}\n"), path.name
    assert (HOME / "scenarios" / SCHEMA).resolve() == HOME / "docs" / "flow.schema.json"


def flows() -> list[Any]:
    paths = [*sorted(SAMPLES.glob("*.yaml")), *sorted((HOME / "scenarios").glob("*.yaml")),
             HOME / "tests" / "ivr" / "flow" / "defects" / "good" / "shop.yaml"]  # fmt: skip
    texts = [(path.stem, path.read_text("utf-8").split("\n---\n")[0]) for path in paths]
    return [pytest.param(text, id=stem) for stem, text in texts if re.search("^flow:", text, re.M)]


@pytest.mark.parametrize("text", flows())
def test_good_flows_fit_the_schema(text: str) -> None:
    schema = flow_schema()
    assert list(problems(read_text(text, "f.yaml").data, schema, schema)) == []


@pytest.mark.parametrize(
    "change",
    [
        ("type: menu", "type: menoo"),
        ("key: 1,", "keey: 1,"),
        ("start: welcome", "strat: welcome"),
        ("tries: 2,", "tries: 99,"),
        ("prompt: main\n", "prompt: [main]\n"),
    ],
)
def test_mistakes_do_not(change: tuple[str, str]) -> None:
    text = (HOME / "scenarios" / "order_line.yaml").read_text("utf-8")
    assert change[0] in text
    schema = flow_schema()
    assert list(problems(yaml.safe_load(text.replace(*change)), schema, schema))


def test_the_schema_is_json() -> None:
    assert json.loads(json.dumps(flow_schema()))["title"]


TYPES_OF = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list,
            "object": dict, "null": type(None)}  # fmt: skip


def problems(value: Any, part: Any, whole: Any) -> Any:
    """What of a value does not fit a schema: the part of JSON Schema that ours uses."""
    if "$ref" in part:
        part = whole["$defs"][part["$ref"].rpartition("/")[2]]
    for choice in ("anyOf", "oneOf"):
        if choice in part and not any(
            not list(problems(value, one, whole)) for one in part[choice]
        ):
            yield f"{value!r} fits none"
    kinds = part.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        yield f"{value!r} is no {kinds}"
        return
    if "const" in part and value != part["const"]:
        yield f"{value!r} is not {part['const']}"
    if "enum" in part and value not in part["enum"]:
        yield f"{value!r} is not in {part['enum']}"
    if isinstance(value, str) and "pattern" in part and not re.search(part["pattern"], value):
        yield f"{value!r} does not match {part['pattern']}"
    if _is(value, "number") and not part.get("minimum", value) <= value <= part.get(
        "maximum", value
    ):
        yield f"{value!r} is out of bounds"
    yield from _inside(value, part, whole)


def _inside(value: Any, part: Any, whole: Any) -> Any:
    for item in value if isinstance(value, list) else ():
        yield from problems(item, part.get("items", {}), whole)
    if isinstance(value, dict):
        yield from _object(value, part, whole)


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, TYPES_OF[kind])  # type: ignore[arg-type]


def _object(value: dict[str, Any], part: Any, whole: Any) -> Any:
    for name in part.get("required", []):
        if name not in value:
            yield f"{name} is missing"
    for name, item in value.items():
        patterns = [p for pattern, p in part.get("patternProperties", {}).items()
                    if re.search(pattern, name)]  # fmt: skip
        if name in part.get("properties", {}):
            yield from problems(item, part["properties"][name], whole)
        elif patterns:
            yield from problems(item, patterns[0], whole)
        elif part.get("additionalProperties") is False:
            yield f"{name} is not known"
        elif isinstance(part.get("additionalProperties"), dict):
            yield from problems(item, part["additionalProperties"], whole)
