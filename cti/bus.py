"""Live fan-out: what is published on a topic reaches every subscriber, and nobody waits for one.

Rules:
  1. `publish` never blocks and never fails: a subscriber that does not keep up loses its queue, not
     the publisher its time; it is told to read the whole state again (`Resync`).
  2. One sequence for all topics, so one number is a desk's place: `subscribe(topics, after=place)`
     gives exactly what was published on those topics since, in order, each item once.
  3. A topic keeps its last items for that. When what was missed is no longer all there, or the
     place is of another run (`epoch`), the first item is a `Resync` and not a part of the truth.
  4. A new desk (no place) gets what nobody has acknowledged yet, of the kinds that ask for it.

`Bus` is the port; `LocalBus` serves one process.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

KEEP = 200
QUEUE = 500
ACKNOWLEDGE_WITHIN = 120.0


@dataclass(frozen=True, slots=True)
class Item:
    """`key` names what `value` is about; a later item of the same kind and key replaces it.

    `wants_acknowledgement`: a desk that shows it says so. `at` is seconds since 1970 UTC.
    """

    sequence: int
    topic: str
    kind: str
    key: str
    value: Any
    at: float
    wants_acknowledgement: bool = False
    _encoded: list[bytes] = field(default_factory=list, repr=False, compare=False)

    def encoded(self, encode: Callable[[Item], bytes]) -> bytes:
        """The item as bytes, made once however many desks it goes to."""
        if not self._encoded:
            self._encoded.append(encode(self))
        return self._encoded[0]


@dataclass(frozen=True, slots=True)
class Resync:
    """Something was missed that cannot be given again: read the whole state; go on from here."""

    sequence: int
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a desk is, as it travels in `Last-Event-ID`."""

    epoch: str
    sequence: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.sequence}"

    @classmethod
    def parse(cls, text: str) -> Place | None:
        """None for whatever is no place: then the desk begins anew."""
        epoch, dash, number = text.strip().rpartition("-")
        if not dash or not epoch.isalnum() or not number.isascii() or not number.isdigit():
            return None
        return cls(epoch, int(number)) if len(number) <= 18 else None


class Subscription(Protocol):
    """One desk's connection; `async with` it, and ask for `next`."""

    async def next(self, timeout: float) -> Item | Resync | None:
        """The next item; None when there was none for `timeout` seconds (send a heartbeat)."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Bus(Protocol):
    @property
    def epoch(self) -> str: ...

    @property
    def sequence(self) -> int: ...

    def publish(
        self, topic: str, kind: str, key: str, value: Any, *, acknowledge: bool = False
    ) -> Item: ...

    def subscribe(self, topics: Iterable[str], after: Place | None = None) -> Subscription: ...

    def listened(self, topic: str) -> bool:
        """Whether anybody listens to it now."""
        ...

    def acknowledge(self, topic: str, sequence: int, by: str) -> bool:
        """A desk has shown it. False when there is no such item, or it asked for nothing."""
        ...


class _Topic:
    def __init__(self) -> None:
        self.kept: deque[Item] = deque(maxlen=KEEP)
        self.dropped = 0
        """The highest sequence that is no longer kept."""
        self.unacknowledged: dict[int, Item] = {}
        self.subscribers: dict[_Queue, None] = {}

    def keep(self, item: Item) -> None:
        if len(self.kept) == self.kept.maxlen:
            self.dropped = self.kept[0].sequence
            self.unacknowledged.pop(self.dropped, None)
        self.kept.append(item)
        for old in [o for o in self.unacknowledged.values() if _replaced(o, item)]:
            del self.unacknowledged[old.sequence]
        if item.wants_acknowledgement:
            self.unacknowledged[item.sequence] = item


def _replaced(old: Item, new: Item) -> bool:
    return (old.kind, old.key) == (new.kind, new.key) or new.at - old.at > ACKNOWLEDGE_WITHIN


class _Queue:
    """One subscriber's bounded queue."""

    def __init__(self, bus: LocalBus, topics: tuple[str, ...], limit: int) -> None:
        self._bus, self.topics, self._limit = bus, topics, limit
        self._items: deque[Item | Resync] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self.closed = False

    def put(self, item: Item | Resync) -> None:
        if len(self._items) >= self._limit:
            self._items.clear()
            item = Resync(item.sequence, self.topics)
        self._items.append(item)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def next(self, timeout: float) -> Item | Resync | None:
        if not self._items and not self.closed:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(timeout):
                    await self._waiter
            except TimeoutError:
                return None
            finally:
                self._waiter = None
        return self._items.popleft() if self._items else None

    def close(self) -> None:
        self.closed = True
        self._bus.leave(self)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class LocalBus:
    """Everything within this process."""

    def __init__(
        self, *, queue: int = QUEUE, clock: Callable[[], float] = time.time, epoch: str = ""
    ) -> None:
        self.epoch = epoch or secrets.token_hex(4)
        self.sequence = 0
        self._queue, self._clock = queue, clock
        self._topics: dict[str, _Topic] = {}
        self._listened: set[str] = set()

    def publish(
        self, topic: str, kind: str, key: str, value: Any, *, acknowledge: bool = False
    ) -> Item:
        self.sequence += 1
        item = Item(self.sequence, topic, kind, key, value, self._clock(), acknowledge)
        place = self._topics.setdefault(topic, _Topic())
        place.keep(item)
        for subscriber in place.subscribers:
            subscriber.put(item)
        return item

    def subscribe(self, topics: Iterable[str], after: Place | None = None) -> _Queue:
        """From the moment of this call on nothing is missed."""
        names = tuple(dict.fromkeys(topics))
        queue = _Queue(self, names, self._queue)
        places = [self._topics.setdefault(name, _Topic()) for name in names]
        for place in places:
            place.subscribers[queue] = None
        self._listened.update(names)
        if after is None:
            oldest = self._clock() - ACKNOWLEDGE_WITHIN
            fresh = [item for place in places for item in place.unacknowledged.values()]
            self._replay(queue, [item for item in fresh if item.at >= oldest])
        elif (
            after.epoch != self.epoch
            or after.sequence > self.sequence
            or any(place.dropped > after.sequence for place in places)
        ):
            queue.put(Resync(self.sequence, names))
        else:
            missed = [
                item for place in places for item in place.kept if item.sequence > after.sequence
            ]
            self._replay(queue, missed)
        return queue

    @staticmethod
    def _replay(queue: _Queue, items: list[Item]) -> None:
        for item in sorted(items, key=lambda item: item.sequence):
            queue.put(item)

    def leave(self, queue: _Queue) -> None:
        for name in queue.topics:
            place = self._topics.get(name)
            if place is not None:
                place.subscribers.pop(queue, None)
                if not place.subscribers:
                    self._listened.discard(name)

    def acknowledge(self, topic: str, sequence: int, by: str) -> bool:
        del by
        place = self._topics.get(topic)
        return place is not None and place.unacknowledged.pop(sequence, None) is not None

    def listened(self, topic: str) -> bool:
        """Whether anybody listens to it now."""
        return topic in self._listened

    def subscribers(self) -> Mapping[str, int]:
        """How many listen to each topic; for metrics."""
        return {name: len(place.subscribers) for name, place in self._topics.items()}
