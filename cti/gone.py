"""Ends the calls whose callers left while no engine listened.

Asterisk writes down each call that hangs up: in AstDB, by a hangup handler (`santral-gone` in
extensions.conf), whether an engine runs or not. Nearly all of them the engine has ended itself, in
the same moment; of the others - the caller left while it was dead, or it died between its last word
to Asterisk and its last event - it is found here that they are over. What is written is the same
whoever writes it: next place in the journal, Asterisk's time. So it may be written twice.

Some calls leave no record: "Dangerous function DB write blocked" in half the calls of a soak with
speech (Asterisk 22.10; probably those whose thread has connected to the recogniser, which inhibits
escalations in it). So now and then the open calls are compared with Asterisk's channels, too: one
that twice has none is over, at its last event.

The record stays with Asterisk until all of a bucket's calls are known to be over, however long the
database is away.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import and_, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.ami import actions
from cti.ami.bridge import Bridge
from cti.ami.events import CoreShowChannel
from cti.ami.framing import Message
from cti.ami.reading import typed
from cti.db.models import calls
from ivr import events
from ivr.errors import JournalUnavailable, TelephonyFault
from ivr.events import Entry, Journal

FAMILY: Final = "santral-gone"
FORGET: Final = "Local/forget@santral-trace/n"
EVERY: Final = 5.0  # seconds between two looks
GRACE: Final = 3.0  # seconds that an engine which lives is given to write the end itself
BUCKET: Final = 10  # seconds that share one: it is the time without its last digit
COMPARED: Final = 15.0  # seconds between two times that open calls are compared with channels
KEPT: Final = 20.0  # seconds that a bucket stays, so that nothing is put there while it goes
# The last words after which a call ended at the hang-up, and why it did.
HERE: Final = {"": "caller_hung_up", "hangup": "hangup", "apology": "failed"}
MOST_ASKED: Final = 500  # calls in one question to the database
MOST_KNOWN: Final = 50_000  # calls that ended here which are remembered
DEADLINE: Final = 5.0  # seconds that the database may take
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Gone:
    """A call that Asterisk hung up: at `at` (seconds since 1970 UTC), in its `entry`-th visit to
    an engine. `done` is the engine's last word (`hangup`, `queue`, …; "": none), or `apology` when
    the dialplan gave up on engines. `bucket` is where AstDB keeps it."""

    call: str
    at: float
    entry: int
    done: str
    bucket: str


def read_gone(key: str, value: str) -> Gone | None:
    """Of AstDB's `/santral-gone/<bucket>/<call>` and `<time> <entry> <done or ->`."""
    parts, words = key.strip("/").split("/"), value.split()
    if len(parts) != 3 or parts[0] != FAMILY or len(words) != 3:
        return None
    try:
        done = "" if words[2] == "-" else words[2]
        return Gone(parts[2], float(words[0]), int(words[1]), done, parts[1])
    except ValueError:
        return None


def ending(gone: Gone, history: Sequence[Entry]) -> Entry | None:
    """The event that such a call lacks; None when it has its end, or never began. Pure.

    Who was handed on left the engine at its last event; else the call was over at the hang-up.
    """
    if not history or isinstance(history[-1].event, events.CallEnded):
        return None
    last = history[-1]
    steps = [one.event for one in history if isinstance(one.event, events.StepEntered)]
    flow, step = (steps[-1].flow, steps[-1].step) if steps else ("", "")
    at, broke = last.at, isinstance(last.event, events.Transferred) and last.event.why == "failed"
    why = "failed" if broke or not steps else steps[-1].type
    if gone.done in HERE:
        why, at = HERE[gone.done], max(gone.at, last.at)
    return Entry(gone.call, last.sequence + 1, at, events.CallEnded(why, flow, step))


