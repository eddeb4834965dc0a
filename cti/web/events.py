"""Server-sent events: what a desk shows changes as it happens, and nothing is lost on the way.

Source: the HTML standard, "Server-sent events"; a browser sends `Last-Event-ID` when it reconnects.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from cti.bus import Item, Place, Resync, Subscription
from cti.figures import NUMBERS
from cti.floor import FLOOR, FLOWS, agent_topic
from cti.screenpop import Pop
from cti.web.auth import Principal, principal, signed_in
from cti.web.errors import Refused
from cti.web.json import Body, body, done, dumps
from cti.web.site import Site, site
from cti.web.streams import RESTART
from cti.web.watching import line_topic

BEAT: Final = 5.0  # seconds
WRITE_DEADLINE: Final = 15.0  # a client that takes nothing for so long is gone
BUFFER: Final = 64 * 1024  # bytes in our process for a client that does not read
# What the floor tells too; whoever sees the floor is told once.
ON_FLOOR: Final = frozenset({"agent", "presence", "call", "live"})


@dataclass(slots=True)
class _Stream:
    """One connection: what it is to get, and why it ends."""

    topics: tuple[str, ...]
    skip: str = ""
    ended: str = ""
    task: asyncio.Task[Any] | None = None

    def end(self, why: str) -> None:
        self.ended = why
        if self.task is not None:
            self.task.cancel()


@signed_in
async def events(request: web.Request) -> web.StreamResponse:
    here, who = site(request), principal(request)
    stream = _Stream(*_wanted(request, here, who))
    given = request.headers.get("Last-Event-ID") or request.query.get("after", "")
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
    )
    with here.bus.subscribe(stream.topics, Place.parse(given)) as subscription:
        await response.prepare(request)
        if request.transport is not None:
            request.transport.set_write_buffer_limits(BUFFER)
        forget = here.streams.add(who.id, stream.end)
        stream.task = asyncio.current_task()
        try:
            await _tell(response, here, stream, subscription)
        except (ConnectionError, TimeoutError):
            pass
        except asyncio.CancelledError:
            if not stream.ended:
                raise
            if stream.ended != RESTART:
                await _say_goodbye(response, stream.ended)
        finally:
            forget()
    return response


def _wanted(request: web.Request, here: Site, who: Principal) -> tuple[tuple[str, ...], str]:
    """The topics, and the one of which only pops and the like are told."""
    topics = []
    own = ""
    if who.may("desk") and (person := here.roster.person(who.login)):
        own = agent_topic(person.interface)
        topics.append(own)
    if who.may("wallboard"):
        topics.append(NUMBERS)
    views = {"floor": ("floor", FLOOR), "flows": ("flows", FLOWS)}
    for view in request.query.getall("view", []):
        scope, topic = views.get(view, ("", ""))
        if not scope:
            raise Refused(400, "bad_input", "There is no such view.")
        _needs(who, scope)
        topics.append(topic)
    if call := request.query.get("call", ""):
        _needs(who, "transcripts")
        topics.append(line_topic(call[:100]))
    return tuple(dict.fromkeys(topics)), own if FLOOR in topics else ""


def _needs(who: Principal, scope: str) -> None:
    if not who.may(scope):
        raise Refused(403, "not_allowed", f"{who.role} may not do this ({scope}).")


async def _tell(
    response: web.StreamResponse, here: Site, stream: _Stream, subscription: Subscription
) -> None:
    place = Place(here.bus.epoch, here.bus.sequence)
    hello = {"at": here.accounts.now(), "place": str(place), "beat": BEAT}
    await _write(response, f"retry: 500\nevent: hello\ndata: {dumps(hello)}\n\n".encode())

    def encode(item: Item) -> bytes:
        return encoded(item, here)

    while True:
        item = await subscription.next(BEAT)
        if item is None:
            beat = dumps({"at": here.accounts.now()})
            await _write(response, f"event: beat\ndata: {beat}\n\n".encode())
        elif isinstance(item, Resync):
            place = Place(here.bus.epoch, item.sequence)
            data = dumps({"place": str(place)})
            await _write(response, f"id: {place}\nevent: resync\ndata: {data}\n\n".encode())
        elif not (item.topic == stream.skip and item.kind in ON_FLOOR):
            await _write(response, item.encoded(encode))


async def _write(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(WRITE_DEADLINE):
        await response.write(data)


async def _say_goodbye(response: web.StreamResponse, why: str) -> None:
    with contextlib.suppress(ConnectionError, TimeoutError, RuntimeError):
        async with asyncio.timeout(1.0):
            await response.write(f"event: signed-out\ndata: {dumps({'why': why})}\n\n".encode())
            await response.write_eof()


def encoded(item: Item, here: Site) -> bytes:
    """One message; `dumps` leaves no line break in it."""
    data = {
        "sequence": item.sequence, "kind": item.kind, "key": item.key, "at": item.at,
        "value": shown(item.value, here), "ack": item.wants_acknowledgement,
    }  # fmt: skip
    place = Place(here.bus.epoch, item.sequence)
    return f"id: {place}\nevent: {item.kind}\ndata: {dumps(data)}\n\n".encode()


def shown(value: Any, here: Site) -> Any:
    """A value as the pages get it: a pop with the address to open beside it."""
    if isinstance(value, Pop):
        fields = {name: getattr(value, name) for name in Pop.__slots__}
        return fields | {"crm": here.crm.url(value)}
    return value


class Acknowledgement(Body):
    sequence: int


@signed_in
async def acknowledge(request: web.Request) -> web.StreamResponse:
    """The desk has shown it. Only one's own can be acknowledged; twice does no harm."""
    here, who = site(request), principal(request)
    given = await body(request, Acknowledgement)
    person = here.roster.person(who.login)
    if person is not None:
        here.bus.acknowledge(agent_topic(person.interface), given.sequence, who.login)
    return done()


ROUTES: Final = (web.get("/events", events), web.post("/api/ack", acknowledge))
