"""Pops for any CRM: an address to open, and a message for webhooks. Which queues want which is in
`scenarios/queues.yaml`; signing, retries and the outbox are the notifier's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from cti.queues.model import Queues
from cti.screenpop import Pop
from ivr.errors import SantralError
from ivr.services import Notifier

log = logging.getLogger(__name__)
EVENT = "pop"


def fields(pop: Pop) -> Mapping[str, str]:
    """What a template may name (`URL_FIELDS`); "" for what is not known."""
    card = pop.card
    order = card.orders[0] if card and card.orders else {}
    return {
        "call": pop.call,
        "caller": pop.caller,
        "queue": pop.queue,
        "agent": pop.agent.partition("/")[2] or pop.agent,
        "dialled": pop.dialled,
        "language": pop.language,
        "intent": pop.intent,
        "customer": str((card.customer if card else {}).get("id", "")),
        "order": str(order.get("number", "")),
    }


def open_url(template: str, pop: Pop) -> str:
    """The address to open; values are encoded, so none can become another part of it. Pure."""
    return template.format_map({name: quote(text, safe="") for name, text in fields(pop).items()})


def message(pop: Pop) -> dict[str, Any]:
    """What webhooks are told: who, where, and how far; not what was said or keyed. Pure."""
    return {
        "pop": pop.id,
        "revision": pop.revision,
        "state": pop.state.value,
        "at": pop.at,
        "waited": round(pop.waited, 1),
        "path": [station.step for station in pop.path],
        **fields(pop),
    }


class Crm:
    """A listener of the floor: tells the notifier of each change of a pop's state."""

    def __init__(self, queues: Callable[[], Queues], notifier: Notifier) -> None:
        self._queues, self._notifier = queues, notifier
        self._told: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def url(self, pop: Pop) -> str:
        """The page to open beside this pop; "" when its queue has none."""
        queue = self._queues().get(pop.queue)
        return open_url(queue.crm.open, pop) if queue and queue.crm and queue.crm.open else ""

    def on_pop(self, pop: Pop) -> None:
        queue = self._queues().get(pop.queue)
        if not (queue and queue.crm and queue.crm.tell) or self._told.get(pop.id) == pop.state:
            return  # a revision that only brought the customer's card
        self._told[pop.id] = pop.state
        if len(self._told) > 10_000:
            self._told.pop(next(iter(self._told)))
        task = asyncio.ensure_future(self._tell(pop))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, pop: Pop) -> None:
        try:
            await self._notifier.notify(EVENT, message(pop), f"{pop.id}:{pop.state}")
        except SantralError as error:
            log.warning("a pop was not handed on: %s", error)

    async def close(self) -> None:
        await asyncio.gather(*self._tasks, return_exceptions=True)
