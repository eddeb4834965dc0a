"""CSV files of a shop as what its API takes: one line, one order, customer or do-not-call entry.

Read as spreadsheets write them: a comma, a semicolon or a tab between the columns, UTF-8 or the
Turkish Windows code page, amounts as 1.234,50 or 1234.50, columns in any order under English or
Turkish names. Pure: text in, lines out, each either a value or what is wrong with it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from ivr.errors import BadInput

Kind = Literal["orders", "customers", "do_not_call"]
MOST_COLUMNS: Final = 100
LONGEST_CELL: Final = 10_000

# Under which names a column may stand; each is compared without case, accents and punctuation.
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "id": ("event id", "olay no"),
    "event": ("olay",),
    "at": ("time", "zaman", "olay zamani"),
    "order.number": ("number", "order", "siparis", "siparis no", "siparis numarasi"),
    "order.total": ("total", "tutar", "toplam"),
    "order.currency": ("currency", "para birimi"),
    "order.placed_at": ("placed at", "order date", "siparis tarihi"),
    "order.categories": ("categories", "category", "kategori", "kategoriler"),
    "order.delivery_on": ("delivery on", "delivery date", "teslim tarihi", "teslimat tarihi"),
    "order.carrier": ("carrier", "kargo"),
    "order.tracking": ("tracking", "takip no", "kargo takip no"),
    "payment.amount": ("payment amount", "odeme tutari"),
    "payment.reason": ("payment reason", "odeme hatasi"),
    "payment.link": ("payment link", "odeme baglantisi", "odeme linki"),
    "customer.phone": ("phone", "telephone", "mobile", "telefon", "cep", "gsm", "cep telefonu"),
    "customer.name": ("name", "customer", "ad", "ad soyad", "adi soyadi", "musteri"),
    "customer.email": ("email", "e mail", "eposta", "e posta"),
    "customer.language": ("language", "dil"),
    "customer.city": ("city", "sehir", "il"),
    "customer.tier": ("tier", "segment", "seviye"),
    "customer.time_zone": ("time zone", "timezone", "saat dilimi"),
    "customer.country": ("country", "ulke"),
    "customer.consent": ("consent", "izin", "onay", "iletisim izni"),
    "list": ("liste",),
    "reason": ("neden", "sebep"),
    "expires_at": ("expires at", "bitis"),
}  # fmt: skip
NEEDED: Final[Mapping[Kind, tuple[str, ...]]] = {
    "orders": ("order.number", "order.total", "customer.phone"),
    "customers": ("customer.phone",),
    "do_not_call": ("customer.phone",),
}
_YES: Final = frozenset({"1", "true", "yes", "y", "evet", "e", "var", "x"})
_NO: Final = frozenset({"0", "false", "no", "n", "hayir", "h", "yok", "-"})
_FOLD: Final = str.maketrans("çğıöşüâîûÇĞİÖŞÜ", "cgiosuaiucgiosu")


@dataclass(frozen=True, slots=True)
class Wrong:
    """`column` is as it is written in the file; "" for the whole line."""

    column: str
    detail: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the file. `number` counts from 1, the head included, as editors count; either
    `value` is there or `wrong` is not empty."""

    number: int
    value: Any = None
    wrong: tuple[Wrong, ...] = ()


def decoded(content: bytes) -> str:
    """The text of a file; `BadInput` for what is no text."""
    for encoding in ("utf-8-sig", "cp1254"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text
    raise BadInput("this is no text; save it as CSV in UTF-8")


def read(
    text: str, kind: Kind, zone: ZoneInfo, take: Callable[[dict[str, Any]], Any]
) -> Iterator[Line]:
    """The lines of a file. `take` makes a value of a line's columns (or raises ValueError, which a
    ValidationError is); times without a zone are of `zone`. `BadInput` when the head, or the file
    as a whole, cannot be used."""
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(first))
    rows = _rows(reader)
    head = next(rows, (0, []))[1]
    columns = _columns(head, kind)
    for number, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        yield _line(number, cells, head, columns, zone, take)


def kind_of(text: str) -> Kind:
    """What a file is about, by its head; `BadInput` when that cannot be told."""
    first = text.split("\n", 1)[0]
    head = next(csv.reader([first], delimiter=_delimiter(first)), [])
    known = {_KNOWN.get(_folded(name)) for name in head}
    if "order.number" in known:
        return "orders"
    if known & {"list", "reason", "expires_at"}:
        return "do_not_call"
    if "customer.phone" in known and len(known) > 1:
        return "customers"
    raise BadInput("say what the file is about: orders, customers or do_not_call")


