"""The one expression language: sandboxed Jinja2, cut down to what a call flow needs.

`Template` is text with `{{ expressions }}` in it (prompts, parameters); `Expression` is a bare one
(`order.total > 500`). Both are parsed and checked when the flow loads, so every mistake in them is
found there, and hold the `names` they read, so a name that nobody sets is found there too. They are
compiled by `ready`, which the engine's loader calls, or else when they are first used.

Left out on purpose: calls, loops, assignments, macros, includes. A filter does what is needed, and
a text can neither run code, read a file, nor take more than its share of time and memory.
"""

from __future__ import annotations

import difflib
import functools
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import jinja2
from jinja2 import StrictUndefined, TemplateError, Undefined, nodes, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from ivr.call import Piece
from ivr.errors import BadInput, ExpressionFault
from ivr.names import learn, set_when
from ivr.sayas import FILTERS

MAX_SOURCE: Final = 8_000
MAX_TEXT: Final = 10_000
MAX_NESTING: Final = 30  # deeper ones cannot be compiled to Python
PLAIN_FILTERS: Final = (
    "abs", "default", "first", "float", "int", "join", "last", "length", "lower", "max", "min",
    "round", "string", "sum", "title", "trim", "truncate", "upper",
)  # fmt: skip
ALLOWED: Final = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.Name, nodes.Const,
    nodes.Tuple, nodes.List, nodes.Dict, nodes.Pair, nodes.Getattr, nodes.Getitem, nodes.Slice,
    nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos, nodes.Add,
    nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Concat, nodes.CondExpr,
    nodes.Filter, nodes.Test, nodes.Keyword,
)  # fmt: skip

# Marks inside rendered text: a value begins, a value ends, a fixed text ends.
VALUE, END, FIXED = "\x01", "\x02", "\x03"
UNMARKED = {ord(mark): None for mark in (VALUE, END, FIXED)}
MARKS = re.compile(f"[{VALUE}{END}{FIXED}]")
JINJA = re.compile(r"\{[{%#]")
ONE_EXPRESSION = re.compile(r"\s*\{\{(?P<inner>(?:(?!\}\}|\{\{).)*)\}\}\s*", re.DOTALL)
SIMPLE = re.compile(
    r"\{\{ *([a-zA-Z_][a-zA-Z0-9_]*(?:\.[a-zA-Z_][a-zA-Z0-9_]*)*) *(?:\| *([a-z]+) *)?\}\}"
)
# What values can do to an expression. A number may grow too large while Jinja works it out ahead of
# time, and then stands in the compiled code as the name `inf`.
FAULTS: Final = (
    TemplateError, ArithmeticError, TypeError, ValueError, LookupError, NameError, RecursionError,
    AssertionError,  # jinja2/filters.py, do_truncate: a length shorter than the dots at the end
)  # fmt: skip
KEYWORDS = frozenset(
    {"true", "false", "none", "True", "False", "None", "not", "and", "or", "in", "is", "if", "else"}
)
PIECE = re.compile(f"{VALUE}(?P<value>[^{END}]*){END}|(?P<fixed>[^{VALUE}{FIXED}]+)")


