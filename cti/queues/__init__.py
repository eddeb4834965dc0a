"""Queues: read from `scenarios/queues.yaml`, given to Asterisk without a restart, and how calls are
routed in them: skills, priority, overflow, last agent, call-back.
"""

from cti.queues.callbacks import Callback, State, ahead, settle, turns
from cti.queues.config import Files, apply
from cti.queues.model import Queue, Queues, load_queues
from cti.queues.rendering import personal_queue, render, render_rules
from cti.queues.routing import AgentSkills, Caller, expected_wait, options, penalty

__all__ = [
    "AgentSkills",
    "Callback",
    "Caller",
    "Files",
    "Queue",
    "Queues",
    "State",
    "ahead",
    "apply",
    "expected_wait",
    "load_queues",
    "options",
    "penalty",
    "personal_queue",
    "render",
    "render_rules",
    "settle",
    "turns",
]
