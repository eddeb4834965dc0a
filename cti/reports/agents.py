"""Agents: the time sheet by states and reasons, and the calls they took."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cti.db.models import rollup_agents
from cti.reports.coarse import pieces
from cti.reports.query import Query, visit_sums
from cti.reports.table import Column, Row, Table, mean, share
from ivr.errors import BadInput

NAME: Final = "agents"
TITLE: Final = {"tr": "Temsilciler", "en": "Agents"}
STATES: Final = ("ready", "ringing", "talking", "wrap_up", "paused", "offline")
COLUMNS: Final = (
    Column("agent", "text", {"tr": "Temsilci", "en": "Agent"}),
    Column("signed_in", "seconds", {"tr": "Oturum", "en": "Signed in"}),
    Column("ready", "seconds", {"tr": "Hazır", "en": "Ready"}),
    Column("ringing", "seconds", {"tr": "Çalıyor", "en": "Ringing"}),
    Column("talking", "seconds", {"tr": "Görüşme", "en": "Talking"}),
    Column("wrap_up", "seconds", {"tr": "Toparlama", "en": "Wrap-up"}),
    Column("paused", "seconds", {"tr": "Mola", "en": "Paused"}),
    Column("offline", "seconds", {"tr": "Bağlantısız", "en": "Offline"}),
    Column("pauses", "text", {"tr": "Mola nedenleri", "en": "Pauses by reason"}),
    Column("calls", "count", {"tr": "Görüşülen", "en": "Calls"}, {"outcome": "handled"}),
    Column("aht", "seconds", {"tr": "Ortalama işlem süresi", "en": "AHT"}),
    Column("talk", "seconds", {"tr": "Ortalama görüşme", "en": "Mean talk"}),
    Column("transfer_rate", "percent", {"tr": "Aktarma", "en": "Transfer rate"}),
    Column("occupancy", "percent", {"tr": "Doluluk", "en": "Occupancy"}),
)  # fmt: skip


async def report(connection: AsyncConnection, query: Query) -> Table:
    """One row for each agent. Times of states are not by queue: that filter is for the calls."""
    beyond = set(query.filters) - {"agent", "queue"}
    if beyond:
        raise BadInput(f"This report cannot be filtered by {', '.join(sorted(beyond))}.")
    states, reasons = await _spent(connection, query)
    taken = {
        agent: values
        for (_, agent, outcome), values in (
            await visit_sums(connection, query, ("agent", "outcome"), slots=False)
        ).items()
        if outcome == "handled"
    }
    rows = [
        Row(_values(agent, states.get(agent, {}), reasons.get(agent, {}), taken.get(agent, {})),
            {"agent": agent})
        for agent in sorted({*states, *taken})
    ]  # fmt: skip
    total = _values("", _together(states), _together(reasons), _together(taken))
    return Table(NAME, COLUMNS, rows, Row(total), of="visits")


async def _spent(connection: AsyncConnection, query: Query) -> tuple[Any, Any]:
    """Seconds by agent and state, and by agent and the reason of a pause."""
    states: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    reasons: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    keys = ("agent", "state", "reason")
    for piece in pieces(rollup_agents, keys, query.period.first, query.period.stop):
        columns = [piece.table.c[key] for key in keys]
        asked: Select[Any] = select(*columns, func.sum(piece.table.c.seconds)).where(piece.where)
        if query.agent:
            asked = asked.where(piece.table.c.agent == query.agent)
        for row in await connection.execute(asked.group_by(*columns)):
            agent, state, reason, seconds = tuple(row)
            states[agent][state] += seconds
            if state == "paused":
                reasons[agent][reason] += seconds
    return states, reasons


def _together(by_agent: Any) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for values in by_agent.values():
        for name, value in values.items():
            found[name] += value
    return found


def _values(agent: str, states: Any, reasons: Any, calls: Any) -> dict[str, Any]:
    seconds = {name: states.get(name, 0.0) for name in STATES}
    busy = seconds["talking"] + seconds["ringing"] + seconds["wrap_up"]
    handled = int(calls.get("visits", 0))
    work = sum(calls.get(name, 0.0) for name in ("talked", "held", "wrapped"))
    return {
        "agent": agent,
        "signed_in": sum(seconds.values()),
        **seconds,
        "pauses": ", ".join(
            f"{reason} {spent / 60:.0f} min" for reason, spent in sorted(reasons.items())
        ),
        "calls": handled,
        "aht": mean(work, handled),
        "talk": mean(calls.get("talked", 0.0), handled),
        "transfer_rate": share(calls.get("transferred", 0.0), handled),
        "occupancy": share(busy, busy + seconds["ready"]),
    }