class Environment(ImmutableSandboxedEnvironment):
    """The sandbox. A mapping's attributes are its keys, never methods: `order.items` is data."""

    intercepted_binops = frozenset({"*", "%", "+"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping):
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        sizes = [len(side) for side in (left, right) if isinstance(side, (str, list, tuple))]
        if sizes and (operator == "%" or sum(sizes) > MAX_TEXT or operator == "*"):
            raise ExpressionFault(f"'{operator}' takes numbers here, not a text or a list")
        return super().call_binop(context, operator, left, right)


def _spoken(name: str, filter_: Callable[..., str]) -> Callable[..., str]:
    """A say-as filter as Jinja calls it: the language comes from the conversation."""

    @pass_context
    @functools.wraps(filter_)
    def apply(context: Context, value: Any, *args: Any, **options: Any) -> str:
        options.setdefault("language", context.get("language", "tr"))
        if isinstance(value, StrictUndefined):
            str(value)  # an undefined value says here what is missing
        try:
            return filter_(value, *args, **options)
        except (TypeError, ValueError, ArithmeticError) as error:  # the value may be secret
            raise ExpressionFault(f"'{name}' cannot say it: {error}") from error

    return apply


def _marked(value: Any) -> str:
    """A value between its marks; marks that are in the value itself are dropped."""
    return f"{VALUE}{str(value).translate(UNMARKED)}{END}"


def _environment() -> Environment:
    environment = Environment(undefined=StrictUndefined, finalize=_marked)
    environment.globals.clear()
    plain = {name: environment.filters[name] for name in PLAIN_FILTERS}
    environment.filters.clear()
    environment.filters.update(plain)
    environment.filters.update({name: _spoken(name, say) for name, say in FILTERS.items()})
    return environment


ENVIRONMENT: Final = _environment()
BARE: Final = ENVIRONMENT.overlay(finalize=None)


def parse(source: str) -> nodes.Template:
    """The checked tree of a template; `BadInput` says what is wrong with it."""
    if len(source) > MAX_SOURCE:
        raise BadInput(f"the text is longer than {MAX_SOURCE} characters")
    try:
        tree = ENVIRONMENT.parse(source)
    except TemplateError as error:
        raise BadInput(f"the expression cannot be read: {error.message}") from error
    except RecursionError:
        raise BadInput(f"the expression is nested more than {MAX_NESTING} deep") from None
    except (SyntaxError, ValueError) as error:  # of Python's, for a number that is none
        raise BadInput(f"the expression cannot be read: {error}") from error
    _check(tree, 0)
    return tree


def _check(node: nodes.Node, depth: int) -> None:
    """Refuse what is not the language, anywhere below `node`."""
    if depth > MAX_NESTING:
        raise BadInput(f"the expression is nested more than {MAX_NESTING} deep")
    if not isinstance(node, ALLOWED):
        what = "calls" if isinstance(node, nodes.Call) else type(node).__name__.lower()
        raise BadInput(f"{what} are not part of the expression language; use a filter")
    value = node.value if isinstance(node, nodes.Const) else None
    if isinstance(value, float) and not math.isfinite(value):
        raise BadInput("the expression holds a number that is too large")
    if isinstance(node, nodes.Filter) and node.name not in ENVIRONMENT.filters:
        known = sorted(ENVIRONMENT.filters)
        near = difflib.get_close_matches(node.name, known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else "there are " + ", ".join(known)
        raise BadInput(f"there is no filter '{node.name}'; {hint}")
    if isinstance(node, nodes.Test) and node.name not in ENVIRONMENT.tests:
        raise BadInput(f"there is no test 'is {node.name}'")
    for part in node.iter_child_nodes():
        _check(part, depth + 1)


def _squeeze(text: str) -> str:
    return " ".join(text.split())


def _follow(way: tuple[str, ...], variables: Mapping[str, Any]) -> Any:
    """The value a dotted name has; None where it is not plain to see."""
    found: Any = variables
    for name in way:
        found = found.get(name) if type(found) is dict else None
    return found


def _speakable(text: str) -> bool:
    return any(character.isalnum() for character in text)


class _Source:
    """What `Template` and `Expression` share: their source, and pydantic's view of it.

    `names` are all names read, `needs` those that have to be set for it to have a value, and
    `parts` the (name, attribute) pairs read, `order.total` say.
    """

    __slots__ = ("names", "needs", "parts", "source")
    source: str
    names: frozenset[str]
    needs: frozenset[str]
    parts: frozenset[tuple[str, str]]

    def _learn(self, tree: nodes.Template) -> None:
        self.names, self.needs, self.parts = learn(tree)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.source!r})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and getattr(other, "source", None) == self.source

    def __hash__(self) -> int:
        return hash((type(self), self.source))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def read(value: Any) -> Any:
            if isinstance(value, cls):
                return value
            if isinstance(value, (dict, list)) or value is None:
                raise PydanticCustomError("bad_expression", "a text is expected here")
            try:
                return cls(str(value).lower() if isinstance(value, bool) else str(value))  # type: ignore[call-arg]
            except BadInput as error:
                message = {"message": str(error)}
                raise PydanticCustomError("bad_expression", "{message}", message) from error

        return core_schema.no_info_plain_validator_function(
            read,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda v: v.source),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": ["string", "number", "boolean"], "title": cls.__name__}


