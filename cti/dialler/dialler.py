"""The loop that dials: claims what is due, asks the policy once more, has Asterisk call, and sees
to what follows.

Never twice for one attempt: the intent is in the database before Asterisk hears of it. Whoever
finds an intent without an end asks Asterisk whether it had the channel (`placing.py`); only when it
certainly had not is the attempt dialled, else it counts as dialled.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from cti.ami.actions import Hangup
from cti.ami.bridge import Account, Bridge
from cti.ami.events import UNREAD
from cti.db.store.dialling import Claim, DiallingStore, Lane, Limit
from cti.db.store.outbound import Attempt, Job, OutboundStore
from cti.dialler.campaigns import Campaign, Campaigns, Outcome
from cti.dialler.following import Count, Following, uncounted
from cti.dialler.lines import Line, Lines, NotDialled, Over
from cti.dialler.outcomes import unanswered
from cti.dialler.placing import (
    ANSWERED,
    MACHINE,
    SETTLE,
    Exchange,
    Trunks,
    family_of,
    originate,
    trace_of,
)
from ivr.errors import (
    ActionNotSent,
    ActionRefused,
    JournalUnavailable,
    SantralError,
    TelephonyFault,
)
from ivr.events import Entry
from ivr.services import Notifier

TICK: Final = 0.25  # seconds between two looks for what is due
AHEAD: Final = timedelta(seconds=2)  # how far ahead of its moment an attempt is claimed
BATCH: Final = 200
AGAIN: Final = timedelta(seconds=30)  # until a trunk that took no call is tried again
FENCE: Final = 5.0  # seconds from the intent within which Asterisk has to be asked, or is not
IDLE: Final = 1.0
WATCHED: Final = ("system,call,user", (*UNREAD, "NewCallerid", "NewConnectedLine", "BridgeEnter",
                  "BridgeLeave", "Rename", "DTMFEnd", "AgentCalled", "AgentConnect",
                  "AgentComplete", "AgentRingNoAnswer", "QueueMemberStatus", "QueueCallerJoin",
                  "QueueCallerLeave", "QueueCallerAbandon", "MixMonitorStart"))  # fmt: skip
AWAY: Final = (SQLAlchemyError, OSError, TimeoutError)
History = Callable[[str], Awaitable[Sequence[Entry]]]
T = TypeVar("T")
log = logging.getLogger(__name__)


def new_owner() -> str:
    """A name for this process that no other ever has."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


