from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cti.journal.line import (
    Damaged,
    Row,
    decode,
    dumps,
    encode,
    encode_row,
    entry,
    loads,
    row_of,
    split,
)
from ivr.events import KINDS, Entry, VariableSet
from tests.cti.journal.samples import EVERY_KIND, conversation


def test_every_kind_of_event_comes_back_as_it_was() -> None:
    assert {type(event) for event in EVERY_KIND} == set(KINDS.values())
    for one in conversation("a"):
        assert entry(decode(encode(one)[:-1])) == one


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.dates() | st.datetimes(timezones=st.just(UTC)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), inner),
    max_leaves=8,
)  # fmt: skip


@given(plain)
def test_values_keep_their_type(value: Any) -> None:
    text = dumps(value)
    assert "\n" not in text
    assert loads(text) == value


@given(st.text(), st.integers(0, 2**31 - 1), st.text())
def test_any_call_id_and_text_is_one_whole_line(call: str, sequence: int, text: str) -> None:
    line = encode_row(call, sequence, 1.5, "VariableSet", dumps({"name": "x", "value": text}))
    assert line.count(b"\n") == 1
    row = decode(line[:-1])
    assert (row.call, row.sequence, row.at) == (call, sequence, 1.5)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("a\0b", "a\ufffdb"),
        ("half \ud83d pair", "half ? pair"),
        (math.nan, "nan"),
        ({"x": [math.inf, "\0"]}, {"x": ["inf", "\ufffd"]}),
        ({1, 2}, [1, 2]),
        ((1, "ğ"), [1, "ğ"]),
        (b"bytes", "b'bytes'"),
        ({"santral:decimal": "no number"}, {"santral:decimal": "no number"}),
        (date(2026, 1, 2), date(2026, 1, 2)),
        (datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)),
        (Decimal("0.10"), Decimal("0.10")),
    ],
)
def test_what_no_database_takes_is_mended(value: Any, kept: Any) -> None:
    text = dumps(value)
    assert "\\u0000" not in text
    text.encode()
    assert loads(text) == kept
    row = row_of(Entry("a", 1, 1.5, VariableSet("x", value)))
    assert decode(encode_row(*row)[:-1]) == row
    assert loads(row.data)["value"] == kept


def test_a_kind_of_a_newer_version_is_left_out() -> None:
    assert entry(Row("a", 1, 0.0, "FaxReceived", "{}")) is None


def test_fields_of_a_newer_version_are_dropped() -> None:
    found = entry(Row("a", 1, 0.0, "LanguageChosen", '{"language":"tr","tone":"warm"}'))
    assert found == Entry("a", 1, 0.0, KINDS["LanguageChosen"]("tr"))


LINES = b"".join(encode(one) for one in conversation("a"))


@given(st.integers(0, len(LINES)))
def test_wherever_it_is_torn_the_whole_lines_before_it_stand(cut: int) -> None:
    whole = LINES[:cut].count(b"\n")
    living = list(split(LINES[:cut], final=False))
    assert [row.sequence for row, _ in living if row] == list(range(1, whole + 1))
    dead = [row for row, _ in split(LINES[:cut], final=True)]
    torn = cut > 0 and LINES[cut - 1 : cut] != b"\n"
    assert [row.sequence for row in dead if row] == (
        list(range(1, whole + 1 + (torn and LINES[cut : cut + 1] == b"\n")))
    )


@given(st.integers(0, len(LINES) - 1), st.integers(1, 255))
def test_an_altered_byte_never_makes_a_wrong_row(place: int, change: int) -> None:
    altered = bytearray(LINES)
    altered[place] ^= change
    rows = [row for row, _ in split(bytes(altered), final=True)]
    good = {decode(line) for line in LINES.split(b"\n")[:-1]}
    assert {row for row in rows if row} <= good
    assert None in rows or len(rows) == len(good)
    assert len([row for row in rows if row]) >= len(good) - 2


@pytest.mark.parametrize("line", [b"", b"x", b"\0" * 50, b"00000000 0 ", b"zzzzzzzz 3 abc"])
def test_what_is_no_line_is_damaged(line: bytes) -> None:
    with pytest.raises(Damaged):
        decode(line)