class Expression(_Source):
    """A bare expression such as `order.total > 500`; `evaluate` keeps the value's type."""

    __slots__ = ("_compiled",)

    def __init__(self, source: str, tree: nodes.Template | None = None) -> None:
        self.source = source
        self._compiled: Callable[..., Any] | None = None
        self._learn(tree or parse("{{" + source + "}}"))

    @classmethod
    def of(cls, template: Template) -> Expression:
        """The expression that a template is, which has been read already."""
        made = cls.__new__(cls)
        made.source = template.source.strip()[2:-2]
        made.names, made.needs, made.parts = template.names, template.needs, template.parts
        made._compiled = None
        return made

    @property
    def tree(self) -> nodes.Expr:
        """Its syntax tree, parsed anew."""
        output = parse("{{" + self.source + "}}").body[0]
        assert isinstance(output, nodes.Output)
        return output.nodes[0]

    def set_when(self, holds: bool) -> frozenset[str]:
        """The names that are surely set where this held, or did not hold."""
        return set_when(self.tree, holds) if self.names - self.needs else frozenset()

    def ready(self) -> Callable[..., Any]:
        """Compile it, once. Jinja compiles expressions from their text."""
        if self._compiled is None:
            self._compiled = BARE.compile_expression(self.source, undefined_to_none=False)
        return self._compiled

    def evaluate(self, variables: Mapping[str, Any]) -> Any:
        """The value; `ExpressionFault` when the values it meets do not fit."""
        try:
            value = self.ready()(**variables)
            if isinstance(value, Undefined):
                return str(value)  # what is missing is said; `x if y` without an else is empty
            return value
        except ExpressionFault:
            raise
        except FAULTS as error:
            raise ExpressionFault(f"'{self.source}': {error}") from error

    def holds(self, variables: Mapping[str, Any]) -> bool:
        return bool(self.evaluate(variables))


