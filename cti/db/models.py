"""Every table, as SQLAlchemy Core sees it. Only `cti/db` reads and writes them.

A change here needs a migration in `migrations/versions`; a test compares the two on both engines.
Times are UTC, money is exact with its currency beside it, telephone numbers are E.164.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from cti.db.types import Money, UtcDateTime, json_type, row_id

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id() -> Column[int]:
    return Column("id", row_id(), primary_key=True, autoincrement=True)


def _text(name: str, **options: Any) -> Column[str]:
    return Column(name, String, nullable=False, default="", server_default="", **options)


def _phone(name: str, **options: Any) -> Column[str]:
    return Column(name, String, **options)


# The demo shop ------------------------------------------------------------------------------------

customers = Table(
    "customers",
    metadata,
    _id(),
    Column("name", String, nullable=False),
    _phone("phone", nullable=False, index=True),
    _text("email"),
    Column("language", String, nullable=False, server_default="tr"),
    _text("city"),
    Column("created_at", UtcDateTime, nullable=False),
    # what calls go by; consent is None when nobody asked them
    _text("tier"),
    _text("time_zone"),
    _text("country"),
    Column("consent", Boolean),
    Column("changed_at", UtcDateTime),
)

order_statuses = Table(
    "order_statuses",
    metadata,
    Column("code", String, primary_key=True),
    Column("tr", String, nullable=False),
    Column("en", String, nullable=False),
)

orders = Table(
    "orders",
    metadata,
    _id(),
    Column("number", String, nullable=False, unique=True),
    Column("customer_id", ForeignKey("customers.id"), nullable=False, index=True),
    Column("status", ForeignKey("order_statuses.code"), nullable=False),
    Column("total", Money, nullable=False),
    Column("currency", String, nullable=False),
    Column("placed_at", UtcDateTime, nullable=False, index=True),
    Column("shipped_at", UtcDateTime),
    Column("expected_on", Date),
    _text("carrier"),
    _text("tracking"),
)

order_lines = Table(
    "order_lines",
    metadata,
    Column("order_id", ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("sku", String, nullable=False),
    Column("name", String, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("unit_price", Money, nullable=False),
    Column("currency", String, nullable=False),
)

# Calls --------------------------------------------------------------------------------------------

# What a call's events add up to; kept up by the journal's drain in the same transaction.
calls = Table(
    "calls",
    metadata,
    Column("id", String, primary_key=True),
    Column("started_at", UtcDateTime, nullable=False, index=True),
    Column("ended_at", UtcDateTime),
    _phone("caller", nullable=False, server_default="", index=True),
    _phone("dialled", nullable=False, server_default=""),
    Column("direction", String, nullable=False, server_default="inbound"),
    _text("flow", index=True),
    Column("version", String, nullable=False, server_default=""),
    Column("language", String, nullable=False, server_default=""),
    _text("channel"),
    Column("entries", Integer, nullable=False, server_default="1"),
    Column("why", String, nullable=False, server_default=""),
    _text("ended_flow"),
    _text("ended_step"),
    _text("transferred_to"),
    Column("transferred_kind", String, nullable=False, server_default=""),
    _text("error"),
    # the sequence of the event each group of columns was last taken from: events may come late
    Column("ended_sequence", Integer, nullable=False, server_default="0"),
    Column("language_sequence", Integer, nullable=False, server_default="0"),
    Column("transferred_sequence", Integer, nullable=False, server_default="0"),
    Column("changed_at", UtcDateTime, nullable=False, index=True),
)

call_events = Table(
    "call_events",
    metadata,
    Column("call", String, primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("at", Float(53), nullable=False),  # seconds since 1970 UTC, to the microsecond
    Column("kind", String, nullable=False),
    Column("data", JSON, nullable=False),  # as it was written: not JSONB, which reorders it
    sqlite_with_rowid=False,  # one tree instead of two: half the work of an insert
)

journal_gaps = Table(
    "journal_gaps",
    metadata,
    Column("id", String, primary_key=True),
    Column("engine", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("events", Integer, nullable=False),
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("detail", Text, nullable=False, server_default=""),
    Column("noted_at", UtcDateTime, nullable=False),
)

recordings = Table(
    "recordings",
    metadata,
    _id(),
    Column("call", String, nullable=False, index=True),
    Column("sequence", Integer, nullable=False),
    Column("name", String, nullable=False),
    Column("path", String, nullable=False),
    Column("ms", Integer, nullable=False),
    Column("ended_by", String, nullable=False),
    Column("made_at", UtcDateTime, nullable=False, index=True),
    Column("transcript", Text),
    Column("transcribed_by", String, nullable=False, server_default=""),
    Column("deleted_at", UtcDateTime),
    UniqueConstraint("call", "sequence"),
)

flow_versions = Table(
    "flow_versions",
    metadata,
    Column("name", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("source", Text, nullable=False),
    Column("first_seen_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime, nullable=False),
    Column("author", String, nullable=False, server_default=""),
    # the shared prompts that it says, which stand in other files
    Column("prompts", json_type(), nullable=False, server_default="{}"),
)

survey_answers = Table(
    "survey_answers",
    metadata,
    _id(),
    Column("call", String, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("question", String, nullable=False),
    Column("scale", String, nullable=False),
    Column("mark", Integer, nullable=False),
    Column("agent_id", ForeignKey("agents.id")),
    Column("at", UtcDateTime, nullable=False, index=True),
    _text("product"),
    UniqueConstraint("call", "sequence"),
)

# Who was asked to take part in a survey, and when last: one line for a person.
survey_people = Table(
    "survey_people",
    metadata,
    _phone("phone", primary_key=True),
    Column("asked_at", UtcDateTime, nullable=False, index=True),
    Column("survey", String, nullable=False),
)

# What was decided for each call, once: asked, not_chosen, lately, unknown.
survey_invitations = Table(
    "survey_invitations",
    metadata,
    Column("key", String, primary_key=True),  # `Conversation.once`
    Column("survey", String, nullable=False),
    Column("call", String, nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("verdict", String, nullable=False),
)

# What calls did to the world ----------------------------------------------------------------------

# The idempotency keys of named writes: a key goes in with the write itself, or neither does.
effects = Table(
    "effects",
    metadata,
    Column("key", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("done_at", UtcDateTime, nullable=False, index=True),
)

# Requests of the shop's API that are carried out once: `status` is NULL until there is an answer.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("owner", String, primary_key=True),  # the token whose key it is
    Column("key", String, primary_key=True),
    Column("fingerprint", String, nullable=False),
    Column("made_at", UtcDateTime, nullable=False, index=True),
    Column("locked_until", UtcDateTime, nullable=False),
    Column("status", Integer),
    Column("body", Text, nullable=False, server_default=""),
)

# What `notify` handed on: kept until everybody who is to have it has it.
outbox = Table(
    "outbox",
    metadata,
    _id(),
    Column("key", String, nullable=False, unique=True),
    Column("event", String, nullable=False),
    Column("data", json_type(), nullable=False),
    Column("made_at", UtcDateTime, nullable=False, index=True),
)

# Webhooks that the shop registered over the API, beside those of the scenarios. `old_secret` signs,
# too, until `old_until`: a receiver has that long to change to the new one.
webhooks = Table(
    "webhooks",
    metadata,
    Column("name", String, primary_key=True),
    Column("url", String, nullable=False),
    Column("events", json_type(), nullable=False),
    Column("secret", String, nullable=False),
    Column("old_secret", String),
    Column("old_until", UtcDateTime),
    Column("made_at", UtcDateTime, nullable=False),
    Column("made_by", String, nullable=False, server_default=""),
)

# One row for each place that a message goes to; `due_at` is also the lease of who delivers it.
deliveries = Table(
    "deliveries",
    metadata,
    _id(),
    Column("message_id", ForeignKey("outbox.id", ondelete="CASCADE"), nullable=False),
    Column("place", String, nullable=False),
    Column("state", String, nullable=False),  # waiting, done, failed
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due_at", UtcDateTime, nullable=False),
    UniqueConstraint("message_id", "place"),
    Index("ix_deliveries_place_state_due_at", "place", "state", "due_at"),
)

delivery_log = Table(
    "delivery_log",
    metadata,
    _id(),
    Column(
        "delivery_id", ForeignKey("deliveries.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("at", UtcDateTime, nullable=False),
    Column("status", Integer),
    Column("ms", Float(53), nullable=False),
    _text("error"),
)

# Callers who want to be called back.
callbacks = Table(
    "callbacks",
    metadata,
    _id(),
    _phone("phone", nullable=False, index=True),
    Column("wanted", String, nullable=False),  # when, in the flow's own words
    Column("language", String, nullable=False),
    _text("call"),
    Column("state", String, nullable=False, server_default="open"),
    Column("made_at", UtcDateTime, nullable=False),
)

# People and queues --------------------------------------------------------------------------------

users = Table(
    "users",
    metadata,
    _id(),
    Column("login", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("password_hash", String, nullable=False),
    Column("role", String, nullable=False),
    Column("language", String, nullable=False, server_default="tr"),
    Column("active", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_login_at", UtcDateTime),
)

tokens = Table(
    "tokens",
    metadata,
    _id(),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", String, nullable=False),  # session or api
    Column("hash", String, nullable=False, unique=True),  # never the token itself
    _text("label"),
    Column("scopes", json_type(), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
)

agents = Table(
    "agents",
    metadata,
    _id(),
    Column("user_id", ForeignKey("users.id", ondelete="SET NULL"), unique=True),
    Column("name", String, nullable=False),
    Column("extension", String, nullable=False, unique=True),  # the name of the SIP account
    Column("phone", String, nullable=False, server_default="web"),  # web, desk
    Column("languages", json_type(), nullable=False),
    Column("skills", json_type(), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

queues = Table(
    "queues",
    metadata,
    Column("name", String, primary_key=True),
    Column("title", String, nullable=False),
    Column("strategy", String, nullable=False),
    Column("wrap_up_seconds", Integer, nullable=False),
    Column("service_level_seconds", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
)

queue_members = Table(
    "queue_members",
    metadata,
    Column("queue", ForeignKey("queues.name", ondelete="CASCADE"), primary_key=True),
    Column("agent_id", ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True),
    Column("penalty", Integer, nullable=False, server_default="0"),
)

dispositions = Table(
    "dispositions",
    metadata,
    Column("code", String, primary_key=True),
    Column("tr", String, nullable=False),
    Column("en", String, nullable=False),
    Column("position", Integer, nullable=False, server_default="0"),
    Column("active", Boolean, nullable=False),
)

notes = Table(
    "notes",
    metadata,
    _id(),
    Column("call", String, index=True),
    _phone("phone", index=True),
    Column("agent_id", ForeignKey("agents.id")),
    Column("disposition", ForeignKey("dispositions.code")),
    Column("text", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

# Every time we spoke, wrote or tried to, with whom, and what came of it.
contacts = Table(
    "contacts",
    metadata,
    _id(),
    _phone("phone", nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("channel", String, nullable=False),  # call, sms, email
    Column("direction", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("call", String, unique=True),
    Column("agent_id", ForeignKey("agents.id")),
    Column("customer_id", ForeignKey("customers.id", ondelete="SET NULL")),
    _text("summary"),
)

# What reports stand on. Times here are seconds since 1970 UTC, so that they add up in SQL ------


def _seconds(name: str, **options: Any) -> Column[float]:
    return Column(name, Float(53), nullable=False, default=0.0, server_default="0", **options)


def _count(name: str, **options: Any) -> Column[int]:
    return Column(name, Integer, nullable=False, default=0, server_default="0", **options)


# One stay of a caller in a queue; `left` and `ended` are 0 while it goes on.
queue_visits = Table(
    "queue_visits",
    metadata,
    Column("id", String, primary_key=True),
    Column("call", String, nullable=False, index=True),
    Column("leg", String, nullable=False),
    Column("queue", String, nullable=False),
    Column("quarter", Integer, nullable=False, index=True),
    _seconds("entered"),
    _count("position"),
    _count("rings"),
    _seconds("left"),
    _text("outcome"),  # handled, abandoned, overflow, timeout, callback, …; empty while waiting
    _text("agent"),
    _seconds("ended"),
    _text("ended_by"),  # caller, agent, transfer
    _seconds("held"),
    _seconds("wrap_up"),
    _seconds("changed", index=True),
)

# What an agent did, from when to when. `until` is 0 while it goes on; `seen`: then it still did.
agent_spans = Table(
    "agent_spans",
    metadata,
    Column("id", String, primary_key=True),
    Column("agent", String, nullable=False, index=True),
    Column("state", String, nullable=False),
    _text("reason"),
    _text("queue"),
    _text("call"),
    _seconds("since", index=True),
    _seconds("until"),
    _seconds("seen"),
    _seconds("changed", index=True),
)

# One line for each call that reports count; made again whenever something of the call changes.
call_facts = Table(
    "call_facts",
    metadata,
    Column("call", String, primary_key=True),
    Column("quarter", Integer, nullable=False),  # of an hour, counted from 1970 UTC
    _seconds("began"),
    _seconds("seconds"),
    _text("direction"),
    _text("line"),
    _text("caller"),
    _text("flow"),
    _text("version"),
    _text("language"),
    _text("ending"),  # contained, handled, abandoned, diverted, waiting
    _text("reason"),
    _text("queue"),
    _text("agent"),
    _seconds("waited"),
    _seconds("talked"),
    _count("questions"),
    _count("no_inputs"),
    _count("no_matches"),
    _count("faults"),
    _count("resumed"),
    _count("transfers"),
    Column("mark", Integer),
    Column("followed", Integer),  # 1: the same caller called again within seven days, else 0
    _seconds("points"),  # how badly it went, for the worst-served calls
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
    _text("type"),
    _count("first"),  # its place on the call's way, from 1
    _count("visits"),
    _count("keys"),
    _count("speech"),
    _count("no_inputs"),
    _count("no_matches"),
    _count("unsure"),
    _count("faults"),
    _count("hung_up"),
    _count("ended"),
    Index("ix_call_steps_quarter_flow_step", "quarter", "flow", "step"),
)

# Roll-ups by quarters of an hour -----------------------------------------------------------------

rollup_calls = Table(
    "rollup_calls",
    metadata,
    Column("quarter", Integer, primary_key=True, autoincrement=False),
    *(
        Column(name, String, primary_key=True)
        for name in ("direction", "line", "flow", "version", "language", "ending", "reason")
    ),
    *(_count(n) for n in ("calls", "questions", "no_inputs", "no_matches", "faults", "resumed")),
    _seconds("seconds"),
    _count("known"),  # of these, calls of callers whose number was known
    _count("followed"),
)

rollup_steps = Table(
    "rollup_steps",
    metadata,
    Column("quarter", Integer, primary_key=True, autoincrement=False),
    *(Column(name, String, primary_key=True) for name in ("flow", "version", "step", "type")),
    *(
        _count(name)
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
    _count("visits"),
    _count("transferred"),
    *(_seconds(name) for name in ("waited", "longest", "talked", "held", "wrapped")),
    *(_count(f"within_{seconds}") for seconds in WAITS),
)

rollup_agents = Table(
    "rollup_agents",
    metadata,
    Column("quarter", Integer, primary_key=True, autoincrement=False),
    *(Column(name, String, primary_key=True) for name in ("agent", "state", "reason")),
    _seconds("seconds"),
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
    _count("answers"),
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
    _phone("caller", primary_key=True),
    _count("calls"),
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
    _seconds("upto"),
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
    _text("by"),  # whoever claimed it last
    Column("at", UtcDateTime, nullable=False, index=True),  # of `waiting`: not before
    _count("tries"),
    _text("error"),
)

# Outbound -----------------------------------------------------------------------------------------

# What the shop told us, once for its key; `facts` is what rules read (`ivr.events.to_json`).
outbound_events = Table(
    "outbound_events",
    metadata,
    Column("key", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    _phone("phone", nullable=False, index=True),
    Column("order_number", String, index=True),
    Column("facts", json_type(), nullable=False),
    Column("closed", json_type(), nullable=False),  # the jobs that it put an end to
    Column("received_at", UtcDateTime, nullable=False, index=True),
)

# What one campaign does about one event: a call to be made, or why there is none.
outbound_jobs = Table(
    "outbound_jobs",
    metadata,
    _id(),
    Column("key", String, nullable=False, unique=True),  # the event's key and the campaign
    Column("event_key", String, nullable=False, index=True),
    Column("event", String, nullable=False),
    Column("campaign", String, nullable=False),
    Column("flow", String, nullable=False),
    _phone("phone", nullable=False, index=True),
    Column("zones", json_type(), nullable=False),  # IANA names; empty: the campaign's own
    Column("country", String, nullable=False),
    Column("consent", Boolean, nullable=False),
    Column("language", String, nullable=False),
    Column("order_number", String, index=True),
    Column("customer", json_type(), nullable=False),
    Column("facts", json_type(), nullable=False),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("state", String, nullable=False),  # open, done, never, cancelled
    Column("verdict", String, nullable=False),  # of the last decision: call, wait, never
    Column("reasons", json_type(), nullable=False),
    Column("decided_at", UtcDateTime, nullable=False),
    Column("result", String, nullable=False, server_default=""),
    Column("details", json_type(), nullable=False),  # of the result: call, recording, …
    Column("next_at", UtcDateTime),
    Column("event_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
    Column("told_at", UtcDateTime),  # the shop was told how it ended
    Index("ix_outbound_jobs_campaign_state", "campaign", "state"),
    Index("ix_outbound_jobs_told_at_state", "told_at", "state"),
)

# An open job has exactly one attempt that has not ended.
outbound_attempts = Table(
    "outbound_attempts",
    metadata,
    Column("id", String, primary_key=True),  # also the call's id, and the channel's
    Column("job_id", ForeignKey("outbound_jobs.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),  # 1 for the job's first attempt
    _phone("phone", nullable=False),
    Column("campaign", String, nullable=False),
    Column("state", String, nullable=False),  # due, claimed, dialling, talked, ended
    Column("due_at", UtcDateTime, nullable=False),
    Column("claimed_by", String),
    Column("claimed_until", UtcDateTime, index=True),
    Column("boot", String, nullable=False, server_default=""),  # which run of Asterisk dials it
    # From the moment that it may have been dialled; empty again when it is known not to have been.
    Column("started_at", UtcDateTime),
    Column("answered_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("outcome", String, nullable=False, server_default=""),
    Column("reasons", json_type(), nullable=False),
    Column("cause", Integer),  # Q.850
    UniqueConstraint("job_id", "number"),
    Index(
        "ix_outbound_attempts_campaign_state_due_at_job_id",
        *("campaign", "state", "due_at", "job_id"),
    ),
    Index("ix_outbound_attempts_campaign_started_at", "campaign", "started_at"),
    Index("ix_outbound_attempts_phone_started_at", "phone", "started_at"),
)

# Numbers that are being called: one call at a time to each.
outbound_numbers = Table(
    "outbound_numbers",
    metadata,
    _phone("phone", primary_key=True),
    Column("attempt", String, nullable=False, index=True),
)

# How fast: the next moment a call may go out by a campaign or a trunk, whichever process dials it.
outbound_lanes = Table(
    "outbound_lanes",
    metadata,
    Column("name", String, primary_key=True),
    Column("next_at", UtcDateTime, nullable=False),
    Column("paused", Boolean, nullable=False),
)

do_not_call = Table(
    "do_not_call",
    metadata,
    _phone("phone", primary_key=True),
    Column("list", String, primary_key=True, server_default="own"),
    Column("reason", String, nullable=False),
    Column("source", String, nullable=False),  # caller, agent, import, law
    Column("added_at", UtcDateTime, nullable=False),
    Column("added_by", String, nullable=False, server_default=""),
    Column("expires_at", UtcDateTime),
)

# Accounts of what was done ------------------------------------------------------------------------

audit_log = Table(
    "audit_log",
    metadata,
    _id(),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("actor", String, nullable=False),
    Column("action", String, nullable=False),
    _text("subject"),
    _text("address"),
    Column("detail", json_type(), nullable=False),
)

# The receipt of an erasure: whom (as a keyed hash), when, by whom, how much; nothing personal.
erasures = Table(
    "erasures",
    metadata,
    Column("id", String, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("subject", String, nullable=False),
    Column("requested_by", String, nullable=False),
    Column("counts", json_type(), nullable=False),
)
