"""Sums that reports are read from: by quarters of an hour, longer blocks, and whole days."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table

from cti.db.models.base import count, metadata, phone, seconds, text
from cti.db.types import UtcDateTime

rollup_calls = Table(
    "rollup_calls",
    metadata,
    Column("quarter", Integer, primary_key=True, autoincrement=False),
    *(
        Column(name, String, primary_key=True)
        for name in ("direction", "line", "flow", "version", "language", "ending", "reason")
    ),
    *(count(n) for n in ("calls", "questions", "no_inputs", "no_matches", "faults", "resumed")),
    seconds("seconds"),
    count("known"),  # of these, calls of callers whose number was known
    count("followed"),
)

rollup_steps = Table(
    "rollup_steps",
    metadata,
    Column("quarter", Integer, primary_key=True, autoincrement=False),
    *(Column(name, String, primary_key=True) for name in ("flow", "version", "step", "type")),
    *(
        count(name)
        for name in (
            "calls", "visits", "keys", "speech", "no_inputs", "no_matches", "unsure", "faults",
            "hung_up", "ended",
        )
    ),
)  # fmt: skip

WAITS = (5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300)  # seconds: the service levels one may ask

rollup_queues = Table(
    "rollup_queues",
    metadata,
    Column("quarter", Integer, primary_key=True, autoincrement=False),
    *(Column(name, String, primary_key=True) for name in ("queue", "agent", "outcome")),
    count("visits"),
    count("transferred"),
    *(seconds(name) for name in ("waited", "longest", "talked", "held", "wrapped")),
    *(count(f"within_{wait}") for wait in WAITS),
)

rollup_agents = Table(
    "rollup_agents",
    metadata,
    Column("quarter", Integer, primary_key=True, autoincrement=False),
    *(Column(name, String, primary_key=True) for name in ("agent", "state", "reason")),
    seconds("seconds"),
)

rollup_marks = Table(
    "rollup_marks",
    metadata,
    Column("quarter", Integer, primary_key=True, autoincrement=False),
    *(
        Column(name, String, primary_key=True)
        for name in ("question", "scale", "flow", "queue", "agent", "product")
    ),
    Column("mark", Integer, primary_key=True, autoincrement=False),
    count("answers"),
)

# The same sums over longer blocks of UTC, by fewer keys, so that a year is read at once: `block` is
# a quarter's number divided by how many quarters a block has. What does not begin or end with a
# block is read from the quarters.


def _coarse(name: str, source: Table, quarters: int, keys: tuple[str, ...]) -> Table:
    own = {column.name for column in source.primary_key}
    return Table(
        name,
        metadata,
        Column("block", Integer, primary_key=True, autoincrement=False),
        *(Column(key, source.c[key].type, primary_key=True, autoincrement=False) for key in keys),
        *(
            Column(one.name, one.type, nullable=False, default=0, server_default="0")
            for one in source.c
            if one.name not in own
        ),
        info={"source": source, "quarters": quarters},
    )


COARSE = (
    _coarse("rollup_hours_calls", rollup_calls, 4, ("flow", "ending")),
    _coarse("rollup_hours_queues", rollup_queues, 4, ("queue", "outcome")),
    _coarse("rollup_days_taken", rollup_queues, 96, ("agent", "outcome")),
    _coarse("rollup_days_steps", rollup_steps, 96, ("flow", "version", "step", "type")),
    _coarse("rollup_days_agents", rollup_agents, 96, ("agent", "state", "reason")),
    _coarse(
        "rollup_weeks_marks", rollup_marks, 4 * 7 * 96,
        ("question", "scale", "flow", "queue", "agent", "product", "mark"),
    ),
)  # fmt: skip

# How many calls there are of each caller in `call_facts`.
caller_totals = Table(
    "caller_totals",
    metadata,
    phone("caller", primary_key=True),
    count("calls"),
    Index("ix_caller_totals_calls_caller", "calls", "caller"),
)

# Sums by whole days of the shop's own time (`day`: days since 1970 on its calendar), of the days
# that are over, with what else is known of the call: a filtered year is read from them.
rollup_local_visits = Table(
    "rollup_local_visits",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    *(
        Column(name, String, primary_key=True)
        for name in ("queue", "outcome", "direction", "line", "flow", "version", "language")
    ),
    *(
        Column(one.name, one.type, nullable=False, default=0, server_default="0")
        for one in rollup_queues.c
        if not one.primary_key
    ),
)

rollup_local_steps = Table(
    "rollup_local_steps",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    *(
        Column(name, String, primary_key=True)
        for name in ("flow", "version", "step", "type", "direction", "line", "language", "queue")
    ),
    *(
        Column(one.name, one.type, nullable=False, default=0, server_default="0")
        for one in rollup_steps.c
        if not one.primary_key
    ),
)

# How far each kind of record has been taken into the reports.
rollup_state = Table(
    "rollup_state",
    metadata,
    Column("name", String, primary_key=True),
    seconds("upto"),
)

# The names that there ever was a figure of, so that a filter can offer them and tell a wrong one.
report_names = Table(
    "report_names",
    metadata,
    Column("kind", String, primary_key=True),  # queue, agent, flow, version
    Column("name", String, primary_key=True),
)

# Report mails: each to each person once for its period.
report_mails = Table(
    "report_mails",
    metadata,
    Column("name", String, primary_key=True),
    Column("period", String, primary_key=True),
    Column("recipient", String, primary_key=True),
    Column("state", String, nullable=False),  # claimed, sending, sent, waiting, failed, unknown
    text("by"),  # whoever claimed it last
    Column("at", UtcDateTime, nullable=False, index=True),  # of `waiting`: not before
    count("tries"),
    text("error"),
)