class Template(_Source):
    """Text with `{{ expressions }}`. `fixed_texts` are its pieces that are known at load, `sayas`
    the filters it reads values out with, `values` counts the values in it."""

    __slots__ = ("_compiled", "_expression", "_pieces", "_recipe", "_way",
                 "fixed_texts", "sayas", "values")  # fmt: skip
    fixed_texts: tuple[str, ...]
    sayas: frozenset[str]
    values: int

    def __init__(self, source: str) -> None:
        self.source = source
        self._compiled: jinja2.Template | None = None
        self._expression: Expression | None = None
        self._pieces: tuple[Piece, ...] | None = None
        self._way: tuple[str, ...] = ()  # of `{{ a.b }}`: the names, one below the other
        self._recipe: tuple[str | tuple[tuple[str, ...], str], ...] = ()  # texts, and (way, say-as)
        if not JINJA.search(source):
            self._plain()
        elif not self._simple():
            self._parsed(parse(source))

    def _plain(self) -> None:
        """Nothing but text: no need to trouble Jinja."""
        if len(self.source) > MAX_SOURCE:
            raise BadInput(f"the text is longer than {MAX_SOURCE} characters")
        self.names = self.needs = self.sayas = frozenset()
        self.parts, self.values = frozenset(), 0
        self._pieces = self._cut(self.source.translate(UNMARKED))
        self.fixed_texts = tuple(piece.text for piece in self._pieces)

    def _simple(self) -> bool:
        """Nothing but text and `{{ a.b | filter }}`, as most are: the same without a parser."""
        texts = SIMPLE.split(self.source)[:: SIMPLE.groups + 1]
        found = SIMPLE.findall(self.source)
        # `{{{ name }}` is a mapping to Jinja, no brace and a value.
        if (
            any(JINJA.search(text) or text.endswith("{") for text in texts)
            or len(self.source) > MAX_SOURCE
        ):
            return False
        for dotted, filter_ in found:
            if (
                dotted.count(".") > MAX_NESTING // 2
                or KEYWORDS.intersection(dotted.split("."))
                or filter_ == "default"
            ):
                return False
            if filter_ and filter_ not in ENVIRONMENT.filters:
                return False
        ways = [dotted.split(".") for dotted, _ in found]
        self.names = self.needs = frozenset(way[0] for way in ways)
        self.parts = frozenset((way[0], way[1]) for way in ways if len(way) > 1)
        self.sayas = frozenset(filter_ for _, filter_ in found if filter_ in FILTERS)
        self.values = len(found)
        self.fixed_texts = tuple(
            dict.fromkeys(squeezed for text in texts if _speakable(squeezed := _squeeze(text)))
        )
        if ONE_EXPRESSION.fullmatch(self.source):
            self._expression = Expression.of(self)
            self._way = () if found[0][1] else tuple(ways[0])
        if not MARKS.search(self.source) and all(say in FILTERS for _, say in found if say):
            values = [(tuple(way), say) for way, (_, say) in zip(ways, found, strict=True)]
            mixed: list[Any] = [
                part for pair in zip(texts, [*values, ""], strict=True) for part in pair
            ]
            self._recipe = tuple(_squeeze(p) if isinstance(p, str) else p for p in mixed)
        return True

    def _parsed(self, tree: nodes.Template) -> None:
        self._learn(tree)
        self.sayas = frozenset(
            node.name for node in tree.find_all(nodes.Filter) if node.name in FILTERS
        )
        outputs = [part for output in tree.find_all(nodes.Output) for part in output.nodes]
        texts = [part.data for part in outputs if isinstance(part, nodes.TemplateData)]
        pieces = map(_squeeze, texts)
        self.values = len(outputs) - len(texts)
        self.fixed_texts = tuple(dict.fromkeys(text for text in pieces if _speakable(text)))
        match = ONE_EXPRESSION.fullmatch(self.source)
        self._expression = Expression(match["inner"], tree) if match else None

    def ready(self) -> jinja2.Template:
        """Compile it, once. Marks keep fixed texts apart when a condition joins them."""
        if self._compiled is None:
            tree = parse(self.source)
            for node in tree.find_all(nodes.TemplateData):
                node.data += FIXED
            self._compiled = ENVIRONMENT.from_string(tree)
            if self._expression:
                self._expression.ready()
        return self._compiled

    def pieces(self, variables: Mapping[str, Any]) -> tuple[Piece, ...]:
        """The text cut into fixed pieces and values, in the order they are said."""
        if self._pieces is not None:
            return self._pieces
        quick = self._put_together(variables) if self._recipe else None
        return self._cut(self._render(variables)) if quick is None else quick

    def _put_together(self, variables: Mapping[str, Any]) -> tuple[Piece, ...] | None:
        """What `_cut` makes of what Jinja renders, for the simple templates that most are, without
        either. None where anything is unusual: then Jinja says what is wrong."""
        language = variables.get("language", "tr")
        found: list[Piece] = []
        length = 0
        for part in self._recipe:
            fixed = isinstance(part, str)
            if isinstance(part, str):
                text = part
            else:
                way, say = part
                value = _follow(way, variables)
                if value is None:
                    return None
                try:
                    spoken = FILTERS[say](value, language=language) if say else str(value)
                except (TypeError, ValueError, ArithmeticError, ExpressionFault):
                    return None
                text = _squeeze(spoken.translate(UNMARKED))
            length += len(text)
            if _speakable(text) or (fixed and text and found):  # a stop between values is a pause
                found.append(Piece(text, fixed))
        if length > MAX_TEXT:
            return None
        while found and not _speakable(found[-1].text):
            found.pop()
        return tuple(found)

    def text(self, variables: Mapping[str, Any]) -> str:
        """The text as one string, white space kept."""
        if self._pieces is not None:
            return self.source
        return self._render(variables).translate(UNMARKED)

    def value(self, variables: Mapping[str, Any]) -> Any:
        """Like `text`, but a template that is one `{{ expression }}` keeps its value's type."""
        if self._way and (found := _follow(self._way, variables)) is not None:
            return found
        return self._expression.evaluate(variables) if self._expression else self.text(variables)

    def _render(self, variables: Mapping[str, Any]) -> str:
        try:
            return self.ready().render(variables)
        except ExpressionFault:
            raise
        except FAULTS as error:
            raise ExpressionFault(f"'{self.source}': {error}") from error

    @staticmethod
    def _cut(rendered: str) -> tuple[Piece, ...]:
        found: list[Piece] = []
        for match in PIECE.finditer(rendered[: MAX_TEXT * 2]):
            fixed = match["value"] is None
            text = _squeeze(match["fixed"] if fixed else match["value"])
            if _speakable(text) or (fixed and text and found):  # a stop between values is a pause
                found.append(Piece(text, fixed))
        while found and not _speakable(found[-1].text):
            found.pop()
        return tuple(found)
