"""What the shop tells comes in here: kept once, the rules evaluated, a call planned or refused.

    intake = Intake(OutboundStore(database), ShopStore(database), lambda: campaigns)
    decision = await intake.take(OrderEvent(key="ev-1", name="order.created", at=now,
                                            phone="+905321112233", order={"number": "A1", ...}))

`take` is called after the shop's own tables know the customer and the order (`ShopStore.tell`); it
adds what the shop knows of the customer (name, tier, language, consent, time zone) by the number.
The same key taken again, or a thousand times at once, gives the same decision and one job.

    Decision.decision   call (now), wait (until `at`), never, or none: no campaign listens
    Decision.verdicts   one for each campaign: campaign, verdict, at, why, job, reasons
    Verdict.reasons     Clause(name, holds, value): everything that was looked at
    Decision.closed     jobs that the event has put an end to (`order.cancelled`, …)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from cti.db.store.outbound import OPEN, Job, NewEvent, NewJob, OutboundStore
from cti.dialler import policy
from cti.dialler.campaigns import Campaign, Campaigns, Outcome
from cti.dialler.places import country_of, zones_of
from cti.dialler.policy import Clause, History
from cti.dialler.window import zone_of
from cti.phone import e164

# Which events put an end to calls about which others, of the same order.
CLOSES: Final[Mapping[str, Collection[str]]] = {
    "order.cancelled": ("order.created", "payment.failed", "order.shipped", "order.delivered"),
    "order.shipped": ("order.created",),
    "order.delivered": ("order.created", "order.shipped"),
    "payment.succeeded": ("payment.failed",),
}
NONE: Final = "none"
RANK: Final = ("call", "wait", "never")
Now = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """Something that happened to an order. `key` is its idempotency key; `order`, `payment` and
    `customer` are what rules read. `consent`, `zone` and `country` win over what is known."""

    key: str
    name: str
    at: datetime
    phone: str
    order: Mapping[str, Any]
    payment: Mapping[str, Any] = field(default_factory=dict)
    customer: Mapping[str, Any] = field(default_factory=dict)
    consent: bool | None = None
    zone: str = ""
    country: str = ""
    language: str = ""

    @property
    def number(self) -> str:
        return str(self.order.get("number") or "")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a campaign does about an event; `job` names the call that was planned, or the record of
    why there is none."""

    campaign: str
    verdict: str
    at: datetime | None
    why: str
    job: str
    reasons: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """`new` is False when the event had been taken before. See the module."""

    event: str
    order: str
    new: bool
    verdicts: tuple[Verdict, ...] = ()
    closed: tuple[str, ...] = ()

    @property
    def best(self) -> Verdict | None:
        ranked = sorted(self.verdicts, key=lambda one: RANK.index(one.verdict))
        return ranked[0] if ranked else None

    @property
    def decision(self) -> str:
        return self.best.verdict if self.best else NONE

    @property
    def at(self) -> datetime | None:
        return self.best.at if self.best else None

    @property
    def why(self) -> str:
        return self.best.why if self.best else "no campaign listens for this event"


class Shop(Protocol):
    """What the shop knows of its customers (`cti/db/store/shop.py`)."""

    async def customer(self, phone: str) -> Any: ...