def _rows(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Each row with the number of its first line."""
    number = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise BadInput(f"line {number}: {error}") from None
        if cells is None:
            return
        yield number, cells
        number = reader.line_num + 1


def _delimiter(first: str) -> str:
    return max(",;\t", key=first.count)


def _folded(name: str) -> str:
    plain = name.strip().translate(_FOLD).lower()
    return re.sub(r"[^a-z0-9]+", " ", plain).strip()


_KNOWN: Final[Mapping[str, str]] = {
    _folded(name): field for field, names in COLUMNS.items() for name in (field, *names)
}


def _columns(head: list[str], kind: Kind) -> list[str]:
    """The field of each column."""
    if len(head) > MOST_COLUMNS:
        raise BadInput(f"there are more than {MOST_COLUMNS} columns")
    fields: list[str] = []
    known = ", ".join(_short(field) for field in COLUMNS if _fits(field, kind))
    for name in head:
        field = _KNOWN.get(_folded(name))
        if field is None or not _fits(field, kind):
            raise BadInput(f"there is no column '{name}' here (there are {known})")
        if field in fields:
            raise BadInput(f"the column '{name}' is there twice")
        fields.append(field)
    for field in NEEDED[kind]:
        if field not in fields:
            raise BadInput(f"the column '{_short(field)}' is missing")
    return fields


def _short(field: str) -> str:
    return field.partition(".")[2] or field


def _fits(field: str, kind: Kind) -> bool:
    """Whether a column belongs into a file of a kind."""
    if kind == "do_not_call":
        return field in ("customer.phone", "list", "reason", "expires_at")
    if kind == "customers":
        return field.startswith("customer.")
    return field not in ("list", "reason", "expires_at")


def _line(
    number: int,
    cells: list[str],
    head: list[str],
    columns: list[str],
    zone: ZoneInfo,
    take: Callable[[dict[str, Any]], Any],
) -> Line:
    if len(cells) > len(columns):
        return Line(number, wrong=(Wrong("", f"{len(cells)} columns instead of {len(columns)}"),))
    written = dict(zip(columns, head, strict=True))
    made: dict[str, Any] = {}
    try:
        for field, cell in zip(columns, cells, strict=False):
            if text := cell.strip():
                _put(made, field, _value(field, text, zone))
        return Line(number, take(made))
    except ValidationError as error:
        return Line(number, wrong=tuple(_wrong(error, written)))
    except _Cell as wrong:
        return Line(number, wrong=(Wrong(written[wrong.field], wrong.detail),))
    except (ValueError, BadInput) as error:
        return Line(number, wrong=(Wrong("", str(error)),))


class _Cell(Exception):
    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field, self.detail = field, detail


def _put(made: dict[str, Any], field: str, value: Any) -> None:
    group, _, name = field.partition(".")
    if name:
        made.setdefault(group, {})[name] = value
    else:
        made[field] = value


def _value(field: str, text: str, zone: ZoneInfo) -> Any:
    if len(text) > LONGEST_CELL:
        raise _Cell(field, "this is too long")
    if field in ("order.total", "payment.amount"):
        return _amount(text)
    if field == "customer.consent":
        return _yes_or_no(field, text)
    if field == "order.categories":
        return [part.strip() for part in re.split(r"[;|,]", text) if part.strip()]
    if field in ("at", "order.placed_at", "expires_at"):
        return _moment(field, text, zone).isoformat()
    if field == "order.delivery_on":
        return _moment(field, text, zone).date().isoformat()
    return text


def _moment(field: str, text: str, zone: ZoneInfo) -> datetime:
    """`22.11.2026 10:15`, `22/11/2026` or ISO 8601."""
    turkish = re.fullmatch(
        r"(\d{1,2})[./](\d{1,2})[./](\d{4})(?:\s+(\d{1,2}):(\d\d)(?::\d\d)?)?", text
    )
    try:
        if turkish:
            day, month, year, hour, minute = (int(part or 0) for part in turkish.groups())
            return datetime(year, month, day, hour, minute, tzinfo=zone)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _Cell(field, "write a time like 22.11.2026 10:15 or 2026-11-22T10:15") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _amount(text: str) -> str:
    """`1.234,50`, `1,234.50`, `1234,5` and `459.90 TL` as `1234.50`; else as it is."""
    plain = re.sub(r"(?i)\s|TL|TRY|₺|€|\$", "", text)
    last = max(plain.rfind(","), plain.rfind("."))
    if last < 0:
        return plain
    whole, rest = plain[:last], plain[last + 1 :]
    grouped = re.sub(r"[.,]", "", whole)
    if len(rest) == 3 and re.fullmatch(r"\d{1,3}([.,]\d{3})*", whole):
        return f"{grouped}{rest}"  # 1.234 is a thousand and more: money has two decimals
    return f"{grouped}.{rest}"


def _yes_or_no(field: str, text: str) -> bool:
    word = _folded(text) or text
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise _Cell(field, "write yes or no (evet, hayır)")


def _wrong(error: ValidationError, written: Mapping[str, str]) -> Iterator[Wrong]:
    for one in error.errors(include_url=False, include_input=False, include_context=False):
        parts = [str(part) for part in one["loc"]]
        pairs = [".".join(pair) for pair in pairwise(parts)]
        field = next((name for name in (*pairs, *parts) if name in COLUMNS), "")
        missing = one["type"] == "missing"
        detail = "this is missing" if missing else one["msg"].removeprefix("Value error, ")
        yield Wrong(written.get(field, _short(field)), detail)
