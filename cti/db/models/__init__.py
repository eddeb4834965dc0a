"""Every table, as SQLAlchemy Core sees it. Only `cti/db` reads and writes them.

A change here needs a migration in `migrations/versions`; a test compares the two on both engines.
Times are UTC, money is exact with its currency beside it, telephone numbers are E.164.
"""

from cti.db.models.audit import audit_log, erasures
from cti.db.models.base import metadata
from cti.db.models.calls import (
    call_events,
    calls,
    flow_versions,
    journal_gaps,
    recordings,
    survey_answers,
    survey_invitations,
    survey_people,
)
from cti.db.models.effects import (
    callbacks,
    deliveries,
    delivery_log,
    effects,
    idempotency_keys,
    outbox,
    webhooks,
)
from cti.db.models.facts import agent_spans, call_facts, call_steps, queue_visits
from cti.db.models.outbound import (
    do_not_call,
    outbound_attempts,
    outbound_events,
    outbound_jobs,
    outbound_lanes,
    outbound_numbers,
)
from cti.db.models.people import (
    agents,
    contacts,
    dispositions,
    notes,
    queue_members,
    queues,
    tokens,
    users,
)
from cti.db.models.rollups import (
    COARSE,
    WAITS,
    caller_totals,
    report_mails,
    report_names,
    rollup_agents,
    rollup_calls,
    rollup_local_steps,
    rollup_local_visits,
    rollup_marks,
    rollup_queues,
    rollup_state,
    rollup_steps,
)
from cti.db.models.shop import customers, order_lines, order_statuses, orders

__all__ = [
    "COARSE",
    "WAITS",
    "agent_spans",
    "agents",
    "audit_log",
    "call_events",
    "call_facts",
    "call_steps",
    "callbacks",
    "caller_totals",
    "calls",
    "contacts",
    "customers",
    "deliveries",
    "delivery_log",
    "dispositions",
    "do_not_call",
    "effects",
    "erasures",
    "flow_versions",
    "idempotency_keys",
    "journal_gaps",
    "metadata",
    "notes",
    "order_lines",
    "order_statuses",
    "orders",
    "outbound_attempts",
    "outbound_events",
    "outbound_jobs",
    "outbound_lanes",
    "outbound_numbers",
    "outbox",
    "queue_members",
    "queue_visits",
    "queues",
    "recordings",
    "report_mails",
    "report_names",
    "rollup_agents",
    "rollup_calls",
    "rollup_local_steps",
    "rollup_local_visits",
    "rollup_marks",
    "rollup_queues",
    "rollup_state",
    "rollup_steps",
    "survey_answers",
    "survey_invitations",
    "survey_people",
    "tokens",
    "users",
    "webhooks",
]
