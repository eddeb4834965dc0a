"""How an utterance is cut into sounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.call import Piece
from ivr.prompts.units import Unit, clean, fixed_units, sign_units, units_of
from ivr.sayas import FILTERS


def value(text: str) -> Piece:
    return Piece(text, fixed=False)


def test_a_whole_prompt_is_one_sound_with_the_pause_its_end_asks_for() -> None:
    assert units_of((Piece("Merhaba, hoş geldiniz."),), "tr") == (
        Unit("Merhaba, hoş geldiniz.", 200),
    )
    assert units_of((Piece("Ana menü"),), "tr") == (Unit("Ana menü", 200),)
    assert units_of((Piece("Hazır mısınız?”"),), "tr")[0].pause == 200


def test_a_sentence_that_goes_on_is_said_so() -> None:
    pieces = (Piece("Tutarı"), value("bin lira"), Piece("tutuyor."))
    assert [unit.text for unit in units_of(pieces, "tr")] == ["Tutarı,", "bin lira,", "tutuyor."]


def test_a_stop_at_the_beginning_ends_what_is_before_and_becomes_a_pause() -> None:
    pieces = (value("kargoda"), Piece(". Tutarı"), value("bin lira"), Piece("."))
    assert units_of(pieces, "tr") == (
        Unit("kargoda", 200),
        Unit("Tutarı,", 30),
        Unit("bin lira", 200),
    )


def test_a_comma_or_stop_between_values_is_a_pause() -> None:
    pieces = (value("bir"), Piece(","), value("iki"), Piece("."), value("elma"), Piece(", evet"))
    assert units_of(pieces, "tr") == (
        Unit("bir,", 150),
        Unit("iki", 200),
        Unit("elma,", 150),
        Unit("evet", 200),
    )
    assert set(units_of(pieces, "tr")[:2]) <= set(sign_units("tr"))


def test_digits_and_letters_of_a_value_are_sounds_of_their_own() -> None:
    pieces = (value(FILTERS["digits"]("A-12", "en")), Piece("is shipped."))
    assert units_of(pieces, "en") == (
        Unit("A,", 150),
        Unit("one,", 60),
        Unit("two,", 60),
        Unit("is shipped.", 200),
    )
    assert [u.text for u in units_of((value("one two"),), "en")] == ["one,", "two"]


def test_a_number_with_other_words_in_it_stays_whole() -> None:
    assert len(units_of((value("yüz yirmi bir"),), "tr")) == 1
    assert len(units_of((Piece("bir iki"),), "tr")) == 1  # fixed: known at load as it is


@given(
    st.text("0123456789ABCÇĞİIÖŞÜXYZ -", min_size=1, max_size=30).filter(
        lambda text: any(sign.isalnum() for sign in text)
    ),
    st.sampled_from([(), ("dedim.",), (".",), (". dedim.",), (",", "dedim."), (".", "dedim.")]),
)
def test_no_digit_or_letter_is_ever_waited_for(text: str, after: tuple[str, ...]) -> None:
    pieces = (value(FILTERS["digits"](text, "tr")), *map(Piece, after))
    ready = {*sign_units("tr"), Unit("dedim.", 200)}
    assert set(units_of(pieces, "tr")) <= ready


@given(st.lists(st.tuples(st.text("ab.,:! ", max_size=6), st.booleans()), max_size=5))
def test_fixed_pieces_are_ready_wherever_they_stand(parts: list[tuple[str, bool]]) -> None:
    pieces = tuple(Piece(text, fixed) for text, fixed in parts)
    values = tuple(piece for piece in pieces if not piece.fixed)
    ready = {unit for piece in pieces if piece.fixed for unit in fixed_units(piece.text)}
    of_values = {unit for piece in values for unit in fixed_units(piece.text)}
    assert set(units_of(pieces, "xx")) <= ready | of_values


@pytest.mark.parametrize("text", ["", " ", "…", "-", "\x00", "()"])
def test_what_has_no_word_is_not_said(text: str) -> None:
    assert units_of((Piece(text),), "tr") == ()
    assert list(fixed_units(text)) == []


def test_texts_are_one_line_without_control_characters() -> None:
    assert clean("İyi\n\tgünler\x07\u200f, s\u0327eker ") == "İyi günler , şeker"


def test_a_language_without_rules_of_its_own_is_cut_all_the_same() -> None:
    assert [u.text for u in units_of((Piece("Hallo"), value("A B")), "de")] == ["Hallo,", "A B"]
    assert list(sign_units("de")) == []
