"""The expression language: what it says, what it refuses, and what it may cost."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ivr.call import Piece
from ivr.errors import BadInput, ExpressionFault
from ivr.expressions import Expression, Template

ORDER = {"order": {"number": "1234", "total": Decimal("459.90"), "items": 3}, "language": "en"}


def test_a_template_is_cut_into_fixed_pieces_and_values() -> None:
    template = Template("Your order {{ order.number }} costs {{ order.total }} lira.")
    assert template.pieces(ORDER) == (
        Piece("Your order"),
        Piece("1234", fixed=False),
        Piece("costs"),
        Piece("459.90", fixed=False),
        Piece("lira."),
    )
    assert template.fixed_texts == ("Your order", "costs", "lira.")


def test_every_fixed_piece_that_is_said_was_known_at_load() -> None:
    template = Template("Hello {% if order.items > 2 %}dear{% else %}good{% endif %} customer")
    said = [piece.text for piece in template.pieces(ORDER)]
    assert said == ["Hello", "dear", "customer"]
    assert set(said) <= set(template.fixed_texts)


def test_punctuation_alone_is_not_a_piece() -> None:
    assert Template("{{ order.number }}.").pieces(ORDER) == (Piece("1234", fixed=False),)


def test_a_value_cannot_forge_a_fixed_piece() -> None:
    said = Template("{{ name }} x").pieces({"name": "a\x02b\x03c\x01"})
    assert said == (Piece("abc", fixed=False), Piece("x"))


def test_one_expression_keeps_its_type_and_text_does_not() -> None:
    assert Template("{{ order.total }}").value(ORDER) == Decimal("459.90")
    assert Template("n{{ order.items }}").value(ORDER) == "n3"


def test_an_attribute_of_a_mapping_is_its_key() -> None:
    assert Expression("order.items == 3").holds(ORDER)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("order.total >= 400 and order.items < 5", True),
        ("'x' in ['x', 'y']", True),
        ("order.number | length", 4),
        ("order.items * 2 + 1", 7),
        ("order.items is defined", True),
        ("'many' if order.items > 2 else 'few'", "many"),
    ],
)
def test_expressions(source: str, value: object) -> None:
    assert Expression(source).evaluate(ORDER) == value


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{{ order.total", "cannot be read"),
        ("{{ nothing | shout }}", "no filter 'shout'"),
        ("{{ range(10) }}", "calls"),
        ("{{ ''.__class__.__mro__ }}{{ x() }}", "calls"),
        ("{% for a in b %}{% endfor %}", "for"),
        ("{% set a = 1 %}", "assign"),
        ("{% include 'a' %}", "include"),
        ("{{ 2 ** 9 }}", "pow"),
        ("x" * 9_000, "longer than"),
    ],
)
def test_what_is_not_the_language_is_refused_at_load(source: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        Template(source)


@pytest.mark.parametrize(
    "source",
    [
        "missing",
        "order.colour",
        "order.items / 0",
        "'a' * 99",
        "'%s' % 'a'",
        "order.number + 1",
        "'Ayşe' | truncate(1)",
    ],
)
def test_what_fails_on_values_is_an_expression_fault(source: str) -> None:
    with pytest.raises(ExpressionFault):
        Expression(source).evaluate(ORDER)


def test_the_sandbox_gives_no_internals_away() -> None:
    with pytest.raises(ExpressionFault):
        Template("{{ order.number.__class__.__mro__ }}").text(ORDER)


def test_names_are_known() -> None:
    assert Template("{{ a.b }} {% if c %}{{ d | default('x') }}{% endif %}").names == {
        "a",
        "c",
        "d",
    }
    assert Expression("a > b.c").names == {"a", "b"}


@pytest.mark.parametrize(
    "source",
    ["[" * 900, "(or" * 900, "{{ a." + "b." * 40 + "c }}", "1e999 > 1", "21e99999", "9991e9999٩"],
)
def test_what_python_itself_cannot_read_is_refused_at_load(source: str) -> None:
    """Found by fuzzing: each of these broke something other than the flow."""
    with pytest.raises(BadInput):
        (Template if "{{" in source else Expression)(source)


def test_a_mapping_in_braces_is_no_simple_template() -> None:
    with pytest.raises(BadInput):
        Template("{{{ order.total | money }}")


def test_a_condition_without_an_else_is_empty() -> None:
    assert Expression("1 if order.items > 99").evaluate(ORDER) == ""
    assert Template("{{ 1 if order.items > 99 }}").value(ORDER) == ""


@pytest.mark.parametrize(
    "source",
    [
        "{{ order.number | digits }} numaralı siparişiniz {{ order.status }}. Tutarı {{ order.total | money }}.",
        "{{ order.total | money }}",
        ". {{ order.number }} . {{ order.status }} ...",
        "a \n  b {{ order.marked }}",
        "{{ order.nothing }} x",
        "{{ order.items }} things",
    ],
)  # fmt: skip
@pytest.mark.parametrize("language", ["tr", "en"])
def test_simple_templates_are_said_as_jinja_renders_them(source: str, language: str) -> None:
    order = {
        "number": "1234", "status": "kargoda", "total": Decimal("459.90"), "items": 3,
        "marked": "a\x01b\x02", "nothing": None,
    }  # fmt: skip
    known = {"order": order, "language": language}
    template = Template(source)
    rendered = template._cut(template._render(known))
    assert template.pieces(known) == rendered


def test_what_is_missing_in_a_simple_template_is_named() -> None:
    for source in ("{{ order.colour }} x", "{{ colour }}"):
        with pytest.raises(ExpressionFault, match="colour"):
            Template(source).pieces(ORDER)
        with pytest.raises(ExpressionFault, match="colour"):
            Template(source).value(ORDER)
