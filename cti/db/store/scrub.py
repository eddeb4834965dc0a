"""What stays of a call once the person in it is forgotten: its way, not its contents.

A list of what is kept, not of what goes: a kind or a field that is new holds nothing back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Update, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cti.db.callers import callers_of, count_callers
from cti.db.models import call_events, call_facts, calls, outbound_jobs
from cti.services.sealing import sealed

T = TypeVar("T")
BATCH: Final = 200  # calls in one transaction: others write in between

KEPT: Final[Mapping[str, tuple[str, ...]]] = {
    "CallStarted": ("flow", "version", "language", "direction"),
    "CallResumed": ("entry", "outcome"),
    "StepEntered": ("flow", "step", "type", "via", "visit", "depth", "version"),
    "PromptPlayed": ("prompt", "language", "ms", "interrupted"),
    "Heard": ("kind", "confidence", "secret"),
    "LookupDone": ("query", "outcome", "ms"),
    "EffectDone": ("kind", "name", "outcome", "ms"),
    "VariableSet": ("name", "depth", "secret"),
    "LanguageChosen": ("language",),
    "Transferred": ("kind", "why"),
    "RecordingMade": ("ms", "ended_by"),
    "CallTaped": (),
    "Rated": ("question", "scale", "mark"),
    "Failed": ("error", "flow", "step"),
    "CallEnded": ("why", "flow", "step"),
}
# Fields an event cannot be without, and what stands in them then.
EMPTIED: Final[Mapping[str, Mapping[str, Any]]] = {
    "PromptPlayed": {"text": None},
    "Heard": {"text": None},
    "EffectDone": {"key": ""},
    "VariableSet": {"value": None},
    "Transferred": {"to": ""},
    "RecordingMade": {"name": ""},
    "CallTaped": {"name": "", "path": ""},
    "Failed": {"message": ""},
}


def scrub(kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """An event's data without anything of the person's."""
    kept = {name: data[name] for name in KEPT.get(kind, ()) if name in data}
    return {**kept, **EMPTIED.get(kind, {})}


async def scrub_calls(connection: AsyncConnection, ids: Sequence[str]) -> None:
    """Take the person out of calls; their way and their end stay."""
    columns = call_events.c
    change = (
        update(call_events)
        .where(columns.call == bindparam("_call"), columns.sequence == bindparam("_sequence"))
        .values(data=bindparam("_data"))
    )
    query = select(columns.call, columns.sequence, columns.kind, columns.data)
    empty = {"caller": "", "dialled": "", "channel": "", "transferred_to": ""}
    for some in batches(ids):
        rows = (await connection.execute(query.where(columns.call.in_(some)))).all()
        changes = [
            {"_call": call, "_sequence": sequence, "_data": scrub(kind, data)}
            for call, sequence, kind, data in rows
        ]
        if changes:
            await connection.execute(change, changes)
        await connection.execute(update(calls).where(calls.c.id.in_(some)).values(empty))
        who = await callers_of(connection, some)
        theirs = update(call_facts).where(call_facts.c.call.in_(some))
        await connection.execute(theirs.values(caller=""))
        await connection.execute(theirs.where(call_facts.c.direction != "inbound").values(line=""))
        await count_callers(connection, who)


def empty_jobs(which: ColumnElement[bool]) -> Update:
    """Take the person out of outbound jobs; what became of them stays."""
    empty: dict[str, Any] = {
        "phone": "", "customer": {}, "facts": {}, "reasons": [], "details": {},
        "order_number": None,
    }  # fmt: skip
    return update(outbound_jobs).where(which, outbound_jobs.c.phone != "").values(empty)


def batches(of: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(of), BATCH):
        yield of[start : start + BATCH]


def unlink(folder: Path, paths: Iterable[str]) -> None:
    """Remove recordings' files and their texts beside them, sealed or not; a path that leads out of
    their folder is left alone."""
    root = folder.resolve()
    for path in paths:
        file = (root / path).resolve()
        if path and file.is_relative_to(root) and file != root:
            for one in (file, file.with_suffix(".txt")):
                one.unlink(missing_ok=True)
                sealed(one).unlink(missing_ok=True)
