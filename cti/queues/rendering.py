"""Queues -> the text of queues.conf and queuerules.conf that Asterisk includes. Pure.

Source: Asterisk's `queues.conf.sample` and `app_queue.c`. Measured on 22.10: `QueueReload` takes
half a millisecond, sees a change of an included file within the same second, makes and removes
queues, and keeps dynamic members and callers who wait.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cti.queues.model import PERSONAL, Queue, Queues
from ivr.errors import BadInput
from ivr.prompts.builtin import OFFER

STRATEGIES = {
    "ring_all": "ringall", "least_recent": "leastrecent", "fewest_calls": "fewestcalls",
    "random": "random", "round_robin": "rrmemory", "linear": "linear",
    "weighted_random": "wrandom",
}  # fmt: skip
KEYS_CONTEXT = "santral-queue-keys"
# Our own pause does the wrap-up, so that an agent can end it early. These seconds of Asterisk's own
# only bridge the moment until that pause is in force, and hold when we are not there.
GUARD = 2
NOBODY = "unavailable,invalid,unknown"  # who is paused or busy is there, and will be free again
NOT_FREE = f"{NOBODY},paused,inuse,ringing,wrapup,penalty"
MOST_SAID = 99  # higher numbers are put together as in English, which is wrong in other languages
_SAFE = re.compile(r"[A-Za-z0-9_-]+\Z")
_ALWAYS = (
    "musicclass = default", "retry = 1", "ringinuse = no", "autofill = yes",
    "setinterfacevar = yes", "setqueuevar = yes", "setqueueentryvar = yes",
)  # fmt: skip


def personal_queue(login: str) -> str:
    """The queue that holds one agent only: callers who ask for their last agent try it first."""
    if not _SAFE.match(login):
        raise BadInput(f"{login!r} cannot be part of a queue's name.")
    return f"{PERSONAL}{login}"


def render(queues: Queues, logins: Iterable[str] = ()) -> str:
    """The queues, and a personal one for each agent. Their sounds are `ivr.prompts.builtin`'s."""
    parts = ["; Written by Santral from scenarios/queues.yaml; changes here are lost."]
    parts += [_queue(name, queue) for name, queue in queues.queues.items()]
    parts += [_personal(login) for login in sorted(set(logins))]
    return "\n\n".join(parts) + "\n"


def render_rules(queues: Queues) -> str:
    """The relaxing levels: after so many seconds members with a higher penalty are asked, too."""
    parts = ["; Written by Santral from scenarios/queues.yaml; changes here are lost."]
    for name, queue in queues.queues.items():
        if queue.relax:
            lines = [f"penaltychange => {round(step.after)},{step.by}" for step in queue.relax]
            parts.append("\n".join((f"[{_rule(name)}]", *lines)))
    return "\n\n".join(parts) + "\n"


def _rule(name: str) -> str:
    return f"santral-{name}"


def _queue(name: str, queue: Queue) -> str:
    empty = NOBODY if queue.when_empty == "leave" else "no"
    lines = [
        f"[{name}]",
        *_ALWAYS,
        f"strategy = {STRATEGIES[queue.strategy]}",
        f"timeout = {round(queue.ring)}",
        f"wrapuptime = {min(GUARD, round(queue.wrap_up))}",
        f"servicelevel = {round(queue.service_level)}",
        f"maxlen = {queue.limit}",
        f"weight = {queue.weight}",
        f"joinempty = {empty if queue.when_empty == 'leave' else 'yes'}",
        f"leavewhenempty = {empty}",
        *_announcements(queue),
    ]
    if queue.relax:
        lines.append(f"defaultrule = {_rule(name)}")
    return "\n".join(lines)


def _announcements(queue: Queue) -> list[str]:
    lines = []
    told = queue.announce
    if told is not None and told.every:
        lines += [
            f"announce-frequency = {round(told.every)}",
            "min-announce-frequency = 15",
            f"announce-position = {'limit' if told.position else 'no'}",
            f"announce-position-limit = {MOST_SAID}",
            f"announce-holdtime = {'yes' if told.expected_wait else 'no'}",
            "announce-round-seconds = 0",
        ]
    else:
        lines += ["announce-frequency = 0", "announce-position = no", "announce-holdtime = no"]
    if queue.callback is not None:
        lines.append(f"context = {KEYS_CONTEXT}-{queue.callback.key}")
        lines += [
            f"periodic-announce = {OFFER}{queue.callback.key}",
            f"periodic-announce-frequency = {round(queue.callback.remind)}",
        ]
    return lines


def _personal(login: str) -> str:
    return "\n".join(
        (
            f"[{personal_queue(login)}]",
            *_ALWAYS,
            "strategy = ringall",
            "timeout = 60",
            "wrapuptime = 0",
            "announce-frequency = 0",
            "announce-position = no",
            f"joinempty = {NOT_FREE}",
            f"leavewhenempty = {NOBODY},paused",
        )
    )