class Dialler:
    """`await dialler.run()` until cancelled. `campaigns` gives the rules as they are now; one whose
    trunk is not in `trunks` is left to other processes."""

    def __init__(
        self,
        store: DiallingStore,
        outbound: OutboundStore,
        campaigns: Callable[[], Campaigns | None],
        trunks: Trunks,
        account: Account,
        notifier: Notifier,
        history: History,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        count: Count = uncounted,
    ) -> None:
        self._store, self._outbound, self._campaigns = store, outbound, campaigns
        self._trunks, self._account, self._now = trunks, account, now
        self._follow = Following(store, outbound, campaigns, notifier, history, now, count)
        self._count = count
        self.lines = Lines()
        self._tasks: dict[str, asyncio.Task[None]] = {}  # by attempt
        self._wake = asyncio.Event()
        self._bridge: Bridge | None = None

    @property
    def trying(self) -> int:
        """How many attempts are waited for or on the line."""
        return len(self._tasks)

    def wake(self) -> None:
        """Something may be due now."""
        self._wake.set()

    async def run(self) -> None:
        while True:
            try:
                await self._run()
            except Exception:
                # Whatever it is: what was claimed is taken up again, and calls must go out.
                log.exception("the dialler broke and begins anew")
            await asyncio.sleep(IDLE)

    async def _run(self) -> None:
        classes, unread = WATCHED
        bridge = Bridge(self._account, self.lines.on_event, classes=classes, unread=unread)
        async with bridge:
            self._bridge, self._exchange = bridge, Exchange(bridge, self.lines)
            loops = [
                asyncio.create_task(work)
                for work in (
                    self._every(TICK, self._claiming),
                    self._every(self._store.lease.total_seconds() / 4, self._renew),
                    self._every(1.0, self._take_over),
                    self._every(0.5, self._follow.close_what_is_over),
                    self._every(60.0, self._follow.expire),
                    self._every(6 * 3600.0, self._forget),
                )
            ]
            try:
                await asyncio.gather(*loops)
            finally:
                await self._stop(loops)

    async def _stop(self, loops: Collection[asyncio.Task[None]]) -> None:
        tasks = [*loops, *self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(*AWAY):
            async with asyncio.timeout(3):
                await self._store.let_go(self._now())

    async def _every(self, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
        """Again and again; a database or an Asterisk that is away is waited for."""
        away = ""
        while True:
            try:
                await work()
                away = ""
            except (*AWAY, SantralError) as error:
                if type(error).__name__ != away:
                    log.error("the dialler waits: %s: %s", type(error).__name__, error)
                away = type(error).__name__
                await asyncio.sleep(IDLE)
            await asyncio.sleep(seconds)

    async def _claiming(self) -> None:
        """Look for what is due, sooner when told to."""
        while True:
            self._wake.clear()
            await self._claim()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self._wake.wait()

    # --- what is due

    async def _claim(self) -> None:
        campaigns = self._campaigns()
        if campaigns is None or not self.lines.connected.is_set():
            return
        names = [n for n, c in campaigns.by_priority if c.pace.trunk in self._trunks.channels]
        due = await self._store.next_due(names) if names else None
        if due is None or due > self._now():
            return
        for name in names:
            lane = lane_for(campaigns, name)
            for claim in await self._store.claim(lane, self._now(), BATCH, AHEAD):
                self._start(claim.attempt.id, self._attempt(claim, campaigns))

    def _start(self, attempt: str, work: Coroutine[Any, Any, None]) -> None:
        task = self._tasks[attempt] = asyncio.create_task(work)
        task.add_done_callback(lambda task: self._ended(attempt, task))

    def _ended(self, attempt: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(attempt) is task:
            del self._tasks[attempt]
        if not task.cancelled() and (error := task.exception()):
            # Nobody renews its lease any more: it is taken up again when that is over.
            log.error("attempt %s was left: %s", attempt, type(error).__name__, exc_info=error)

    async def _attempt(self, claim: Claim, campaigns: Campaigns) -> None:
        """One claimed attempt, from its moment to its end."""
        attempt, job = claim.attempt, claim.job
        campaign = campaigns.campaigns[job.campaign]
        await asyncio.sleep(max(0.0, (claim.at - self._now()).total_seconds()))
        if not await self._follow.may_dial(claim, campaign, campaigns):
            return
        try:
            boot = await self._exchange.boot()
        except TelephonyFault as error:
            await self._not_dialled(attempt, str(error))
            return
        begun, since = self._now(), time.monotonic()
        if not await self._store.begin(attempt.id, begun, boot):
            return
        channel = self._trunks.channel(campaign.pace.trunk, job.phone)
        with self.lines.following(attempt.id, channel) as line:
            if time.monotonic() - since > FENCE:  # somebody else may hold it by now
                return
            if await self._place(line, attempt, job, campaign, begun):
                await self._see_off(line, attempt, job, begun)

    async def _place(
        self, line: Line, attempt: Attempt, job: Job, campaign: Campaign, begun: datetime
    ) -> bool:
        """Ask for the call; False when it is certain that there is none."""
        assert self._bridge is not None
        try:
            await self._bridge.send(originate(attempt, job, campaign, line.channel, begun))
        except (ActionNotSent, ActionRefused) as error:
            self._count("not_dialled", job.campaign)
            await self._not_dialled(attempt, str(error))
            return False
        except TelephonyFault as error:  # the events will tell, or the next connection
            log.warning("attempt %s: %s", attempt.id, error)
        self._count("dialled", job.campaign)
        return True

    async def _not_dialled(self, attempt: Attempt, why: str, again: timedelta = AGAIN) -> None:
        log.warning("attempt %s was not dialled: %s", attempt.id, why)
        reasons = [{"name": "line", "holds": False, "value": why}]
        await self._store.give_back(attempt.id, self._now() + again, reasons)

    # --- what becomes of it

    async def _see_off(self, line: Line, attempt: Attempt, job: Job, begun: datetime) -> None:
        """Wait for the end of the call, and note it. A channel that vanished while there was no
        connection is asked for."""
        noted = asyncio.create_task(self._note_answer(line))
        try:
            how = await self._end_of(line)
        finally:
            noted.cancel()
        await self._surely(lambda: self._note_end(line, attempt, job, how, begun))

    async def _note_end(
        self, line: Line, attempt: Attempt, job: Job, how: Over | NotDialled, begun: datetime
    ) -> None:
        if isinstance(how, NotDialled):
            await self._not_dialled(attempt, how.why)
        elif how.cause is None:
            await self._resolve(attempt, job, begun)
        elif line.answered_at is None:
            await self._follow.ended(attempt, job, unanswered(how.cause), how.cause, begun)
        else:
            await self._answered_and_over(line, attempt, job, how, begun)

    async def _surely(self, work: Callable[[], Awaitable[T]]) -> T:
        """Until it is done: what is known of a call must not be lost to a database or an Asterisk
        that is away for a while."""
        while True:
            try:
                return await work()
            except (*AWAY, TelephonyFault, JournalUnavailable) as error:
                log.warning("a call's end is kept until it can be noted: %s", type(error).__name__)
                await asyncio.sleep(IDLE)

    async def _answered_and_over(
        self, line: Line, attempt: Attempt, job: Job, how: Over, begun: datetime
    ) -> None:
        campaign = self._follow.campaign(job)
        looked = campaign is None or campaign.machine != "not_looked_for"
        if line.by == "MACHINE" and (campaign is None or campaign.machine == "hang_up"):
            await self._follow.ended(attempt, job, Outcome.MACHINE, how.cause, begun)
        elif looked and not line.by and not await self._follow.has_history(attempt.id):
            await self._follow.ended(attempt, job, Outcome.HUNG_UP_EARLY, how.cause, begun)
        else:
            hint = MACHINE if line.by == "MACHINE" else ""
            await self._store.talked(attempt.id, self._now(), hint, how.cause)

    async def _note_answer(self, line: Line) -> None:
        at = datetime.fromtimestamp(await asyncio.shield(line.answered), UTC)
        with contextlib.suppress(*AWAY):
            await self._store.answered(line.id, at)

    async def _end_of(self, line: Line) -> Over | NotDialled:
        """Until its channel is gone: told by an event, or found gone after a reconnect."""
        while True:
            connects = self.lines.connects
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE):
                    return await asyncio.shield(line.over)
            if self.lines.connects == connects or not self.lines.connected.is_set():
                continue
            await asyncio.sleep(SETTLE)
            if line.id not in self.lines.channels and not line.over.done():
                return Over(None)

    async def _resolve(self, attempt: Attempt, job: Job, begun: datetime) -> None:
        """Nobody saw how it ended: Asterisk knows how far it came, unless it was started anew."""
        same = await self._exchange.boot() == attempt.boot if attempt.boot else False
        trace = await self._exchange.trace(trace_of(attempt.id, begun))
        if trace in {ANSWERED, MACHINE}:
            hint = MACHINE if trace == MACHINE else ""
            await self._store.talked(attempt.id, self._now(), hint, None)
        elif trace or await self._follow.has_history(attempt.id):
            known = same or trace == "failed"
            outcome = Outcome.NO_ANSWER if known else Outcome.UNKNOWN
            await self._follow.ended(attempt, job, outcome, None, begun)
        elif same:
            why = "whoever was to dial it died before it did"
            await self._not_dialled(attempt, why, timedelta())
        else:
            await self._follow.ended(attempt, job, Outcome.UNKNOWN, None, begun)

    # --- what others left

    async def _take_over(self) -> None:
        """Go on with what a dialler that is gone was dialling."""
        if not self.lines.connected.is_set():
            return
        for attempt, job in await self._store.take_over(self._now()):
            if attempt.id not in self._tasks:
                self._start(attempt.id, self._adopt(attempt, job))

    async def _adopt(self, attempt: Attempt, job: Job) -> None:
        begun = attempt.started_at or self._now()
        with self.lines.following(attempt.id) as line:
            await asyncio.sleep(SETTLE)
            if attempt.id in self.lines.channels:
                log.warning("attempt %s is on the line; going on with it", attempt.id)
                if attempt.answered_at is not None:
                    line.up(attempt.answered_at.timestamp())
                how = await self._end_of(line)
                if isinstance(how, Over) and how.cause and line.answered_at is None:
                    cause = how.cause
                    await self._surely(lambda: self._unanswered(attempt, job, cause, begun))
                    return
            await self._surely(lambda: self._resolve(attempt, job, begun))

    async def _unanswered(self, attempt: Attempt, job: Job, cause: int, begun: datetime) -> None:
        """It ended, and nobody here saw it answered: perhaps that was before our time."""
        trace = await self._exchange.trace(trace_of(attempt.id, begun))
        if trace in {ANSWERED, MACHINE}:
            await self._resolve(attempt, job, begun)
        else:
            await self._follow.ended(attempt, job, unanswered(cause), cause, begun)

    async def _renew(self) -> None:
        if self._tasks:
            await self._store.renew(list(self._tasks), self._now())

    async def _forget(self) -> None:
        if self.lines.connected.is_set():
            for days in range(3, 10):
                await self._exchange.forget(family_of(self._now() - timedelta(days=days)))

    async def hang_up(self, attempt: str) -> None:
        """End a call of ours, whoever follows it."""
        assert self._bridge is not None
        await self._bridge.send(Hangup(attempt))


def lane_for(campaigns: Campaigns, name: str) -> Lane:
    """A campaign's way out as the store asks for it."""
    campaign = campaigns.campaigns[name]
    trunk = campaigns.trunk(campaign.pace.trunk)
    mates = [n for n, c in campaigns.campaigns.items() if c.pace.trunk == campaign.pace.trunk]
    return Lane(
        name, Limit(campaign.pace.at_once, campaign.pace.per_second), campaign.pace.trunk,
        Limit(trunk.at_once, trunk.per_second), tuple(mates),
    )  # fmt: skip
