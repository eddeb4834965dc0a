"""`notify` steps: kept in the outbox first, then carried to the desk and to webhooks.

The caller waits only until the message is kept. Each place has a courier of its own, so that one
that is slow or away holds up no other; what was not delivered when the engine ended is delivered
by the next one. A message may arrive twice (its id tells), but is never lost before it is given up,
which the delivery log tells.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from cti.bus import Bus
from cti.db.store.outbox import DONE, FAILED, WAITING, Delivery, OutboxStore
from cti.db.store.webhooks import WebhookStore
from cti.services.http import to_json_plain
from cti.services.webhooks import RegisteredWebhook, Sender, Told, Webhook
from ivr.errors import ServiceFailed

DESK: Final = "desk"  # the place of the desk: a topic of the bus
KEEP_DEADLINE: Final = 3.0  # seconds a caller waits for the outbox
BACKOFF: Final = (1.0, 5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0)
BATCH: Final = 20
LEASE: Final = 60.0  # seconds after which somebody else may deliver what was claimed
FOLLOW: Final = 15.0  # seconds between two looks at the registered webhooks
IDLE: Final = 30.0  # seconds between two looks when nothing is known to wait
log = logging.getLogger(__name__)
Send = Callable[[Delivery], Awaitable[Told]]


class OutboxNotifier:
    """`ivr.services.Notifier`. Made by `open_notifier`."""

    def __init__(
        self,
        store: OutboxStore,
        bus: Bus,
        sender: Sender,
        webhooks: Mapping[str, Webhook],
        backoff: tuple[float, ...] = BACKOFF,
    ) -> None:
        self._store, self._bus, self._sender, self._backoff = store, bus, sender, backoff
        self._webhooks: dict[str, Webhook] = {}
        self._written: dict[str, Webhook] = {}
        self._registered: dict[str, RegisteredWebhook] = {}
        self._couriers: dict[str, asyncio.Task[None]] = {}
        self._wake: dict[str, asyncio.Event] = {}
        self.use(webhooks)

    def use(self, webhooks: Mapping[str, Webhook]) -> None:
        """These are the scenarios' webhooks from now on."""
        self._written = dict(webhooks)
        self._renew()

    def use_registered(self, webhooks: Mapping[str, RegisteredWebhook]) -> None:
        """These are the webhooks that were registered over the API, from now on."""
        self._registered = dict(webhooks)
        self._renew()

    @property
    def written(self) -> Mapping[str, Webhook]:
        """The scenarios' webhooks."""
        return self._written

    def _renew(self) -> None:
        webhooks = {**self._registered, **self._written}
        if self._couriers and webhooks == self._webhooks:
            return
        self._webhooks = webhooks
        for place in (DESK, *self._webhooks):
            self._wake.setdefault(place, asyncio.Event()).set()
            if place not in self._couriers:
                self._couriers[place] = asyncio.create_task(self._carry(place))

    async def notify(self, event: str, data: Mapping[str, Any], key: str) -> None:
        """`ServiceFailed` when it cannot be kept in time."""
        places = [name for name, hook in self._webhooks.items() if hook.wants(event)]
        try:
            async with asyncio.timeout(KEEP_DEADLINE):
                await self._store.put(key, event, to_json_plain(dict(data)), [DESK, *places])
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise ServiceFailed(f"the outbox: {type(error).__name__}") from None
        for place in (DESK, *places):
            self._wake[place].set()

    def wake(self, place: str) -> None:
        """Something is due at a place; it goes out now rather than at the next look."""
        if place in self._wake:
            self._wake[place].set()

    async def close(self) -> None:
        for task in self._couriers.values():
            task.cancel()
        await asyncio.gather(*self._couriers.values(), return_exceptions=True)

    async def _carry(self, place: str) -> None:
        """One courier: what is due goes out, then it sleeps until something is."""
        wake = self._wake[place]
        while True:
            wake.clear()
            try:
                found = await self._store.claim(place, BATCH, LEASE)
                await asyncio.gather(*(self._deliver(place, one) for one in found))
                due = None if found else await self._store.next_due(place)
            except (SQLAlchemyError, OSError) as error:
                log.error("the outbox of %s cannot be read: %s", place, type(error).__name__)
                found, due = (), None
            if found:
                continue
            wait = IDLE if due is None else (due - datetime.now(UTC)).total_seconds()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(max(wait, 0.02), IDLE)):
                    await wake.wait()

    async def _deliver(self, place: str, delivery: Delivery) -> None:
        started = time.monotonic()
        told = self._tell_desk(delivery) if place == DESK else await self._tell(place, delivery)
        ms = round((time.monotonic() - started) * 1000, 1)
        state, wait = DONE, 0.0
        if not told.done:
            over = told.over or delivery.attempts >= len(self._backoff)
            state = FAILED if over else WAITING
            wait = 0.0 if over else self._pause(delivery.attempts)
            what = "given up" if over else f"again in {wait:.0f} s"
            log.warning("%s of %s: %s; %s", delivery.event, place, told.error, what)
        await self._store.note(delivery.id, state, wait, told.status, ms, told.error)

    def _pause(self, attempts: int) -> float:
        """A bit more or less than planned, so that what failed together does not return so."""
        return self._backoff[attempts] * random.uniform(0.8, 1.2)  # noqa: S311 (no secret)

    def _tell_desk(self, delivery: Delivery) -> Told:
        self._bus.publish(DESK, delivery.event, delivery.key, _message(delivery), acknowledge=True)
        return Told(True)

    async def _tell(self, place: str, delivery: Delivery) -> Told:
        hook = self._webhooks.get(place)
        if hook is None:
            return Told(False, error="there is no such webhook any more")
        own = hook.secrets if isinstance(hook, RegisteredWebhook) else ()
        secrets = [secret.get_secret_value() for secret in own]
        return await self._sender.send(hook.url, delivery.key, _message(delivery), secrets)


async def follow_registered(
    store: WebhookStore, notifier: OutboxNotifier, every: float = FOLLOW
) -> None:
    """Keep to the webhooks that are registered, whichever process registers them; for ever."""
    while True:
        try:
            notifier.use_registered(await store.for_sending())
        except (SQLAlchemyError, OSError) as error:
            log.error("the webhooks cannot be read: %s", type(error).__name__)
        await asyncio.sleep(every)


def _message(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.key,
        "event": delivery.event,
        "call": delivery.key.partition(":")[0],
        "at": delivery.made_at.astimezone(UTC).isoformat(),
        "data": dict(delivery.data),
    }


@contextlib.asynccontextmanager
async def open_notifier(
    store: OutboxStore,
    bus: Bus,
    sender: Sender,
    webhooks: Mapping[str, Webhook],
    backoff: tuple[float, ...] = BACKOFF,
) -> AsyncIterator[OutboxNotifier]:
    """A notifier whose couriers work until it is left."""
    notifier = OutboxNotifier(store, bus, sender, webhooks, backoff)
    try:
        yield notifier
    finally:
        await notifier.close()