class Intake:
    """`campaigns` gives the rules as they are now; `now` the time. `region` reads numbers without
    a country."""

    def __init__(
        self,
        store: OutboundStore,
        shop: Shop | None,
        campaigns: Callable[[], Campaigns | None],
        *,
        now: Now = lambda: datetime.now(UTC),
        region: str = "TR",
        language: str = "tr",
    ) -> None:
        self._store, self._shop, self._campaigns = store, shop, campaigns
        self._now, self._region, self._language = now, region, language

    async def take(self, event: OrderEvent) -> Decision:
        """Keep the event and decide. `BadInput` for a number that is none or an unknown zone."""
        known = await self._store.event(event.key)
        if known is not None:
            return await self._decided(event.key, *known, new=False)
        now = self._now()
        told = await self.complete(event)
        campaigns = self._campaigns()
        listening = campaigns.of(event.name) if campaigns else {}
        jobs = [await self._job(told, name, one, now) for name, one in listening.items()]
        new = await self._store.keep(told, jobs, now)
        known = await self._store.event(event.key)
        assert known is not None
        return await self._decided(event.key, *known, new=new)

    async def complete(self, event: OrderEvent) -> NewEvent:
        """The event with what the shop knows of the customer, and what the number tells."""
        phone = e164(event.phone, self._region)
        facts = dict(event.customer)
        consent, zone, country, language = event.consent, event.zone, event.country, event.language
        row = await self._shop.customer(phone) if self._shop else None
        if row is not None:
            for name in ("name", "city", "tier", "language"):
                facts.setdefault(name, getattr(row, name))
            consent = row.consent if consent is None else consent
            zone, country = zone or row.time_zone, country or row.country
            language = language or row.language
        for unknown in ("tier", "name", "city"):
            facts.setdefault(unknown, "")
        facts["consent"] = bool(consent)
        if zone:
            zone_of_customer(zone)
        return NewEvent(
            event.key, event.name, event.at, phone, event.number or None,
            {"order": {"categories": [], "items": [], **event.order}, "payment": event.payment},
            facts,
            [zone] if zone else list(zones_of(phone)), country or country_of(phone),
            bool(consent), language or self._language, CLOSES.get(event.name, ()),
        )  # fmt: skip

    async def _job(self, event: NewEvent, name: str, campaign: Campaign, now: datetime) -> NewJob:
        made = policy.plan(
            policy.Event(event.key, event.name, event.at, event.facts),
            *await known_of(self._store, event, name, campaign, now),
            name, campaign, now,
        )  # fmt: skip
        trunk = self._campaigns()
        refused = trunk.trunk(campaign.pace.trunk).refuses(event.phone) if trunk else ""
        reasons = [*made.reasons, Clause("allowed number", not refused, refused or "yes")]
        others = await self._store.of_order(event.order_number) if event.order_number else ()
        other = next((j for j in others if j.campaign == name and j.state == OPEN), None)
        shown = f"job {other.id} is open" if other else "no other is open"
        reasons.append(Clause("one call for an order", other is None, shown))
        never = bool(refused or other) or made.at is None
        return NewJob(
            name, campaign.flow, campaign.priority,
            event.at + timedelta(seconds=campaign.expires),
            policy.Verdict.NEVER if never else made.verdict, None if never else made.at,
            clauses_to_json(reasons),
        )  # fmt: skip

    async def _decided(
        self, key: str, name: str, order: str | None, closed: Sequence[int], *, new: bool
    ) -> Decision:
        jobs = await self._store.of_event(key)
        return Decision(
            name, order or "", new, tuple(verdict_of(job) for job in jobs),
            tuple(str(number) for number in closed),
        )  # fmt: skip


def verdict_of(job: Job) -> Verdict:
    """The last decision about a job."""
    reasons = clauses_of(job.reasons)
    why = policy.Decision(policy.Verdict(job.verdict), job.next_at, reasons).why
    return Verdict(job.campaign, job.verdict, job.next_at, why, str(job.id), reasons)


def customer_of(job: Job | NewEvent, lists: frozenset[str]) -> policy.Customer:
    """Whom a job is about, as the policy asks."""
    zone, *also = job.zones or [""]
    return policy.Customer(
        job.phone, zone, job.country, job.consent, lists, job.customer, tuple(also)
    )


async def known_of(
    store: OutboundStore,
    job: Job | NewEvent,
    name: str,
    campaign: Campaign,
    now: datetime,
    turn: datetime | None = None,
) -> tuple[policy.Customer, History]:
    """The customer and what was dialled, as the policy asks. A call whose end is not known counts
    as unknown; of those about to be dialled the ones count whose turn is before `turn`."""
    known = await store.known(job.phone, name, now, zone_of(campaign.window.zone), turn)
    calls = tuple(
        policy.Dialled(c.at, c.event, c.campaign, Outcome(c.outcome or Outcome.UNKNOWN))
        for c in known.calls
    )
    return customer_of(job, known.lists), History(calls, {known.day: known.count})


def clauses_to_json(reasons: Sequence[Clause]) -> list[Mapping[str, Any]]:
    return [{"name": one.name, "holds": one.holds, "value": one.value} for one in reasons]


def clauses_of(rows: Sequence[Mapping[str, Any]]) -> tuple[Clause, ...]:
    return tuple(Clause(row["name"], row["holds"], row["value"]) for row in rows)


def zone_of_customer(name: str) -> None:
    """`BadInput` for a zone that is none."""
    policy.Customer("", name)
