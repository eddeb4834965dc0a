"""What queues and agents did, for the reports: AMI events and presences in, rows out.

`Ledger` is told synchronously and never waits; a task writes what has changed twice a second. While
the database is away the newest state of each row is kept. A visit's id is made of what Asterisk
tells (leg, queue, second of joining), so that two engines on one Asterisk write one row. After a
restart the open visits are found in the database and compared with the Snapshot.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from sqlalchemy import Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.agents.presence import Presence, State
from cti.ami import events as ami
from cti.db.engine import BEGIN
from cti.db.models import agent_spans, queue_visits
from cti.queues.model import PERSONAL
from cti.reports.facts import quarter
from ivr import events as ivr

log = logging.getLogger(__name__)
EVERY: Final = 0.5  # seconds between two writes
SEEN_EVERY: Final = 60.0  # seconds: how exactly a killed engine's last spans end
MOST: Final = 50_000  # rows kept while the database is away
# Asterisk tells "abandoned" of a time-out, too (app_queue.c, queue_exec): what follows decides.
NOT_SERVED: Final = ("", "left", "abandoned")
ASKED: Final = "SantralCallback"


@dataclass(frozen=True, slots=True)
class Stay:
    """A row of `queue_visits`."""

    id: str
    call: str
    leg: str
    queue: str
    entered: float
    position: int = 0
    rings: int = 0
    left: float = 0.0
    outcome: str = ""
    agent: str = ""
    ended: float = 0.0
    ended_by: str = ""
    held: float = 0.0
    wrap_up: float = 0.0

    @property
    def waiting(self) -> bool:
        return not self.left

    @property
    def over(self) -> bool:
        return bool(self.ended)


@dataclass(frozen=True, slots=True)
class Span:
    """A row of `agent_spans`."""

    id: str
    agent: str
    state: str
    reason: str
    queue: str
    call: str
    since: float
    until: float = 0.0
    seen: float = 0.0


class Ledger:
    """`login_of` gives who works at an interface, `queue_meant` the queue that a call in an agent's
    own is for, `clock` seconds since 1970 UTC."""

    def __init__(
        self,
        engine: AsyncEngine,
        login_of: Callable[[str], str | None],
        clock: Callable[[], float],
        queue_meant: Callable[[str, str], str] = lambda call, queue: queue,
    ) -> None:
        self._engine = engine.execution_options(**{BEGIN: "IMMEDIATE"})
        self._reading = engine
        self._login_of, self._clock, self._queue_meant = login_of, clock, queue_meant
        self._stays: dict[str, Stay] = {}
        """By leg: the last visit of each, until the leg is gone and the talk over."""
        self._asks: dict[str, Stay] = {}
        """By leg: who waits for their last agent; a visit once served or given up."""
        self._held: dict[str, float] = {}
        self._spans: dict[str, Span] = {}
        self._changed: dict[tuple[str, str], Stay | Span] = {}
        self._wrap_ups: dict[str, float] = {}
        """Seconds by call; they come after all else of it."""
        self._found: asyncio.Task[None] | None = None
        self._told = 0.0

    # --- what it is told

    def on_event(self, event: ami.Event) -> None:
        """The Manager told something."""
        react = _REACTIONS.get(type(event))
        if react is not None:
            react(self, event)

    def on_entry(self, entry: ivr.Entry) -> None:
        """A caller came back from a queue: the dialplan says why."""
        if isinstance(entry.event, ivr.CallResumed) and entry.event.outcome:
            for stay in self._of_call(entry.call):
                outcome = _OUTCOMES.get(entry.event.outcome)
                if stay.outcome in NOT_SERVED and outcome:
                    self._change(stay, outcome=outcome)

    def on_presence(self, before: Presence, after: Presence) -> None:
        """An agent does something else now."""
        same = (before.state, before.reason, before.call) == (after.state, after.reason, after.call)
        if same and before.login in self._spans:
            return
        at = after.since or self._clock()
        open_span = self._spans.pop(after.login, None)
        if open_span is not None:
            self._write(replace(open_span, until=max(at, open_span.since), seen=at))
            if open_span.state == State.WRAP_UP:
                self._wrap_ups[open_span.call] = max(0.0, at - open_span.since)
        if after.state != State.SIGNED_OUT:
            span = Span(
                f"{after.login}-{at:.3f}", after.login, after.state.value, after.reason,
                after.queue, after.call, at, seen=at,
            )  # fmt: skip
            self._spans[after.login] = span
            self._write(span)

    def _joined(self, event: ami.QueueCallerJoin) -> None:
        channel = event.channel
        earlier = self._stays.get(channel.unique_id)
        if earlier is not None and earlier.outcome in NOT_SERVED:
            self._change(earlier, outcome="overflow", left=earlier.left or event.at)
        call = channel.call or channel.linked_id
        queue = self._queue_meant(call, event.queue)
        stay = Stay(
            f"{channel.unique_id}:{event.queue}:{int(event.at)}", call,
            channel.unique_id, queue, event.at, event.position,
        )  # fmt: skip
        self._asks.pop(channel.unique_id, None)
        if event.queue.startswith(PERSONAL):
            self._asks[channel.unique_id] = stay
            return
        self._stays[channel.unique_id] = stay
        self._write(stay)

    def _called(self, event: ami.AgentCalled) -> None:
        leg = event.channel.unique_id
        stay = self._stays.get(leg)
        if leg in self._asks:
            self._asks[leg] = replace(self._asks[leg], rings=self._asks[leg].rings + 1)
        elif stay is not None and stay.queue == event.queue:
            self._change(stay, rings=stay.rings + 1)

    def _connected(self, event: ami.AgentConnect) -> None:
        self._asked_for(event.channel.unique_id, event.queue)
        stay = self._stays.get(event.channel.unique_id)
        if stay is not None:
            agent = self._login_of(event.interface) or event.member_name or event.interface
            self._change(stay, outcome="handled", left=event.at, agent=agent)

    def _asked_for(self, leg: str, queue: str) -> None:
        """Waiting for their last agent has ended: a visit of the queue they are for."""
        if queue.startswith(PERSONAL) and (stay := self._asks.pop(leg, None)) is not None:
            self._stays[leg] = stay

    def _abandoned(self, event: ami.QueueCallerAbandon) -> None:
        self._asked_for(event.channel.unique_id, event.queue)
        stay = self._stays.get(event.channel.unique_id)
        if stay is not None and stay.outcome != "handled":
            self._change(stay, outcome="abandoned", left=event.at, ended=event.at)

    def _left(self, event: ami.QueueCallerLeave) -> None:
        """Connect and Abandon come before or after this; what else it was is told later."""
        stay = self._stays.get(event.channel.unique_id)
        if stay is not None and stay.waiting and stay.queue == event.queue:
            self._change(stay, outcome="left", left=event.at)

    def _completed(self, event: ami.AgentComplete) -> None:
        stay = self._stays.get(event.channel.unique_id)
        if stay is not None and not stay.ended:
            self._change(stay, ended=event.at, ended_by=event.reason)

    def _user(self, event: ami.UserEvent) -> None:
        if event.name == ASKED and event.channel is not None:
            stay = self._stays.get(event.channel.unique_id)
            if stay is not None and stay.outcome in ("", "left"):
                self._change(stay, outcome="callback", left=stay.left or event.at)

    def _hold(self, event: ami.Hold) -> None:
        self._held.setdefault(event.channel.unique_id, event.at)

    def _unhold(self, event: ami.Unhold) -> None:
        since = self._held.pop(event.channel.unique_id, None)
        if since is not None:
            for stay in self._of_call(event.channel.call or event.channel.linked_id):
                if stay.outcome == "handled":
                    self._change(stay, held=stay.held + max(0.0, event.at - since))

    def _hung_up(self, event: ami.Hangup) -> None:
        if event.channel.unique_id in self._held:
            self._unhold(ami.Unhold(event.at, event.channel))
        self._asks.pop(event.channel.unique_id, None)
        stay = self._stays.pop(event.channel.unique_id, None)
        if stay is not None and not stay.ended:
            left = stay.left or event.at
            outcome = stay.outcome or "abandoned"
            self._change(stay, outcome=outcome, left=left, ended=event.at, gone=True)

    def _snapshot(self, event: ami.Snapshot) -> None:
        """What is so now. The database is asked for visits of before, then both are compared."""
        if self._found is not None:
            self._found.cancel()
        self._found = asyncio.create_task(self._compare(event))

    async def _compare(self, event: ami.Snapshot) -> None:
        while True:
            try:
                known = await self._open_ones()
                break
            except (SQLAlchemyError, OSError, TimeoutError):
                await asyncio.sleep(5.0)
        known |= {stay.leg: stay for stay in self._stays.values() if not stay.over}
        calls = {one.channel.unique_id: one.channel for one in event.channels}
        waiting = {one.unique_id: one for one in event.waiting}
        for leg, stay in known.items():
            if leg in waiting and waiting[leg].queue == stay.queue:
                self._stays[leg] = stay
            elif leg in calls and stay.outcome == "handled":
                self._stays[leg] = stay  # they talk on
            elif stay.waiting:
                gone = leg not in calls
                talks = not gone and bool(calls[leg].connected)
                outcome, ended = "handled" if talks else "unknown", event.at if gone else 0.0
                self._change(stay, outcome=outcome, left=event.at, ended=ended, gone=gone)
            else:
                self._change(stay, ended=event.at, gone=leg not in calls)
        for leg, entry in waiting.items():
            if leg not in self._stays and not entry.queue.startswith(PERSONAL):
                entered = event.at - entry.wait
                call = (calls[leg].call or calls[leg].linked_id) if leg in calls else ""
                stay = Stay(f"{leg}:{entry.queue}:{int(entered)}", call or leg, leg, entry.queue,
                            entered, entry.position)  # fmt: skip
                self._stays[leg] = stay
                self._write(stay)

    async def _open_ones(self) -> dict[str, Stay]:
        columns = [queue_visits.c[name] for name in Stay.__dataclass_fields__]
        asked = select(*columns).where(queue_visits.c.ended == 0).order_by(queue_visits.c.entered)
        async with asyncio.timeout(10), self._reading.connect() as connection:
            rows = await connection.execute(asked)
            return {row.leg: Stay(**row._asdict()) for row in rows}

    # --- changes

    def _of_call(self, call: str) -> list[Stay]:
        return [stay for stay in self._stays.values() if stay.call == call]

    def _change(self, stay: Stay, *, gone: bool = False, **values: Any) -> None:
        new = replace(stay, **values)
        if gone:
            self._stays.pop(stay.leg, None)
        elif self._stays.get(stay.leg) is None or self._stays[stay.leg].id == stay.id:
            self._stays[stay.leg] = new
        self._write(new)

    def _write(self, row: Stay | Span) -> None:
        key = (type(row).__name__, row.id)
        if key not in self._changed and len(self._changed) >= MOST:
            if not self._told:
                log.error("the database is away: what queues and agents do is not kept any more")
                self._told = self._clock()
            return
        self._changed[key] = row

    # --- writing

    async def run(self) -> None:
        """Write what has changed, for ever."""
        await self._close_old_spans()
        seen = self._clock()
        while True:
            await asyncio.sleep(EVERY)
            if self._clock() - seen > SEEN_EVERY:
                seen = self._clock()
                for span in self._spans.values():
                    self._write(replace(span, seen=seen))
            await self.flush()

    async def flush(self) -> None:
        """Write what has changed now; it is kept when the database is away."""
        changed, self._changed = self._changed, {}
        wrapped, self._wrap_ups = self._wrap_ups, {}
        if not changed and not wrapped:
            return
        now = self._clock()
        stays = [
            asdict(one) | {"quarter": quarter(one.entered), "changed": now}
            for one in changed.values()
            if isinstance(one, Stay)
        ]
        spans = [
            asdict(one) | {"changed": now} for one in changed.values() if isinstance(one, Span)
        ]
        try:
            async with asyncio.timeout(10), self._engine.begin() as connection:
                for table, rows in ((queue_visits, stays), (agent_spans, spans)):
                    if rows:
                        await connection.execute(self._upsert(table, rows[0]), rows)
                for call, seconds in wrapped.items():
                    c = queue_visits.c
                    await connection.execute(
                        queue_visits.update()
                        .where(c.call == call, c.outcome == "handled")
                        .values(wrap_up=seconds, changed=now)
                    )
            self._told = 0.0
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("queue records wait for the database: %s", type(error).__name__)
            self._changed = changed | self._changed
            self._wrap_ups = wrapped | self._wrap_ups

    def _upsert(self, table: Table, row: Mapping[str, Any]) -> Any:
        make = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        statement = make(table)
        kept = {name: statement.excluded[name] for name in row if name != "id"}
        kept.pop("wrap_up", None)  # comes after all else, and by itself
        return statement.on_conflict_do_update(index_elements=["id"], set_=kept)

    async def _close_old_spans(self) -> None:
        """What agents did when an engine before us was killed ends where that was last sure."""
        mine = {span.id for span in self._spans.values()}
        c = agent_spans.c
        try:
            async with asyncio.timeout(10), self._engine.begin() as connection:
                await connection.execute(
                    agent_spans.update()
                    .where(c.until == 0, c.id.not_in(mine))
                    .values(until=c.seen, changed=self._clock())
                )
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("old records of agents stay open: %s", type(error).__name__)


_OUTCOMES: Final = {
    "timeout": "timeout", "full": "full", "join_empty": "empty", "leave_empty": "empty",
    "callback": "callback",
}  # fmt: skip
_REACTIONS: Final[Mapping[type[ami.Event], Callable[[Ledger, Any], None]]] = {
    ami.QueueCallerJoin: Ledger._joined,
    ami.AgentCalled: Ledger._called,
    ami.AgentConnect: Ledger._connected,
    ami.QueueCallerAbandon: Ledger._abandoned,
    ami.QueueCallerLeave: Ledger._left,
    ami.AgentComplete: Ledger._completed,
    ami.UserEvent: Ledger._user,
    ami.Hold: Ledger._hold,
    ami.Unhold: Ledger._unhold,
    ami.Hangup: Ledger._hung_up,
    ami.Snapshot: Ledger._snapshot,
}


def login_by_interface(people: Iterable[tuple[str, str]]) -> Callable[[str], str | None]:
    """`login_of` for a fixed list of (login, interface)."""
    logins = {interface: login for login, interface in people}
    return logins.get
