"""Files -> flows. A flow is loaded whole, or refused with everything that is wrong with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from ivr.flow.finding import Finding, Severity, meant
from ivr.flow.model import Flow, Prompt
from ivr.flow.reader import Document, Key, read_file, read_text, refused
from ivr.flow.verify import verify
from ivr.steps import STEPS
from ivr.steps.base import TARGET

BUILTIN: Final = Path(__file__).parent.parent / "prompts" / "builtin.yaml"
TYPES: Final = {step.model_fields["type"].annotation.__args__[0]: step for step in STEPS}  # type: ignore[union-attr]
_PROMPTS = TypeAdapter(dict[str, Prompt])


@cache
def builtin_prompts(file: Path = BUILTIN) -> Mapping[str, Prompt]:
    """The prompts every flow has: hold, no match, apology, … A flow may say its own instead."""
    return _PROMPTS.validate_python(read_file(file).data["prompts"])


def load_flow(path: Path) -> Flow:
    """The flow in a file; `FlowRefused` tells every error at once, each with its line."""
    return build_flow(read_file(path))


def load_text(text: str, file: str = "<text>") -> Flow:
    return build_flow(read_text(text, file))


def build_flow(document: Document) -> Flow:
    """The flow of a document that stands alone: what it names in other files is not looked at."""
    flow = model_of(document)
    errors = [found for found in verify(flow, document) if found.severity is Severity.ERROR]
    if errors:
        raise refused(*errors)
    return flow


def is_flow(document: Document) -> bool:
    return isinstance(document.data, dict) and "flow" in document.data


def prompts_of(document: Document) -> Mapping[str, Prompt]:
    """The prompts of a file of shared ones; `FlowRefused` for what is wrong in it."""
    try:
        return _PROMPTS.validate_python(document.data["prompts"])
    except ValidationError as error:
        details = error.errors(include_url=False)
        found = [_finding(document, {**d, "loc": ("prompts", *d["loc"])}) for d in details]
        raise refused(*dict.fromkeys(found)) from error


def model_of(document: Document, shared: Mapping[str, Prompt] | None = None) -> Flow:
    """The flow as it is written, nothing proven of it yet. `shared` are prompts of other files."""
    if not is_flow(document):
        raise refused(document.finding((), "not-a-flow", "a flow begins with `flow: its_name`"))
    data = document.data
    for reserved in ("shared", "version", "name"):
        if reserved in data:
            raise refused(document.finding((reserved,), "unknown-key", f"unknown key '{reserved}'"))
    everywhere = {**builtin_prompts(), **(shared or {})}
    try:
        flow = Flow.model_validate({**data, "version": "", "shared": everywhere})
    except ValidationError as error:
        findings = [_finding(document, detail) for detail in error.errors(include_url=False)]
        raise refused(*dict.fromkeys(findings)) from error
    used, others = sorted({*flow.used_prompts()}), shared or {}
    said = {name: others[name] for name in used if name in others}
    texts = {name: prompt.model_dump(mode="json") for name, prompt in said.items()}
    return flow.model_copy(update={"version": _version([data, texts] if texts else data)})


def _version(data: Any) -> str:
    """The content's hash: the same flow with other comments or spacing is the same version."""
    return hashlib.sha256(json.dumps(data, ensure_ascii=False).encode()).hexdigest()[:12]


def _finding(document: Document, detail: Mapping[str, Any]) -> Finding:
    """One of pydantic's errors as we say it, at its place in the file."""
    path = _path(document.data, detail["loc"])
    kind, name = detail["type"], str(path[-1] if path else "")
    missing = str(detail["loc"][-1])
    code = "bad-value"
    if kind == "missing":
        code = "no-target" if _is_target(document.data, path, missing) else "missing"
        message = f"'{missing}' is missing here"
    elif kind == "extra_forbidden":
        code = "unknown-key"
        message = f"unknown key '{name}'{meant(name, _known_keys(document.data, path))}"
    elif kind == "union_tag_invalid":
        given, code = str(detail["ctx"]["tag"]), "no-such-type"
        path = (*path, "type")
        message = f"there is no step type '{given}'{meant(given, TYPES)}"
    elif kind == "union_tag_not_found":
        code, message = "no-type", "a step needs a 'type': " + ", ".join(sorted(TYPES))
    elif kind == "string_pattern_mismatch":
        message = f"'{detail['input']}' is not allowed here (pattern {detail['ctx']['pattern']})"
    elif kind == "bad_expression":
        code, message = "bad-expression", detail["msg"]
    else:
        message = detail["msg"].removeprefix("Value error, ")
    return document.finding(path, code, message)


def _is_target(data: Any, path: Sequence[Key], name: str) -> bool:
    """Whether a missing key would have said where an outcome leads."""
    if name == "next":
        return True
    for key in path:
        data = data[key]
    step = TYPES.get(str(data.get("type", ""))) if isinstance(data, dict) else None
    field = step.model_fields.get(name) if step else None
    return field is not None and field.description == TARGET


def _path(data: Any, location: Sequence[Key]) -> tuple[Key, ...]:
    """The way through the file to pydantic's `loc`, which also names models on the way."""
    path: list[Key] = []
    for key in location:
        if isinstance(data, dict) and str(key) in data:
            path.append(str(key))
            data = data[str(key)]
        elif isinstance(data, list) and isinstance(key, int) and key < len(data):
            path.append(key)
            data = data[key]
    return tuple(path)


def _known_keys(data: Any, path: Sequence[Key]) -> Iterator[str]:
    """The keys that may stand where `path` ends."""
    if len(path) == 1:
        yield from (field.alias or name for name, field in Flow.model_fields.items())
    elif len(path) >= 3 and path[0] == "steps":
        step = TYPES.get(str(data["steps"][path[1]].get("type", "")))
        for name, field in step.model_fields.items() if step else ():
            yield field.alias or name


class Library:
    """The flows of a folder by name, every version that was loaded kept: `Services.flows`."""

    def __init__(self, flows: Sequence[Flow] = ()) -> None:
        self._current: dict[str, Flow] = {}
        self._versions: dict[tuple[str, str], Flow] = {}
        for flow in flows:
            self.put(flow)

    def put(self, flow: Flow) -> None:
        self._current[flow.name] = self._versions[flow.name, flow.version] = flow

    def keep(self, flow: Flow) -> None:
        """Have a version at hand that is not the current one: a call in progress needs it."""
        self._versions[flow.name, flow.version] = flow

    def snapshot(self) -> Library:
        """The flows as they are current now: a call goes by it to its end, sub-flows included."""
        made = Library()
        made._current, made._versions = dict(self._current), self._versions
        return made

    def get(self, name: str, version: str = "") -> Flow:
        return self._versions[name, version] if version else self._current[name]

    def __iter__(self) -> Iterator[Flow]:
        return iter(self._current.values())

    def __contains__(self, name: object) -> bool:
        return name in self._current
