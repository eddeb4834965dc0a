"""CSV files as spreadsheets write them, and what is told of each line."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cti import importing
from cti.importing import Kind, decoded, kind_of, read
from cti.web.api.shapes import read_event
from ivr.errors import BadInput

ZONE = ZoneInfo("Europe/Istanbul")


def as_event(found: dict[str, Any]) -> Any:
    order = found.get("order", {})
    event = found.get("event", "order.created")
    return read_event.validate_python(
        {"id": f"import:{event}:{order.get('number')}", "event": event, **found}
    )


def lines(text: str, kind: Kind = "orders") -> list[importing.Line]:
    return list(read(text, kind, ZONE, as_event if kind == "orders" else dict))


def test_a_turkish_spreadsheet() -> None:
    content = (
        "\ufeffSipariş No;Tutar;Telefon;Ad Soyad;İzin;Kategori;Teslim Tarihi;Sipariş Tarihi\r\n"
        "1234;1.459,90 TL;0532 111 22 33;Ayşe Yılmaz;evet;beyaz eşya, mutfak;25.11.2026;22.11.2026 10:15\r\n"
    ).encode()
    (line,) = lines(decoded(content))
    event = line.value
    assert line.number == 2
    assert (event.order.number, str(event.order.total)) == ("1234", "1459.90")
    assert event.customer.phone == "+905321112233"
    assert event.customer.consent is True
    assert event.order.categories == ("beyaz eşya", "mutfak")
    assert event.order.delivery_on.isoformat() == "2026-11-25"
    assert event.order.placed_at.isoformat() == "2026-11-22T07:15:00+00:00"


def test_the_windows_code_page() -> None:
    content = "number,total,phone,name\n1,5,05321112233,Ümmühan Şahin\n".encode("cp1254")
    (line,) = lines(decoded(content))
    assert line.value.customer.name == "Ümmühan Şahin"


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("459.90", "459.90"),
        ("459,90", "459.90"),
        ("1.459,90", "1459.90"),
        ("1,459.90", "1459.90"),
        ("1.459", "1459.00"),
        ("12.345.678,5", "12345678.50"),
        ("1459", "1459.00"),
        ("459,9 ₺", "459.90"),
        ("0", "0.00"),
    ],
)
def test_amounts_as_people_write_them(written: str, amount: str) -> None:
    (line,) = lines(f"number;total;phone\n1;{written};05321112233\n")
    assert not line.wrong
    assert f"{line.value.order.total:.2f}" == amount


def test_each_line_is_told_by_itself() -> None:
    text = (
        "number,total,phone,consent,event\n"
        "1,10,05321112233,yes,\n"
        "2,-5,05321112233,yes,\n"
        "3,10,not a number,yes,\n"
        "4,10,05321112233,perhaps,\n"
        "\n"
        '"5",10,05321112233,no,order.shipped\n'
        "6,10,05321112233,no,payment.failed\n"
        "7,10,05321112233,no,,too many\n"
        ",10,05321112233,no,\n"
    )
    found = lines(text)
    assert [line.number for line in found] == [2, 3, 4, 5, 7, 8, 9, 10]
    good = [line for line in found if not line.wrong]
    assert [line.value.order.number for line in good] == ["1", "5"]
    wrong = {line.number: line.wrong[0] for line in found if line.wrong}
    assert wrong[3].column == "total"
    assert "negative" in wrong[3].detail
    assert (wrong[4].column, "telephone" in wrong[4].detail) == ("phone", True)
    assert wrong[5].column == "consent"
    assert "missing" in wrong[8].detail
    assert "6 columns instead of 5" in wrong[9].detail
    assert wrong[10].column == "number"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("number,total\n1,2\n", "'phone' is missing"),
        ("number,total,phone,colour\n", "no column 'colour'"),
        ("number,total,phone,telefon\n", "twice"),
        ("", "missing"),
    ],
)
def test_a_head_that_cannot_be_used(text: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        lines(text)


def test_what_a_file_is_about() -> None:
    assert kind_of("number;total;phone\n") == "orders"
    assert kind_of("telefon\tad\n") == "customers"
    assert kind_of("phone,reason\n") == "do_not_call"
    with pytest.raises(BadInput, match="say what"):
        kind_of("phone\n")


def test_no_text_is_no_file() -> None:
    with pytest.raises(BadInput, match="CSV"):
        decoded(b"PK\x03\x04\x00\x00\x08")


@given(st.text(max_size=300))
def test_whatever_stands_in_it_is_told_and_breaks_nothing(text: str) -> None:
    try:
        found = lines("number,total,phone\n" + text)
    except BadInput:
        return
    assert all((line.value is None) == bool(line.wrong) for line in found)
