"""What a batch of events means for the tables that are kept up from them. Pure.

Events of a call may come late or twice (a dead engine's spool is drained after its successor wrote
more), so every change is told with the sequence it comes from, and the later one wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from cti.journal.line import Row, loads
from cti.phone import e164_or_same

Change = dict[str, Any]
NOTHING: Final[Mapping[str, Any]] = {
    "flow": "", "version": "", "caller": "", "dialled": "", "direction": "", "channel": "",
    "language": "", "language_sequence": 0, "entries": 1, "error": "",
    "ended_at": None, "why": "", "ended_flow": "", "ended_step": "", "ended_sequence": 0,
    "transferred_to": "", "transferred_kind": "", "transferred_sequence": 0,
}  # fmt: skip


@dataclass(slots=True)
class Changes:
    """`calls`: one change a call. `recordings`, `answers`: rows."""

    calls: dict[str, Change] = field(default_factory=dict)
    recordings: list[dict[str, Any]] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ended(self) -> list[str]:
        """Calls that may be over now: either half of what that takes may come last."""
        return [
            call
            for call, change in self.calls.items()
            if change["ended_at"] is not None or change["flow"]
        ]


def project(rows: Iterable[Row], region: str) -> Changes:
    """Fold rows, in their order, into changes. `region` reads numbers without a country."""
    changes = Changes()
    for row in rows:
        if row.kind in ("RecordingMade", "CallTaped"):
            changes.recordings.append(_recording(row))
        elif row.kind == "Rated":
            changes.answers.append(_answer(row))
        apply = _APPLY.get(row.kind)
        if apply is None:
            continue
        change = changes.calls.get(row.call)
        if change is None:
            change = changes.calls[row.call] = {
                "id": row.call, "started_at": moment(row.at), **NOTHING,
            }  # fmt: skip
        change["started_at"] = min(change["started_at"], moment(row.at))
        apply(change, row, loads(row.data), region)
    return changes


def moment(at: float) -> datetime:
    """Seconds since 1970 as a time in UTC."""
    return datetime.fromtimestamp(at, UTC)


def _started(change: Change, row: Row, data: Mapping[str, Any], region: str) -> None:
    for name in ("flow", "version", "direction", "channel"):
        change[name] = str(data.get(name, ""))
    for name in ("caller", "dialled"):
        change[name] = e164_or_same(str(data.get(name, "")), region)
    _language(change, row, data, region)


def _resumed(change: Change, row: Row, data: Mapping[str, Any], region: str) -> None:
    change["entries"] = max(change["entries"], int(data.get("entry", 1)))
    if row.sequence > change["ended_sequence"]:  # what looked like the end was a transfer
        change.update(
            ended_at=None, why="", ended_flow="", ended_step="", ended_sequence=row.sequence
        )


def _language(change: Change, row: Row, data: Mapping[str, Any], region: str) -> None:
    if row.sequence > change["language_sequence"]:
        change.update(language=str(data.get("language", "")), language_sequence=row.sequence)


def _transferred(change: Change, row: Row, data: Mapping[str, Any], region: str) -> None:
    if row.sequence > change["transferred_sequence"]:
        to, kind = str(data.get("to", "")), str(data.get("kind", ""))
        change.update(transferred_to=to, transferred_kind=kind, transferred_sequence=row.sequence)


def _failed(change: Change, row: Row, data: Mapping[str, Any], region: str) -> None:
    change["error"] = str(data.get("error", ""))


def _ended(change: Change, row: Row, data: Mapping[str, Any], region: str) -> None:
    if row.sequence > change["ended_sequence"]:
        change.update(
            ended_at=moment(row.at), why=str(data.get("why", "")),
            ended_flow=str(data.get("flow", "")), ended_step=str(data.get("step", "")),
            ended_sequence=row.sequence,
        )  # fmt: skip


def _recording(row: Row) -> dict[str, Any]:
    data = loads(row.data)
    return {
        "call": row.call, "sequence": row.sequence, "made_at": moment(row.at),
        "name": str(data.get("name", "")), "path": str(data.get("path", "")),
        "ms": int(data.get("ms", 0)), "ended_by": str(data.get("ended_by", "")),
    }  # fmt: skip


def _answer(row: Row) -> dict[str, Any]:
    data = loads(row.data)
    return {
        "call": row.call, "sequence": row.sequence, "at": moment(row.at),
        "question": str(data["question"]), "scale": str(data["scale"]), "mark": int(data["mark"]),
        "product": str(data.get("product", "")),
    }  # fmt: skip


_APPLY: Final[Mapping[str, Callable[[Change, Row, Mapping[str, Any], str], None]]] = {
    "CallStarted": _started,
    "CallResumed": _resumed,
    "LanguageChosen": _language,
    "Transferred": _transferred,
    "Failed": _failed,
    "CallEnded": _ended,
}
