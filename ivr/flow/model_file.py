"""A YAML file that is one frozen model: read whole, or refused with every mistake at its line."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from ivr.errors import FlowRefused
from ivr.flow.finding import Finding, meant
from ivr.flow.reader import Document, read_file, refused

Shape = TypeVar("Shape", bound=BaseModel)
Mistakes = Callable[[Shape, Document], Iterable[Finding]]


def read_model(
    path: Path, model: type[Shape], code: str, mistakes: Mistakes[Shape] | None = None
) -> Shape:
    """The file as `model`. `code` is that of findings about its form; `mistakes` looks for others
    once the form is right. Raises `FlowRefused` with all that was found."""
    document = read_file(path)
    try:
        made = model.model_validate(document.data)
    except ValidationError as error:
        found = [_finding(document, model, code, detail) for detail in error.errors()]
        raise refused(*found) from error
    if mistakes is not None and (wrong := list(mistakes(made, document))):
        raise refused(*wrong)
    return made


def findings_of(load: Callable[[Path], object], path: Path) -> tuple[Finding, ...]:
    """Everything wrong with a file that `load` reads; nothing where there is none."""
    try:
        load(path)
    except FlowRefused as refusal:
        return tuple(refusal.findings)
    return ()


def known_at(model: type[BaseModel], way: Sequence[str | int]) -> list[str]:
    """The keys that may be written at a place of the file; empty where any may, or none."""
    kinds: list[Any] = [model]
    for key in way:
        kinds = [inner for kind in kinds for inner in _inside(kind, key)]
    return [name for kind in kinds if _is_model(kind) for name in kind.model_fields]


def _finding(
    document: Document, model: type[BaseModel], code: str, detail: Mapping[str, Any]
) -> Finding:
    way = [key for key in detail["loc"] if key != "[key]"]
    message = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden" and way:
        name = str(way[-1])
        message = f"'{name}' is not known here{meant(name, known_at(model, way[:-1]))}"
    return document.finding(way, code, message)


def _inside(kind: Any, key: str | int) -> list[Any]:
    """The types that may stand under a key of one of type `kind`."""
    if _is_model(kind):
        field = kind.model_fields.get(key)
        return _choices(field.annotation) if field else []
    if _is_collection(kind):
        return _choices(get_args(kind)[1 if issubclass(get_origin(kind), Mapping) else 0])
    return []


def _choices(kind: Any) -> list[Any]:
    """The arms of a union, without what `Annotated` says of them."""
    if get_origin(kind) is Annotated:
        return _choices(get_args(kind)[0])
    if _is_model(kind) or _is_collection(kind):
        return [kind]
    return [one for arm in get_args(kind) for one in _choices(arm)]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _is_collection(kind: Any) -> bool:
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Collection) and bool(get_args(kind))