class Departures:
    """`run` looks every few seconds; nobody waits for it. `on_entry` has to be told what this
    engine journals, so that what it has ended itself costs nothing here. `serving` tells whether a
    call is being served by this process."""

    def __init__(
        self,
        bridge: Bridge,
        database: AsyncEngine,
        journal: Journal,
        serving: Callable[[str], bool],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bridge, self._database, self._journal = bridge, database, journal
        self._serving, self._clock = serving, clock
        self._over: OrderedDict[str, None] = OrderedDict()
        self._compared = 0.0
        self._lacking: set[str] = set()  # open calls that had no channel the last time
        self.ended = 0

    def on_entry(self, entry: Entry) -> None:
        """This engine journalled something."""
        if isinstance(entry.event, events.CallEnded):
            self._remember(entry.call)
        elif isinstance(entry.event, events.CallResumed):
            self._over.pop(entry.call, None)

    async def run(self) -> None:
        """Look again and again."""
        while True:
            try:
                await self.look()
            except TelephonyFault as error:
                log.debug("who has left is not known now: %s", error)
            except Exception:
                log.exception("the calls of those who left were not looked at")
            await asyncio.sleep(EVERY)

    async def look(self) -> None:
        """Once: end what is open, and have Asterisk forget what is done with. Raises what
        `Bridge.send` raises."""
        if not self._bridge.connected:
            return
        reply = await self._bridge.send(actions.DBGetTree(FAMILY))
        found = [read_gone(item.get("Key"), item.get("Val")) for item in reply.items]
        left = [one for one in found if one is not None]
        unsettled = await self._settle(left)
        for bucket in sorted({one.bucket for one in left} - unsettled):
            if self._clock() - BUCKET * (int(bucket) + 1) > KEPT:
                await self._bridge.send(_forget(bucket))
        if self._clock() - self._compared >= COMPARED:
            self._compared = self._clock()
            await self._compare()

    async def _compare(self) -> None:
        """End the open calls that have had no channel for a while."""
        open_ = {call for call in await self._open_in_database() if not self._serving(call)}
        if open_:
            reply = await self._bridge.send(actions.CoreShowChannels())
            open_ -= {_call_of(item, self._clock()) for item in reply.items}
        for call in sorted(open_ & self._lacking):
            try:
                history = await self._journal.history(call)
            except JournalUnavailable:
                return
            handed_on = bool(history) and isinstance(history[-1].event, events.Transferred)
            await self._end(Gone(call, 0.0, 0, "queue" if handed_on else "", ""))
        self._lacking = open_

    async def _open_in_database(self) -> set[str]:
        """Some of those that began a while ago and have no end there; none when it is away."""
        before = datetime.fromtimestamp(self._clock() - COMPARED, UTC)
        statement = select(calls.c.id).where(calls.c.why == "", calls.c.started_at < before)
        newest = statement.order_by(calls.c.started_at.desc()).limit(MOST_ASKED)
        try:
            async with asyncio.timeout(DEADLINE), self._database.connect() as connection:
                return set(await connection.scalars(newest))
        except (SQLAlchemyError, OSError, TimeoutError):
            return set()

    async def _settle(self, left: Sequence[Gone]) -> set[str]:
        """End those of them that are open; the buckets of which something is not known yet."""
        now = self._clock()
        fresh = {one.bucket for one in left if now - one.at < GRACE or self._serving(one.call)}
        asked = [
            one
            for one in left
            if one.call not in self._over and now - one.at >= GRACE and not self._serving(one.call)
        ]
        over = await self._over_in_database(asked)
        unknown = set()
        for one in asked:
            if one.call not in over and not await self._end(one):
                unknown.add(one.bucket)
        return fresh | unknown

    async def _over_in_database(self, asked: Sequence[Gone]) -> set[str]:
        """Those that have their end there, in the visit in which they were left or a later one."""
        found: set[str] = set()
        table = calls.c
        try:
            for start in range(0, len(asked), MOST_ASKED):
                some = asked[start : start + MOST_ASKED]
                visits = [and_(table.id == one.call, table.entries >= one.entry) for one in some]
                statement = select(table.id).where(table.why != "", or_(*visits))
                async with asyncio.timeout(DEADLINE), self._database.connect() as connection:
                    found.update(await connection.scalars(statement))
        except (SQLAlchemyError, OSError, TimeoutError):
            pass  # it is away: what the spools know will have to do
        for call in found:
            self._remember(call)
        return found

    async def _end(self, gone: Gone) -> bool:
        """End it if it is open; False when that is not known now."""
        try:
            history = await self._journal.history(gone.call)
        except JournalUnavailable:
            return False
        entry = ending(gone, history)
        if entry is None:
            self._remember(gone.call)
            return True
        log.warning("call %s was over while no engine listened: %s", gone.call, entry.event)
        self._journal.write(entry)
        await self._journal.durable(gone.call)
        self._remember(gone.call)
        self.ended += 1
        return True

    def _remember(self, call: str) -> None:
        self._over[call] = None
        if len(self._over) > MOST_KNOWN:
            self._over.popitem(last=False)


def _call_of(item: Message, now: float) -> str:
    event = typed(item, now)
    return event.channel.call if isinstance(event, CoreShowChannel) else ""


def _forget(bucket: str) -> actions.Originate:
    """The Manager may not write to AstDB; the dialplan does."""
    return actions.Originate(
        FORGET, application="Wait", data="0", variables={"SANTRAL_FAMILY": f"{FAMILY}/{bucket}"}
    )
