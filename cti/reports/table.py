"""What a report gives back: columns, rows, totals; and which calls stand behind a cell. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

Kind = Literal["text", "slot", "count", "seconds", "percent", "number", "money", "call", "moment"]
EMPTY: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Column:
    """`title` by language. `where` is what a cell of it adds to its row's `where`; None: there are
    no calls of its own behind it (a mean, a share)."""

    key: str
    kind: Kind
    title: Mapping[str, str]
    where: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """`where` tells which calls the row is about; see `behind`."""

    values: Mapping[str, Any]
    where: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Table:
    """`of` is what one counts: calls, visits, steps or answers."""

    name: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    total: Row | None = None
    of: str = "calls"
    words: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    """By column and value: how it is called, by language."""

    def told(self, row: Row, language: str) -> dict[str, Any]:
        """A row's values, those that have words in words."""
        values = dict(row.values)
        for name, words in self.words.items():
            titles = words.get(values.get(name, ""), {})
            values[name] = titles.get(language) or titles.get("en") or values.get(name)
        return values

    def to_dict(self, language: str = "en") -> dict[str, Any]:
        return {
            "report": self.name,
            "of": self.of,
            "columns": [
                {
                    "key": column.key,
                    "kind": column.kind,
                    "title": column.title.get(language) or column.title["en"],
                    **({"where": dict(column.where)} if column.where is not None else {}),
                }
                for column in self.columns
            ],
            "rows": [
                {"values": _plain(self.told(row, language)), "where": dict(row.where)}
                for row in self.rows
            ],
            "total": None if self.total is None else _plain(self.total.values),
        }

    def to_csv(self, language: str = "en") -> str:
        """With a line of titles. A text that a spreadsheet would take for a formula is quoted."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(
            [column.title.get(language) or column.title["en"] for column in self.columns]
        )
        for row in [*self.rows, *([self.total] if self.total else [])]:
            values = self.told(row, language)
            writer.writerow([_cell(values.get(column.key)) for column in self.columns])
        return out.getvalue()

    def to_xlsx(self, language: str, title: str, zone: ZoneInfo) -> bytes:
        """A workbook with one sheet: numbers as numbers, times of the clock and lengths as such."""
        from openpyxl import Workbook  # takes long to import, and few ask for one
        from openpyxl.styles import Font

        book = Workbook(write_only=True)
        sheet = book.create_sheet(title[:31])
        sheet.freeze_panes = "A2"
        bold = Font(bold=True)
        heads = [c.title.get(language) or c.title["en"] for c in self.columns]
        sheet.append([_styled(sheet, head, font=bold) for head in heads])
        for row in self.rows:
            told = Row(self.told(row, language))
            sheet.append([_typed(sheet, told, column, zone) for column in self.columns])
        if self.total:
            cells = [_typed(sheet, self.total, column, zone) for column in self.columns]
            for cell in cells:
                cell.font = bold
            sheet.append(cells)
        out = io.BytesIO()
        book.save(out)
        return out.getvalue()


FORMATS: Final[Mapping[str, str]] = {
    "seconds": "[h]:mm:ss", "percent": "0.0%", "number": "0.00", "moment": "yyyy-mm-dd hh:mm",
    "count": "0", "money": "#,##0.00",
}  # fmt: skip


def _typed(sheet: Any, row: Row, column: Column, zone: ZoneInfo) -> Any:
    value = row.values.get(column.key)
    if value is not None and column.kind == "seconds":
        value = value / 86400  # a spreadsheet counts days
    elif value is not None and column.kind == "percent":
        value = value / 100
    elif value is not None and column.kind == "moment":
        value = datetime.fromtimestamp(value, zone).replace(tzinfo=None)
    return _styled(sheet, value, number_format=FORMATS.get(column.kind, "@"))


def _styled(sheet: Any, value: Any, **style: Any) -> Any:
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, value=value)
    if isinstance(value, str):
        cell.data_type = "s"  # never a formula
    for name, wanted in style.items():
        setattr(cell, name, wanted)
    return cell


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """For JSON: amounts as text, so that they stay exact."""
    return {
        name: str(value) if isinstance(value, Decimal) else value for name, value in values.items()
    }


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return "" if value is None else value


def share(part: float, whole: float) -> float | None:
    """A percentage; None of nothing."""
    return 100.0 * part / whole if whole else None


def mean(total: float, count: float) -> float | None:
    return total / count if count else None
