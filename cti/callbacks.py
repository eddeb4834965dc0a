"""Calls people back when their turn in the queue has come; the decisions are in
`cti/queues/callbacks.py`.

What is asked for survives a restart: it is kept in a file, replaced whole after each change.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
import uuid
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

from cti.ami import actions
from cti.ami import events as ami
from cti.ami.bridge import Bridge
from cti.bus import Bus
from cti.floor import FLOOR, Floor
from cti.queues.callbacks import Callback, State, dialled, settle, turns
from cti.queues.model import Queues
from ivr.errors import ActionNotSent, BadInput, TelephonyFault

log = logging.getLogger(__name__)
ASKED = "SantralCallback"
RING_FOR = 30.0
LOOK_EVERY = 5.0
IDLE = 1  # device state: not in use
OVER = (State.DONE, State.FAILED)


class Keep(Protocol):
    """Where call-backs are kept."""

    def load(self) -> Sequence[Callback]: ...

    def save(self, callbacks: Sequence[Callback]) -> None:
        """Return when it would survive a crash."""
        ...


class KeepInFile:
    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Sequence[Callback]:
        try:
            rows = json.loads(self._path.read_text())
        except FileNotFoundError:
            return ()
        except ValueError:
            log.exception("call-backs cannot be read from %s", self._path.name)
            return ()
        return [Callback(**{**row, "state": State(row["state"])}) for row in rows]

    def save(self, callbacks: Sequence[Callback]) -> None:
        draft = self._path.with_suffix(".new")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump([asdict(callback) for callback in callbacks], file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)


class Callbacks:
    """`channel_for` makes the channel to dial from a number (`PJSIP/+90…@trunk`), or raises
    `BadInput` for one that may not be dialled.
    """

    def __init__(
        self,
        bridge: Bridge,
        floor: Floor,
        bus: Bus,
        queues: Callable[[], Queues],
        channel_for: Callable[[str], str],
        keep: Keep,
        *,
        caller_id: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bridge, self._floor, self._bus, self._queues = bridge, floor, bus, queues
        self._channel_for, self._keep, self._clock = channel_for, keep, clock
        self._caller_id = caller_id
        self._all = {one.id: one for one in keep.load() if one.state not in OVER}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._saving = asyncio.Lock()

    def waiting(self, queue: str = "") -> tuple[Callback, ...]:
        """Those that are not over, in the order of their turns."""
        found = (one for one in self._all.values() if queue in ("", one.queue))
        return tuple(sorted(found, key=lambda one: one.rank))

    def ask(
        self, call: str, queue: str, number: str, *, joined: float, priority: int = 0
    ) -> Callback:
        """Somebody wants to be called back. Asking twice, or for two calls, is asking once.

        Raises `BadInput` for a queue that offers none, or a number that may not be dialled.
        """
        offer = self._queues().get(queue)
        if offer is None or offer.callback is None:
            raise BadInput(f"Queue {queue!r} offers no call-back.")
        self._channel_for(number)
        for known in self._all.values():
            if known.call == call or (known.queue, known.number) == (queue, number):
                return known
        story = self._floor.story(call)
        one = Callback(
            uuid.uuid4().hex, call, queue, number, joined, priority,
            story.language if story else "",
        )  # fmt: skip
        self._put(one)
        return one

    def cancel(self, id: str) -> None:
        one = self._all.get(id)
        if one is not None and one.state == State.WAITING:
            self._put(replace(one, state=State.FAILED))

    async def settled(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- what Asterisk tells; called after the floor has taken the event

    def on_event(self, event: ami.Event) -> None:
        if isinstance(event, ami.UserEvent) and event.name == ASKED:
            self._asked(event)
        elif isinstance(event, ami.OriginateResponse):
            answered = event.response == "Success"
            self._outcome(event.unique_id, "answered" if answered else "not_answered")
        elif isinstance(event, ami.AgentConnect):
            self._outcome(event.channel.unique_id, "connected")
        elif isinstance(event, ami.Hangup):
            self._outcome(event.channel.unique_id, "left")
        elif isinstance(event, ami.Snapshot):
            self._compare()
        elif not isinstance(event, _STIRRING):
            return
        self._look()

    def _asked(self, event: ami.UserEvent) -> None:
        if event.channel is None:
            return
        id = event.channel.call or event.channel.linked_id
        call, story = self._floor.here.calls.get(id), self._floor.story(id)
        number = (story.caller if story else "") or event.said.get("Number", "")
        try:
            self.ask(
                id, event.said.get("Queue", ""), number,
                joined=call.joined if call and call.joined else event.at,
                priority=int(event.said.get("QueuePriority", "") or 0),
            )  # fmt: skip
        except (BadInput, ValueError) as error:
            log.warning("a call-back was asked for and cannot be made: %s", error)

    def _outcome(self, attempt: str, outcome: str) -> None:
        for one in list(self._all.values()):
            offer = self._queues().get(one.queue)
            if one.attempt == attempt != "" and offer and offer.callback:
                self._put(settle(one, outcome, offer.callback, self._clock()))

    def _compare(self) -> None:
        """After a reconnect: attempts whose leg is gone have come to nothing."""
        for one in list(self._all.values()):
            if one.state in (State.DIALLING, State.QUEUED) and (
                one.attempt not in self._floor.here.legs
            ):
                dialling = one.state == State.DIALLING
                self._outcome(one.attempt, "not_answered" if dialling else "left")

    # --- dialling

    def _look(self) -> None:
        """Dial whose turn it is; look again soon while anybody waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._all:
            return
        self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY, self._look)
        if not self._bridge.connected:
            return
        for queue in {one.queue for one in self._all.values()}:
            free, working = self._hands(queue)
            live = self._floor.here.queues.get(queue)
            line = live.waiting if live else ()
            for one in turns(self.waiting(queue), line, free, working, self._clock()):
                self._dial(one)

    def _hands(self, queue: str) -> tuple[int, int]:
        """How many agents are free this moment, and how many work at all."""
        seats = [
            agent.memberships[queue]
            for agent in self._floor.here.agents.values()
            if queue in agent.memberships and agent.reachable is not False
        ]
        working = [seat for seat in seats if not seat.paused]
        return sum(seat.status == IDLE for seat in working), len(working)

    def _dial(self, one: Callback) -> None:
        attempt = str(uuid.uuid4())
        self._put(dialled(one, attempt))
        self._floor.continues(attempt, one.call)
        self._run(self._originate(one, attempt))

    async def _originate(self, one: Callback, attempt: str) -> None:
        """Once, whatever happens: an attempt that may have been made is never made again."""
        action = actions.Originate(
            self._channel_for(one.number), "santral-done", "queue", id=attempt,
            caller_id=self._caller_id, ring_for=RING_FOR,
            variables={
                "__SANTRAL_CALL": attempt, "SANTRAL_DONE": "queue", "SANTRAL_TO": one.queue,
                "SANTRAL_POSITION": "1", "SANTRAL_PRIORITY": str(one.priority),
            },
        )  # fmt: skip
        try:
            await self._bridge.send(action)
        except ActionNotSent:
            current = self._all.get(one.id)
            if current is not None and current.attempt == attempt:
                self._put(one)  # nothing was done: the try does not count
        except TelephonyFault as error:
            log.warning("call-back: %s", error)
            self._outcome(attempt, "not_answered")

    # --- keeping

    def _put(self, one: Callback) -> None:
        if self._all.get(one.id) == one:
            return
        if one.state in OVER:
            self._all.pop(one.id, None)
        else:
            self._all[one.id] = one
        self._bus.publish(FLOOR, "callback", one.id, one)
        self._run(self._save())
        self._run(self._look_soon())

    async def _look_soon(self) -> None:
        self._look()

    async def _save(self) -> None:
        async with self._saving:
            await asyncio.to_thread(self._keep.save, list(self._all.values()))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


_STIRRING = (
    ami.QueueCallerLeave, ami.QueueCallerAbandon, ami.QueueMemberAdded, ami.QueueMemberPause,
    ami.QueueMemberStatus, ami.QueueMemberRemoved,
)  # fmt: skip
