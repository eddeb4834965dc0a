"""What reports stand on. Times here are seconds since 1970 UTC, so that they add up in SQL."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table

from cti.db.models.base import count, metadata, seconds, text

# One stay of a caller in a queue; `left` and `ended` are 0 while it goes on.
queue_visits = Table(
    "queue_visits",
    metadata,
    Column("id", String, primary_key=True),
    Column("call", String, nullable=False, index=True),
    Column("leg", String, nullable=False),
    Column("queue", String, nullable=False),
    Column("quarter", Integer, nullable=False, index=True),
    seconds("entered"),
    count("position"),
    count("rings"),
    seconds("left"),
    text("outcome"),  # handled, abandoned, overflow, timeout, callback, …; empty while waiting
    text("agent"),
    seconds("ended"),
    text("ended_by"),  # caller, agent, transfer
    seconds("held"),
    seconds("wrap_up"),
    seconds("changed", index=True),
)

# What an agent did, from when to when. `until` is 0 while it goes on; `seen`: then it still did.
agent_spans = Table(
    "agent_spans",
    metadata,
    Column("id", String, primary_key=True),
    Column("agent", String, nullable=False, index=True),
    Column("state", String, nullable=False),
    text("reason"),
    text("queue"),
    text("call"),
    seconds("since", index=True),
    seconds("until"),
    seconds("seen"),
    seconds("changed", index=True),
)

# One line for each call that reports count; made again whenever something of the call changes.
call_facts = Table(
    "call_facts",
    metadata,
    Column("call", String, primary_key=True),
    Column("quarter", Integer, nullable=False),  # of an hour, counted from 1970 UTC
    seconds("began"),
    seconds("seconds"),
    text("direction"),
    text("line"),
    text("caller"),
    text("flow"),
    text("version"),
    text("language"),
    text("ending"),  # contained, handled, abandoned, diverted, waiting
    text("reason"),
    text("queue"),
    text("agent"),
    seconds("waited"),
    seconds("talked"),
    count("questions"),
    count("no_inputs"),
    count("no_matches"),
    count("faults"),
    count("resumed"),
    count("transfers"),
    Column("mark", Integer),
    Column("followed", Integer),  # 1: the same caller called again within seven days, else 0
    seconds("points"),  # how badly it went, for the worst-served calls
    Index("ix_call_facts_quarter_flow", "quarter", "flow"),
    Index("ix_call_facts_caller_began", "caller", "began"),
    Index("ix_call_facts_points_began", "points", "began"),
    Index("ix_call_facts_queue_quarter", "queue", "quarter"),
    Index("ix_call_facts_agent_quarter", "agent", "quarter"),
)

# A call's way: one line for each step that it was in.
call_steps = Table(
    "call_steps",
    metadata,
    Column("call", String, primary_key=True),
    Column("flow", String, primary_key=True),
    Column("step", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("quarter", Integer, nullable=False),
    text("type"),
    count("first"),  # its place on the call's way, from 1
    count("visits"),
    count("keys"),
    count("speech"),
    count("no_inputs"),
    count("no_matches"),
    count("unsure"),
    count("faults"),
    count("hung_up"),
    count("ended"),
    Index("ix_call_steps_quarter_flow_step", "quarter", "flow", "step"),
)
