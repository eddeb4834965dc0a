"""Answers by word and by key: what is said by `ivr.sayas` is understood back, and much besides."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ivr.sayas import FILTERS
from ivr.understand import Amount, Day, Digits, Number, OneOf, Phone, Wanted, YesNo
from ivr.understand.kinds import MOST_OTHERS
from ivr.understand.numerals import digit_readings
from ivr.words import fold

TODAY = date(2026, 11, 22)  # a Sunday
LANGUAGES = st.sampled_from(["tr", "en"])
SIGNED = Number(low=Decimal(-(10**15)), whole=False)


def value(wanted: Wanted, text: str, language: str = "tr", today: date = TODAY) -> object:
    found = wanted.spoken(text, language, today)
    return None if found is None else found.value


@given(st.integers(0, 10**15 - 1), LANGUAGES)
def test_numbers_come_back(number: int, language: str) -> None:
    found = Number().spoken(FILTERS["number"](number, language), language, TODAY)
    assert found is not None
    assert (found.value, found.said) == (number, FILTERS["number"](number, language))


@given(st.decimals(-(10**9), 10**9, places=4), LANGUAGES)
def test_decimals_come_back(number: Decimal, language: str) -> None:
    assert value(SIGNED, FILTERS["number"](number, language), language) == number


@given(st.integers(-(10**6), 10**11), LANGUAGES, st.sampled_from(["TRY", "EUR", "USD", "GBP"]))
def test_amounts_come_back(cents: int, language: str, currency: str) -> None:
    amount = Decimal(cents) / 100
    said = FILTERS["money"](amount, language, currency=currency)
    found = Amount(currency, low=Decimal(-(10**4))).spoken(said, language, TODAY)
    assert found is not None
    assert (found.value, found.said) == (amount, said)


@given(st.text("0123456789", min_size=1, max_size=20), LANGUAGES)
def test_digits_come_back(digits: str, language: str) -> None:
    wanted = Digits(len(digits), len(digits))
    assert value(wanted, FILTERS["digits"](digits, language), language) == digits


@given(st.lists(st.integers(1, 999), min_size=1, max_size=6))
def test_digits_said_in_groups_come_back_when_their_number_is_known(groups: list[int]) -> None:
    digits = "".join(map(str, groups))
    said = " ".join(FILTERS["number"](group, "tr") for group in groups)
    found = Digits(len(digits), len(digits)).spoken(said, "tr", TODAY)
    assert found is not None
    assert len(found.value) == len(digits)


@given(st.integers(2_000_000_000, 5_599_999_999), LANGUAGES)
@example(3_802_000_000, "tr")
@example(5_502_005_522, "tr")
def test_phone_numbers_come_back(national: int, language: str) -> None:
    written = f"+90{national}"
    if not phonenumbers.is_valid_number(phonenumbers.parse(written)):
        assert Phone().keyed(f"0{national}", language, TODAY) is None
        return
    said = fold(FILTERS["phone"](written, language), language)
    found = Phone().spoken(said, language, TODAY)
    assert found is not None
    # Words can be several numbers (beş yüz elli iki yüz: 550 200, 552 100). Then each is read back
    # so that it cannot be taken for another, and ours is among them.
    readings = (found, *found.others)
    assert len({one.said for one in readings}) == len(readings)
    assert any(
        f"0{national}" in digits for digits in digit_readings(said.split(), language).values()
    )
    assert len(readings) > MOST_OTHERS or written in [one.value for one in readings]


@given(st.integers(-400, 400), st.integers(0, 800), LANGUAGES)
def test_days_come_back(shift: int, later: int, language: str) -> None:
    today = TODAY + timedelta(days=later)
    day = today + timedelta(days=shift)
    said = FILTERS["date"](day, language, today=today)
    assert value(Day(), said, language, today) == day


@pytest.mark.parametrize(
    ("language", "said", "meant"),
    [
        ("tr", "evet", True),
        ("tr", "EVET, lütfen", True),
        ("tr", "tamam olur", True),
        ("tr", "doğru", True),
        ("tr", "doğru değil", False),
        ("tr", "hayır", False),
        ("tr", "hayır teşekkürler", False),
        ("tr", "yok istemiyorum", False),
        ("tr", "İPTAL", False),
        ("tr", "evet hayır", None),
        ("tr", "bilmem", None),
        ("tr", "", None),
        ("en", "Yes please", True),
        ("en", "that's right", True),
        ("en", "not correct", False),
        ("en", "no", False),
        ("en", "yes no", None),
        ("en", "know", None),
    ],
)
def test_yes_and_no(language: str, said: str, meant: bool | None) -> None:
    assert value(YesNo(), said, language) is meant


@pytest.mark.parametrize(
    ("language", "said", "digits"),
    [
        ("tr", "beş üç iki", "532"),
        ("tr", "beş yüz otuz iki", "532"),
        ("tr", "sıfır beş", "05"),
        ("tr", "on iki otuz dört", "1234"),
        ("tr", "bin beş yüz", "1500"),
        ("tr", "çift yedi beş", "775"),
        ("tr", "12 05", "1205"),
        ("tr", "beş elma", None),
        ("en", "one two oh four", "1204"),
        ("en", "double seven five", "775"),
        ("en", "triple nine", "999"),
        ("en", "twenty one", "21"),
    ],
)
def test_digit_strings(language: str, said: str, digits: str | None) -> None:
    assert value(Digits(), said, language) == digits


def test_the_length_that_is_wanted_decides_between_readings() -> None:
    assert value(Digits(3, 3), "yüz yirmi beş") == "125"
    assert value(Digits(4, 4), "yüz yirmi beş") == "1205"
    assert value(Digits(6, 6), "yüz yirmi beş") == "100205"
    assert value(Digits(7, 9), "yüz yirmi beş") is None
    found = Digits(3, 4).spoken("yüz yirmi beş", "tr", TODAY)
    assert found is not None
    assert [other.value for other in found.others] == ["1205"]
    assert found.confidence < 1


@pytest.mark.parametrize(
    ("language", "said", "number"),
    [
        ("tr", "bin", 1000),
        ("tr", "iki buçuk", Decimal("2.5")),
        ("tr", "yarım", Decimal("0.5")),
        ("tr", "eksi üç virgül beş", Decimal("-3.5")),
        ("tr", "bir bin", None),
        ("tr", "yirmi otuz", None),
        ("tr", "beş altı", None),
        ("en", "a hundred and five", 105),
        ("en", "a thousand", 1000),
        ("en", "two and a half", Decimal("2.5")),
        ("en", "three point one four", Decimal("3.14")),
        ("en", "hundred", None),
        ("en", "a", None),
        ("en", "five hundred thousand", 500_000),
        ("en", "thousand five", None),
    ],
)
def test_numbers(language: str, said: str, number: object) -> None:
    assert value(SIGNED, said, language) == number


def test_numbers_outside_their_bounds_are_no_answer() -> None:
    wanted = Number(Decimal(1), Decimal(10))
    assert value(wanted, "on") == 10
    assert value(wanted, "on bir") is None
    assert value(wanted, "iki buçuk") is None


@pytest.mark.parametrize(
    ("language", "said", "amount"),
    [
        ("tr", "dört yüz elli lira doksan kuruş", "450.90"),
        ("tr", "dört yüz elli lira doksan", "450.90"),
        ("tr", "dört yüz elli", "450"),
        ("tr", "iki buçuk lira", "2.50"),
        ("tr", "iki lira buçuk", "2.50"),
        ("tr", "doksan kuruş", "0.90"),
        ("tr", "on beş virgül doksan lira", "15.90"),
        ("tr", "yüz elma", None),
        ("tr", "yüz lira iki yüz", None),
        ("tr", "yüz lira elli lira", None),
        ("en", "four hundred and fifty lira and ninety kurus", "450.90"),
        ("en", "twelve lira fifty", "12.50"),
    ],
)
def test_amounts(language: str, said: str, amount: str | None) -> None:
    assert value(Amount(), said, language) == (None if amount is None else Decimal(amount))


@pytest.mark.parametrize(
    ("language", "said", "day"),
    [
        ("tr", "bugün", date(2026, 11, 22)),
        ("tr", "Yarın", date(2026, 11, 23)),
        ("tr", "öbür gün", date(2026, 11, 24)),
        ("tr", "üç gün sonra", date(2026, 11, 25)),
        ("tr", "iki hafta sonra", date(2026, 12, 6)),
        ("tr", "bir hafta önce", date(2026, 11, 15)),
        ("tr", "3 Aralık", date(2026, 12, 3)),
        ("tr", "üç aralık", date(2026, 12, 3)),
        ("tr", "3 Aralık'ta", date(2026, 12, 3)),
        ("tr", "üç aralık perşembe", date(2026, 12, 3)),
        ("tr", "üç aralık iki bin yirmi yedi", date(2027, 12, 3)),
        ("tr", "yirmi dokuz şubat", date(2028, 2, 29)),
        ("tr", "bir kasım", date(2027, 11, 1)),
        ("tr", "ayın üçü", date(2026, 12, 3)),
        ("tr", "ayın on beşi", date(2026, 12, 15)),
        ("tr", "ayın yirmi üçü", date(2026, 11, 23)),
        ("tr", "salı", date(2026, 11, 24)),
        ("tr", "salı günü", date(2026, 11, 24)),
        ("tr", "bu salı", date(2026, 11, 24)),
        ("tr", "gelecek salı", date(2026, 11, 24)),
        ("tr", "haftaya salı", date(2026, 11, 24)),
        ("tr", "pazar", date(2026, 11, 29)),
        ("tr", "haftaya", date(2026, 11, 29)),
        ("tr", "otuz iki aralık", None),
        ("tr", "sipariş", None),
        ("en", "tomorrow", date(2026, 11, 23)),
        ("en", "the day after tomorrow", date(2026, 11, 24)),
        ("en", "in three days", date(2026, 11, 25)),
        ("en", "in a week", date(2026, 11, 29)),
        ("en", "two weeks ago", date(2026, 11, 8)),
        ("en", "December 3rd", date(2026, 12, 3)),
        ("en", "the third of December", date(2026, 12, 3)),
        ("en", "december twenty first", date(2026, 12, 21)),
        ("en", "3 December 2027", date(2027, 12, 3)),
        ("en", "december third twenty twenty seven", date(2027, 12, 3)),
        ("en", "next Tuesday", date(2026, 11, 24)),
        ("en", "the thirtieth", date(2026, 11, 30)),
        ("en", "thirty first of november", None),
    ],
)
def test_days(language: str, said: str, day: date | None) -> None:
    assert value(Day(), said, language) == day


def test_a_day_that_two_can_be_keeps_the_other_one() -> None:
    wednesday = date(2026, 11, 25)
    found = Day().spoken("gelecek cuma", "tr", wednesday)
    assert found is not None
    assert found.value == date(2026, 12, 4)
    assert [other.value for other in found.others] == [date(2026, 11, 27)]
    assert found.said == "4 Aralık Cuma"


def test_bounds_choose_among_the_days_a_text_can_mean() -> None:
    assert value(Day(latest=TODAY), "bir kasım") == date(2026, 11, 1)
    assert value(Day(earliest=TODAY), "dün") is None


@pytest.mark.parametrize(
    ("wanted", "keys", "meant"),
    [
        (YesNo(), "1", True),
        (YesNo(), "2", False),
        (YesNo(), "3", None),
        (Digits(4, 6), "1204", "1204"),
        (Digits(4, 6), "12", None),
        (Digits(4, 6), "12*4", None),
        (Number(), "42", 42),
        (Number(), "4*2", None),
        (Amount(), "450*90", Decimal("450.90")),
        (Amount(), "450", Decimal(450)),
        (Amount(), "450*999", None),
        (Amount(), "*", None),
        (Day(), "0312", date(2026, 12, 3)),
        (Day(), "03122027", date(2027, 12, 3)),
        (Day(), "031227", date(2027, 12, 3)),
        (Day(), "0113", None),
        (Day(), "31", None),
        (Phone(), "05321234567", "+905321234567"),
        (Phone(), "00442071838750", "+442071838750"),
        (Phone(), "123", None),
        (OneOf({"mavi": (), "kırmızı": ()}), "2", "kırmızı"),
        (OneOf({"mavi": (), "kırmızı": ()}), "3", None),
        (OneOf({"mavi": ()}), "0", None),
    ],
)
def test_keys(wanted: Wanted, keys: str, meant: object) -> None:
    found = wanted.keyed(keys, "tr", TODAY)
    assert (None if found is None else found.value) == meant


SHOES = OneOf({"Kırmızı Ayakkabı": ("ayakkabı",), "Mavi Gömlek": (), "Mavi Ceket": ()})


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("kırmızı ayakkabı", "Kırmızı Ayakkabı"),
        ("KIRMIZI AYAKKABI", "Kırmızı Ayakkabı"),
        ("kirmizi ayakkabi", "Kırmızı Ayakkabı"),
        ("ayakkabı olsun", "Kırmızı Ayakkabı"),
        ("mavi gömlek", "Mavi Gömlek"),
        ("mavi gömle", "Mavi Gömlek"),
        ("gömlek", "Mavi Gömlek"),
        ("terlik", None),
        ("", None),
    ],
)
def test_one_of_a_list(said: str, meant: str | None) -> None:
    assert value(SHOES, said) == meant


def test_what_fits_two_is_not_sure_and_keeps_both() -> None:
    found = SHOES.spoken("mavi", "tr", TODAY)
    assert found is not None
    assert found.confidence < 0.9
    assert {found.value, *(other.value for other in found.others)} == {"Mavi Gömlek", "Mavi Ceket"}


@pytest.mark.parametrize(
    "wanted", [YesNo(), Digits(), Number(), Amount(), Phone(), Day(), SHOES], ids=repr
)
@given(text=st.text(max_size=60), language=LANGUAGES)
def test_whatever_is_said_is_understood_or_not(wanted: Wanted, text: str, language: str) -> None:
    found = wanted.spoken(text, language, TODAY)
    assert found is None or (found.said and 0 <= found.confidence <= 1)
    wanted.keyed(text, language, TODAY)


@pytest.mark.parametrize("wanted", [YesNo(), Digits(), Number(), Amount(), Phone(), Day()])
@pytest.mark.parametrize("language", ["tr", "en"])
def test_words_are_phrases_for_a_recogniser(wanted: Wanted, language: str) -> None:
    words = wanted.words(language)
    assert len(set(words)) == len(words)
    assert all(word == word.strip() and word for word in words)


@given(
    st.lists(
        st.sampled_from(Digits().words("tr") + Amount().words("tr") + Day().words("tr")),
        max_size=12,
    )
)
def test_words_in_any_order_break_nothing(words: list[str]) -> None:
    for wanted in (Digits(), Number(), Amount(), Phone(), Day()):
        wanted.spoken(" ".join(words), "tr", TODAY)


def test_an_amount_of_more_digits_than_there_is_money_is_none() -> None:
    assert Amount().keyed("9" * 15, "tr", TODAY) is None
    assert Amount().spoken("dokuz yüz doksan dokuz " * 9, "tr", TODAY) is None
    assert Amount()._understood(Decimal("1" * 29), "tr") is None
