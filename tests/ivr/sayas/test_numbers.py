"""Numbers, ordinals and money: examples, and every number read back by an independent reader."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.errors import CannotSay, ExpressionFault
from ivr.sayas import FILTERS

WORTH = {
    "tr": {
        word: number
        for words, step in (
            ("sıfır bir iki üç dört beş altı yedi sekiz dokuz", 1),
            ("- on yirmi otuz kırk elli altmış yetmiş seksen doksan", 10),
        )
        for number, word in zip(range(0, 10 * step, step), words.split(), strict=True)
    },
    "en": {
        word: number
        for number, word in enumerate(
            [
                "zero",
                "one",
                "two",
                "three",
                "four",
                "five",
                "six",
                "seven",
                "eight",
                "nine",
                "ten",
                "eleven",
                "twelve",
                "thirteen",
                "fourteen",
                "fifteen",
                "sixteen",
                "seventeen",
                "eighteen",
                "nineteen",
            ]
        )
    }
    | {
        word: number * 10
        for number, word in enumerate(
            ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2
        )
    },
}
POWERS = {
    "tr": {"bin": 3, "milyon": 6, "milyar": 9, "trilyon": 12},
    "en": {"thousand": 3, "million": 6, "billion": 9, "trillion": 12},
}
HUNDRED = {"tr": "yüz", "en": "hundred"}


def read_back(words: str, language: str) -> int:
    """The number that a listener writes down."""
    total = group = 0
    for word in words.replace("-", " ").split():
        if word == HUNDRED[language]:
            group = (group or 1) * 100
        elif word in POWERS[language]:
            total += (group or 1) * 10 ** POWERS[language][word]
            group = 0
        else:
            group += WORTH[language][word]
    return total + group


@pytest.mark.parametrize("language", ["tr", "en"])
@given(
    number=st.one_of(
        st.integers(0, 10**15 - 1),
        st.integers(0, 2000),
        st.builds(lambda digit, power: digit * 10**power, st.integers(1, 9), st.integers(0, 14)),
    )
)
def test_a_listener_writes_down_the_number_that_was_said(language: str, number: int) -> None:
    assert read_back(FILTERS["number"](number, language), language) == number


@pytest.mark.parametrize("language", ["tr", "en"])
@given(kurus=st.integers(1, 10**12))
def test_a_listener_writes_down_the_amount_that_was_said(language: str, kurus: int) -> None:
    said = FILTERS["money"](Decimal(kurus) / 100, language, currency="TRY")
    before, _, after = said.partition("lira")
    if not after and "kur" in before:
        before, after = "0", before
    part = after.removeprefix(" and").replace("kuruş", "").replace("kurus", "")
    whole = 0 if before == "0" else read_back(before, language)
    assert whole * 100 + read_back(part, language) == kurus


@pytest.mark.parametrize(
    ("value", "turkish", "english"),
    [
        (0, "sıfır", "zero"),
        (450, "dört yüz elli", "four hundred fifty"),
        (1000, "bin", "one thousand"),
        (1_000_000, "bir milyon", "one million"),
        (331_315, "üç yüz otuz bir bin üç yüz on beş", None),  # num2words 0.5.14 says 330,315
        (9_005_000_000, "dokuz milyar beş milyon", None),  # and here it loses the five
        (-7, "eksi yedi", "minus seven"),
        (3.14, "üç virgül on dört", "three point one four"),
        ("1,05", "bir virgül sıfır beş", "one point zero five"),
        (0.1 + 0.2, "sıfır virgül üç", "zero point three"),
        (Decimal("2.12345"), "iki virgül bir iki üç dört beş", "two point one two three four five"),
        ("1.234,50", "bin iki yüz otuz dört virgül beş", None),
        ("1 234 567", "bir milyon iki yüz otuz dört bin beş yüz altmış yedi", None),
        ("1.234", "bin iki yüz otuz dört", "one point two three four"),
        ("0.500", "sıfır virgül beş", "zero point five"),
    ],
)
def test_numbers(value: object, turkish: str, english: str | None) -> None:
    assert FILTERS["number"](value, language="tr") == turkish
    if english:
        assert FILTERS["number"](value, language="en-GB") == english


def test_a_number_can_be_rounded() -> None:
    assert FILTERS["number"]("4,25", "tr", decimals=1) == "dört virgül üç"
    assert FILTERS["number"](-0.004, "en", decimals=2) == "zero"


@pytest.mark.parametrize(
    ("value", "turkish", "english"),
    [
        (0, "sıfırıncı", "zeroth"),
        (1, "birinci", "first"),
        (10, "onuncu", "tenth"),
        (21, "yirmi birinci", "twenty-first"),
        (100, "yüzüncü", "one hundredth"),
        (2000, "iki bininci", "two thousandth"),
        (5_000_000, "beş milyonuncu", "five millionth"),
        ("3", "üçüncü", "third"),
    ],
)
def test_ordinals(value: object, turkish: str, english: str) -> None:
    assert FILTERS["ordinal"](value, "tr") == turkish
    assert FILTERS["ordinal"](value, "en") == english


@pytest.mark.parametrize(
    ("value", "currency", "turkish", "english"),
    [
        (
            "459,90",
            "TRY",
            "dört yüz elli dokuz lira doksan kuruş",
            "four hundred fifty-nine lira and ninety kurus",
        ),
        (459.9, "try", "dört yüz elli dokuz lira doksan kuruş", None),
        (Decimal("1000.00"), "TRY", "bin lira", "one thousand lira"),
        (0, "TRY", "sıfır lira", "zero lira"),
        ("0.05", "GBP", "beş peni", "five pence"),
        (1.01, "USD", "bir dolar bir sent", "one dollar and one cent"),
        (2, "EUR", "iki avro", "two euros"),
        (Decimal("0.995"), "EUR", "bir avro", "one euro"),
        (-3.5, "EUR", "eksi üç avro elli sent", "minus three euros and fifty cents"),
        (12.5, "SEK", "on iki virgül beş İsveç kronu", "twelve point five Swedish kronor"),
        (1000.4, "JPY", "bin Japon yeni", "one thousand Japanese yen"),
    ],
)
def test_money(value: object, currency: str, turkish: str, english: str | None) -> None:
    assert FILTERS["money"](value, "tr", currency=currency) == turkish
    if english:
        assert FILTERS["money"](value, "en", currency=currency) == english


@pytest.mark.parametrize(
    "value",
    [None, True, "", "x", "12a", "1.23.4", "1,2,3", float("nan"), "1e5", 10**15, [1], "--1"],
)
@pytest.mark.parametrize("name", ["number", "money", "ordinal"])
def test_what_is_no_number_is_refused(name: str, value: object) -> None:
    with pytest.raises(CannotSay, match=r"not a number|more than 15 digits"):
        FILTERS[name](value, "tr")


def test_the_refusal_is_a_value_error_and_an_expression_fault_and_keeps_the_value_to_itself() -> (
    None
):
    with pytest.raises(CannotSay) as refused:
        FILTERS["number"]("4111 1111 1111 1111 x", "tr")
    assert isinstance(refused.value, ValueError)
    assert isinstance(refused.value, ExpressionFault)
    assert "4111" not in str(refused.value)


@pytest.mark.parametrize("currency", ["LIRA", "", "XYZ", None])
def test_an_unknown_currency_is_refused(currency: object) -> None:
    with pytest.raises(CannotSay, match="currency"):
        FILTERS["money"](1, "en", currency=currency)


@pytest.mark.parametrize("value", [-1, 1.5, "2,5"])
def test_an_ordinal_needs_a_whole_number(value: object) -> None:
    with pytest.raises(CannotSay, match="whole"):
        FILTERS["ordinal"](value, "tr")


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(CannotSay, match="'de'; there is tr, en"):
        FILTERS["number"](1, "de")
