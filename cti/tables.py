"""The tables beside the flows: queries, updates, hours, webhooks. Each may be split over files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from cti.db.queries import Query, queries_of
from cti.services.webhooks import Webhook
from ivr.errors import FlowRefused
from ivr.flow.finding import Finding
from ivr.flow.loader import is_flow
from ivr.flow.reader import Document, read_file
from ivr.hours import OpeningHours


@dataclass
class Tables:
    """What is good in a folder, and what was found wrong. A file with a mistake in one of these
    tables gives nothing at all."""

    queries: dict[str, Query] = field(default_factory=dict)
    updates: dict[str, Query] = field(default_factory=dict)
    hours: dict[str, OpeningHours] = field(default_factory=dict)
    webhooks: dict[str, Webhook] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def load_tables(folder: Path) -> Tables:
    """Read every table of a folder. What cannot be read as YAML is left to `check_folder`."""
    tables = Tables()
    for path in sorted(folder.glob("*.yaml")):
        try:
            document = read_file(path)
        except FlowRefused:
            continue
        if is_flow(document) or not isinstance(document.data, dict):
            continue
        found, wrong = queries_of(document)
        hours = dict(_entries(document, "hours", OpeningHours, wrong))
        webhooks = dict(_entries(document, "webhooks", Webhook, wrong))
        if wrong:
            tables.findings += wrong
            continue
        tables.queries |= found["queries"]
        tables.updates |= found["updates"]
        tables.hours |= hours
        tables.webhooks |= webhooks
    return tables


def _entries(
    document: Document, table: str, model: type[BaseModel], wrong: list[Finding]
) -> Iterator[tuple[str, Any]]:
    data = document.data.get(table)
    for name, entry in data.items() if isinstance(data, dict) else ():
        try:
            yield name, model.model_validate(entry)
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_input=False):
                place = (table, name, *detail["loc"])
                message = detail["msg"].removeprefix("Value error, ")
                wrong.append(document.finding(place, "bad-value", message))
