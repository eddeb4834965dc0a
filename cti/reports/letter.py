"""A report mail as people read it: the figures in the mail itself, tables beside it as files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from cti.reports import REPORTS
from cti.reports.mails import Due
from cti.reports.table import Column, Table

MOST_ROWS: Final = 40  # in the mail itself; the file has all of them
HEADLINE: Final = 6
WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "tr": {
        "day": "Günlük rapor", "week": "Haftalık rapor", "month": "Aylık rapor",
        "total": "Toplam", "more": "Ekteki dosyada {n} satır daha var.",
        "nothing": "Bu dönemde kayıt yok.", "open": "Raporu aç",
        "why": "Bu posta Santral'in {name} zamanlamasıyla gönderildi (scenarios/mails.yaml).",
        "demo": "Bu rakamlarda kimsenin yapmadığı örnek aramalar (demo) da var.",
    },
    "en": {
        "day": "Daily report", "week": "Weekly report", "month": "Monthly report",
        "total": "Total", "more": "The attached file has {n} more rows.",
        "nothing": "There is nothing in this period.", "open": "Open the report",
        "why": "This mail was sent by Santral's schedule {name} (scenarios/mails.yaml).",
        "demo": "These figures hold demo calls that nobody made.",
    },
}  # fmt: skip
MONTHS: Final[Mapping[str, str]] = {
    "tr": "Ocak Şubat Mart Nisan Mayıs Haziran Temmuz Ağustos Eylül Ekim Kasım Aralık",
    "en": "January February March April May June July August September October November December",
}
STYLE: Final = (
    "font-family:system-ui,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;"
    "font-size:14px;color:#1b1f2a"
)


@dataclass(frozen=True, slots=True)
class Sender:
    """`address`: whom mails are from. `url`: where people open the desk; empty: no links."""

    address: str
    url: str = ""


def message_id(due: Due, to: str, sender: Sender) -> str:
    """The same for the same mail, whoever makes it and however often."""
    name = hashlib.sha256(f"{due.name} {due.key} {to}".encode()).hexdigest()[:32]
    return f"<report-{name}@{sender.address.rpartition('@')[2]}>"


def letter(
    due: Due, to: str, tables: Sequence[Table], sender: Sender, *, demo: bool, now: datetime
) -> EmailMessage:
    """The mail to one person. Text for those who read text, HTML for the others."""
    mail, words = due.mail, WORDS[due.mail.language]
    made = EmailMessage()
    made["Subject"] = f"{words[mail.every]}: {_when(due)}"
    made["From"], made["To"] = sender.address, to
    made["Date"] = format_datetime(now)
    made["Message-ID"] = message_id(due, to, sender)
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notices in return
    made.set_content(_text(due, tables, sender, demo))
    made.add_alternative(_html(due, tables, sender, demo), subtype="html")
    for table in tables:
        title = _title(table, mail.language)
        file = f"{table.name}-{due.key}.{mail.attach}"
        if mail.attach == "xlsx":
            made.add_attachment(
                table.to_xlsx(mail.language, title, due.period.zone),
                maintype="application", filename=file,
                subtype="vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            )  # fmt: skip
        elif mail.attach == "csv":
            made.add_attachment(
                "\ufeff" + table.to_csv(mail.language), subtype="csv", filename=file
            )
    return made


def _when(due: Due) -> str:
    first, last = due.period.start, due.period.end - timedelta(seconds=1)
    months = MONTHS[due.mail.language].split()
    if due.mail.every == "month":
        return f"{months[first.month - 1]} {first.year}"
    if first.date() == last.date():
        return f"{first.day} {months[first.month - 1]} {first.year}"
    return (
        f"{first.day} {months[first.month - 1]} - {last.day} {months[last.month - 1]} {last.year}"
    )


def _title(table: Table, language: str) -> str:
    titles = REPORTS[table.name].title
    return titles.get(language) or titles["en"]


def _link(due: Due, table: Table, sender: Sender) -> str:
    last = (due.period.end - timedelta(seconds=1)).date()
    asked = {"from": f"{due.period.start:%Y-%m-%d}", "to": str(last), "by": due.mail.unit}
    return f"{sender.url.rstrip('/')}/reports/{table.name}?{urlencode(asked | due.mail.filters)}"


def _text(due: Due, tables: Sequence[Table], sender: Sender, demo: bool) -> str:
    language, words = due.mail.language, WORDS[due.mail.language]
    lines = [f"{words[due.mail.every]}: {_when(due)}"]
    lines += [words["demo"]] if demo else []
    for table in tables:
        lines += ["", _title(table, language)]
        lines += [f"  {head}: {value}" for head, value in _headline(table, language)]
        if not table.rows:
            lines.append(f"  {words['nothing']}")
        if sender.url:
            lines.append(f"  {_link(due, table, sender)}")
    return "\n".join([*lines, "", words["why"].format(name=due.name), ""])


def _headline(table: Table, language: str) -> list[tuple[str, str]]:
    if table.total is None:
        return []
    return [
        (_head(column, language), shown(table.total.values[column.key], column, language))
        for column in table.columns
        if column.kind not in ("text", "slot", "call", "moment")
        and table.total.values.get(column.key) is not None
    ][:HEADLINE]


def _head(column: Column, language: str) -> str:
    return column.title.get(language) or column.title["en"]


def _html(due: Due, tables: Sequence[Table], sender: Sender, demo: bool) -> str:
    words = WORDS[due.mail.language]
    parts = [
        f'<!doctype html><html lang="{due.mail.language}"><body style="{STYLE}">',
        f"<h1 style='font-size:20px'>{words[due.mail.every]}: {escape(_when(due))}</h1>",
    ]
    if demo:
        parts.append(f"<p style='background:#fff3d6;padding:8px'>{words['demo']}</p>")
    for table in tables:
        parts.append(_table(due, table, sender))
    parts.append(f"<p style='color:#667'>{words['why'].format(name=escape(due.name))}</p>")
    return "\n".join([*parts, "</body></html>"])


def _table(due: Due, table: Table, sender: Sender) -> str:
    language, words = due.mail.language, WORDS[due.mail.language]
    parts = [f"<h2 style='font-size:16px'>{escape(_title(table, language))}</h2>"]
    figures = "".join(
        f"<td style='padding:8px 16px 8px 0'><div style='color:#667'>{escape(head)}</div>"
        f"<div style='font-size:20px;font-weight:700'>{escape(value)}</div></td>"
        for head, value in _headline(table, language)
    )
    if figures:
        parts.append(f"<table role='presentation'><tr>{figures}</tr></table>")
    if table.rows:
        parts.append(_grid(table, language, words["total"], due.period.zone))
    else:
        parts.append(f"<p>{words['nothing']}</p>")
    if len(table.rows) > MOST_ROWS and due.mail.attach != "none":
        parts.append(f"<p>{words['more'].format(n=len(table.rows) - MOST_ROWS)}</p>")
    if sender.url:
        parts.append(f"<p><a href='{escape(_link(due, table, sender))}'>{words['open']}</a></p>")
    return "\n".join(parts)


def _grid(table: Table, language: str, total: str, zone: ZoneInfo) -> str:
    def cells(values: Mapping[str, Any], tag: str = "td") -> str:
        return "".join(
            f"<{tag} style='padding:4px 12px 4px 0;border-bottom:1px solid #dde;"
            f"text-align:{'left' if column.kind in ('text', 'slot', 'call') else 'right'}'>"
            f"{escape(shown(values.get(column.key), column, language, zone))}</{tag}>"
            for column in table.columns
        )

    heads = "".join(
        f"<th scope='col' style='padding:4px 12px 4px 0;text-align:left'>"
        f"{escape(_head(column, language))}</th>"
        for column in table.columns
    )
    rows = "".join(f"<tr>{cells(row.values)}</tr>" for row in table.rows[:MOST_ROWS])
    last = ""
    if table.total is not None:
        first = table.columns[0].key
        last = f"<tr>{cells({**table.total.values, first: total}, 'th')}</tr>"
    return (
        f"<table style='border-collapse:collapse;font-size:13px'><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}{last}</tbody></table>"
    )


def shown(value: Any, column: Column, language: str, zone: ZoneInfo | None = None) -> str:
    """A figure as people write it in this language."""
    if value is None or value == "":
        return ""
    if isinstance(value, str):
        return value
    if column.kind == "moment":
        return f"{datetime.fromtimestamp(value, zone):%d.%m.%Y %H:%M}"
    if column.kind == "seconds":
        minutes, seconds = divmod(round(value), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    digits = {"percent": 1, "number": 2, "money": 2}.get(column.kind, 0)
    text = f"{value:,.{digits}f}"
    if language == "tr":
        text = text.translate(str.maketrans(",.", ".,"))
    return {"percent": f"%{text}" if language == "tr" else f"{text}%"}.get(column.kind, text)
