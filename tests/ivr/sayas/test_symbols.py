"""What is read out sign by sign, lists, and letters in Turkish."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.errors import CannotSay
from ivr.sayas import FILTERS, LANGUAGES, turkish_lower, turkish_upper

DIGITS = {
    "tr": ["sıfır", "bir", "iki", "üç", "dört", "beş", "altı", "yedi", "sekiz", "dokuz"],
    "en": ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
}


@pytest.mark.parametrize(
    ("value", "turkish", "english"),
    [
        ("1204", "bir iki sıfır dört", "one two zero four"),
        (1204, "bir iki sıfır dört", "one two zero four"),
        (Decimal("1204.00"), "bir iki sıfır dört", "one two zero four"),
        ("A-1204", "A, bir iki sıfır dört", "A, one two zero four"),
        ("12ğ3", "bir iki, Ğ, üç", "one two, G, three"),
        ("i1", "İ, bir", "I, one"),
        ("TR33 0006", "T R, üç üç, sıfır sıfır sıfır altı", None),
        ("20481516", "iki sıfır dört, sekiz bir beş, bir altı", None),
        ("1234567", "bir iki üç, dört beş altı yedi", None),
    ],
)
def test_digits(value: object, turkish: str, english: str | None) -> None:
    assert FILTERS["digits"](value, "tr") == turkish
    if english:
        assert FILTERS["digits"](value, "en") == english


def test_groups_of_digits() -> None:
    assert FILTERS["digits"]("1204", "tr", group=2) == "bir iki, sıfır dört"
    assert FILTERS["digits"]("1204567", "en", group=0) == "one two zero four five six seven"


@pytest.mark.parametrize("language", ["tr", "en"])
@given(
    text=st.text("0123456789", min_size=1, max_size=60),
    group=st.one_of(st.none(), st.integers(0, 70)),
)
def test_every_digit_is_said_in_its_place(language: str, text: str, group: int | None) -> None:
    said = FILTERS["digits"](text, language, group=group).replace(",", "").split()
    assert "".join(str(DIGITS[language].index(word)) for word in said) == text


@pytest.mark.parametrize(
    ("value", "turkish", "english"),
    [
        ("Ali@x.com", "A L İ, et, X, nokta, C O M", "A L I, at, X, dot, C O M"),
        ("34 b", "üç dört, boşluk, B", "three four, space, B"),
        ("Iğdır", "I Ğ D I R", "I G D I R"),
        ("a--b", "A, tire, tire, B", "A, dash, dash, B"),
        ("Zoë", "Z O E", "Z O E"),
        ("s\u0327", "Ş", "S"),
        ("weiß", "W E İ S S", "W E I S S"),
    ],
)
def test_spelling(value: str, turkish: str, english: str) -> None:
    assert FILTERS["spell"](value, "tr") == turkish
    assert FILTERS["spell"](value, "en") == english


@pytest.mark.parametrize(
    ("value", "turkish", "english"),
    [
        (
            "+905321112233",
            "sıfır beş yüz otuz iki, yüz on bir, yirmi iki, otuz üç",
            "zero five three two, one one one, two two, three three",
        ),
        ("0532 111 22 33", "sıfır beş yüz otuz iki, yüz on bir, yirmi iki, otuz üç", None),
        ("02120050100", "sıfır iki yüz on iki, sıfır sıfır beş, sıfır bir, sıfır sıfır", None),
        ("4441444", "dört yüz kırk dört, bir, dört yüz kırk dört", None),
        ("08501234567", "sıfır sekiz yüz elli, yüz yirmi üç, kırk beş altmış yedi", None),
        (
            "+442079460958",
            "artı kırk dört, yirmi, yetmiş dokuz kırk altı, sıfır dokuz yüz elli sekiz",
            "plus four four, two zero, seven nine four six, zero nine five eight",
        ),
        ("101", "bir sıfır bir", "one zero one"),
    ],
)
def test_phone_numbers(value: str, turkish: str, english: str | None) -> None:
    assert FILTERS["phone"](value, "tr") == turkish
    if english:
        assert FILTERS["phone"](value, "en") == english


def test_a_phone_number_at_home_in_another_country() -> None:
    assert FILTERS["phone"]("020 7946 0958", "en", region="gb") == (
        "zero two zero, seven nine four six, zero nine five eight"
    )
    assert FILTERS["phone"]("+905321112233", "en", region="GB").startswith("plus nine zero, ")


def test_lists() -> None:
    assert FILTERS["list"](["elma", "armut", "muz"], "tr") == "elma, armut ve muz"
    assert FILTERS["list"](("apples", 2), "en") == "apples and 2"
    assert FILTERS["list"](["a", "b"], "tr", last="or") == "a veya b"
    assert FILTERS["list"](["a"], "en") == "a"


@pytest.mark.parametrize(
    ("name", "value", "options"),
    [
        ("digits", "?", {}),
        ("digits", "", {}),
        ("digits", "--", {}),
        ("digits", -5, {}),
        ("digits", 1.5, {}),
        ("digits", None, {}),
        ("digits", float("inf"), {}),
        ("digits", Decimal("NaN"), {}),
        ("digits", "1" * 101, {}),
        ("digits", "1", {"group": -1}),
        ("digits", "²", {}),
        ("spell", "п", {}),
        ("spell", True, {}),
        ("phone", "anonymous", {}),
        ("phone", "sip:1@x", {}),
        ("phone", "101", {"region": "Turkey"}),
        ("list", "text", {}),
        ("list", [], {}),
        ("list", [None], {}),
        ("list", [" "], {}),
        ("list", {"a": 1}, {}),
        ("list", ["a"], {"last": "xor"}),
        ("lower", None, {}),
    ],
)
def test_what_has_no_words_is_refused(name: str, value: object, options: dict[str, object]) -> None:
    with pytest.raises(CannotSay):
        FILTERS[name](value, "tr", **options)


@given(
    value=st.one_of(st.text(), st.integers(), st.floats(), st.decimals(), st.none(), st.binary())
)
def test_any_value_has_words_or_is_refused(value: object) -> None:
    for name, spoken in FILTERS.items():
        for language in LANGUAGES:
            try:
                said = spoken(value, language=language)
            except CannotSay:
                continue
            assert isinstance(said, str), name


def test_turkish_letters() -> None:
    assert turkish_lower("IĞDIR İZMİR") == "ığdır izmir"
    assert turkish_upper("ığdır izmir") == "IĞDIR İZMİR"
    assert FILTERS["lower"]("ILIK", "tr") == "ılık"
    assert FILTERS["lower"]("MILK", "en") == "milk"
    assert FILTERS["upper"]("izmir", language="tr-TR") == "İZMİR"


@given(st.text("abcçdefgğhıijklmnoöprsştuüvyzqwx"))
def test_turkish_letters_come_back(text: str) -> None:
    assert turkish_lower(turkish_upper(text)) == text
