"""The agent's desk: their state, their calls, and what they write down."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web
from pydantic import Field

from cti.agents import Agents, Person, Presence, State
from cti.bus import Place
from cti.desk import Desk
from cti.floor import FLOOR
from cti.phone import e164_or_same
from cti.screenpop import customer_number
from cti.web.auth import principal, require, signed_in
from cti.web.errors import Refused
from cti.web.events import shown
from cti.web.json import Body, body, done, reply
from cti.web.site import Site, site
from ivr.errors import BadInput

AFTERWARDS: Final = 24 * 3600.0  # seconds a note may be written after the call
CALL: Final = r"{call:[A-Za-z0-9._:-]{1,100}}"


# --- everything at once


@signed_in
async def state(request: web.Request) -> web.StreamResponse:
    """What the page shows, and from which place on the events go on."""
    here, who = site(request), principal(request)
    place = Place(here.bus.epoch, here.bus.sequence)  # no await between this and what is read
    live = here.floor.live
    person = here.roster.person(who.login) if who.may("desk") else None
    found: dict[str, Any] = {
        "place": str(place), "at": time.time(), "live": live.connected,
        "presence": None, "agent": None, "phone": None, "pops": [], "calls": [],
        "numbers": here.figures.numbers() if who.may("wallboard") else [],
        "queues": _queues(here), "dispositions": _words(here.roster.queues.dispositions),
        "pauses": _words(here.roster.queues.pauses),
    }  # fmt: skip
    if person is not None:
        agent = live.agents.get(person.interface)
        found |= {
            "presence": _presence(here, who.login), "agent": agent,
            "phone": {"tab": here.phones.tab(who.login)},
            "pops": [shown(pop, here) for pop in here.floor.pops(person.interface)],
            "calls": [live.calls[id] for id in (agent.calls if agent else ()) if id in live.calls],
        }  # fmt: skip
    if who.may("floor"):
        found[FLOOR] = _floor(here)
    return reply(found)


def _floor(here: Site) -> dict[str, Any]:
    live, tele = here.floor.live, here.telephony
    return {
        "presences": list(tele.agents.everybody().values()) if tele else [],
        "people": [_colleague(here, person) for person in here.roster.people()],
        "agents": list(live.agents.values()),
        "calls": list(live.calls.values()),
        "queues": list(live.queues.values()),
        "callbacks": tele.callbacks.waiting() if tele else [],
    }


def _colleague(here: Site, person: Person) -> dict[str, Any]:
    return {
        "login": person.login, "name": person.name, "interface": person.interface,
        "extension": person.interface.partition("/")[2],
        "state": _presence(here, person.login).state.value,
    }  # fmt: skip


def _presence(here: Site, login: str) -> Presence:
    try:
        return here.tele.agents.presence(login) if here.telephony else Presence(login)
    except BadInput:
        return Presence(login)


def _queues(here: Site) -> list[dict[str, Any]]:
    return [
        {
            "name": name, "title": dict(queue.title), "script": queue.script,
            "wrap_up": queue.wrap_up, "service_level": queue.service_level,
            "dispositions": list(queue.dispositions or here.roster.queues.dispositions),
            "callback": queue.callback is not None,
        }
        for name, queue in here.roster.queues.queues.items()
    ]  # fmt: skip


def _words(table: Any) -> list[dict[str, str]]:
    return [{"code": code, **words} for code, words in table.items()]


# --- the own state


def own(request: web.Request) -> Person:
    """Whoever asks, at their desk."""
    person = site(request).roster.person(principal(request).login)
    if person is None:
        raise Refused(409, "conflict", "You have no desk.")
    return person


async def _happens(
    request: web.Request, do: Callable[[Agents, str], Presence]
) -> web.StreamResponse:
    here, person = site(request), own(request)
    agents = here.tele.agents
    now = do(agents, person.login)
    return reply(now)


@require("desk")
async def sign_in(request: web.Request) -> web.StreamResponse:
    return await _happens(request, lambda agents, login: agents.sign_in(login))


@require("desk")
async def sign_out(request: web.Request) -> web.StreamResponse:
    return await _happens(request, lambda agents, login: agents.sign_out(login))


@require("desk")
async def ready(request: web.Request) -> web.StreamResponse:
    return await _happens(request, lambda agents, login: _in(agents, login).ready(login))


class Reason(Body):
    reason: str = Field(min_length=1, max_length=80)


@require("desk")
async def pause(request: web.Request) -> web.StreamResponse:
    given = await body(request, Reason)
    return await _happens(
        request, lambda agents, login: _in(agents, login).pause(login, given.reason)
    )


class Seconds(Body):
    seconds: float = Field(gt=0, le=3600)


@require("desk")
async def extend(request: web.Request) -> web.StreamResponse:
    given = await body(request, Seconds)
    return await _happens(
        request, lambda agents, login: _in(agents, login).extend(login, given.seconds)
    )


def _in(agents: Agents, login: str) -> Agents:
    if agents.presence(login).state == State.SIGNED_OUT:
        raise Refused(409, "conflict", "You are not signed in to the queues.")
    return agents


@require("desk")
async def today(request: web.Request) -> web.StreamResponse:
    return reply(await site(request).figures.today(own(request).login))


# --- calls


class Target(Body):
    to: str = Field(min_length=1, max_length=60)


class Switch(Body):
    on: bool


class Nothing(Body):
    pass


async def _command(
    request: web.Request, do: Callable[..., Awaitable[None]], kind: type[Body]
) -> web.StreamResponse:
    """One of the desk's commands on one of one's own calls."""
    here, person = site(request), own(request)
    given = await body(request, kind) if request.can_read_body else kind.model_validate({})
    call, desk = request.match_info["call"], here.tele.desk
    values = list(given.model_dump().values())
    if values and isinstance(values[0], str):
        values[0] = number(here, values[0])
    await do(desk, person.interface, call, *values)
    await here.audit.note(principal(request).login, f"call {do.__name__}", call)
    return reply({}, status=202)


def number(here: Site, to: str) -> str:
    """A number or a colleague's login as it is dialled. What else is in it is not cleaned: the
    desk refuses it."""
    person = here.roster.person(to)
    if person is not None:
        return person.interface.partition("/")[2]
    if to != to.strip() or not to.isprintable():
        raise BadInput("This is neither a number nor the name of a desk.")
    return e164_or_same(to, here.settings.country)


@require("desk")
async def hang_up(request: web.Request) -> web.StreamResponse:
    return await _command(request, Desk.hang_up, Nothing)


@require("desk")
async def transfer(request: web.Request) -> web.StreamResponse:
    return await _command(request, Desk.transfer, Target)


@require("desk")
async def consult(request: web.Request) -> web.StreamResponse:
    return await _command(request, Desk.consult, Target)


@require("desk")
async def back(request: web.Request) -> web.StreamResponse:
    return await _command(request, Desk.back, Nothing)


@require("desk")
async def three_way(request: web.Request) -> web.StreamResponse:
    return await _command(request, Desk.three_way, Nothing)


@require("desk")
async def keep_off_record(request: web.Request) -> web.StreamResponse:
    return await _command(request, Desk.keep_off_record, Switch)


@require("desk")
async def dial(request: web.Request) -> web.StreamResponse:
    here, person = site(request), own(request)
    given = await body(request, Target)
    call = await here.tele.desk.dial(person.interface, number(here, given.to))
    await here.audit.note(principal(request).login, "dial", call)
    return reply({"call": call}, status=202)


@require("desk")
async def targets(request: web.Request) -> web.StreamResponse:
    """Colleagues to hand a call to."""
    here, me = site(request), own(request)
    text = request.query.get("q", "").strip().casefold()[:80]
    found = [
        _colleague(here, person)
        for person in here.roster.people()
        if person.login != me.login and text in f"{person.login} {person.name}".casefold()
    ]
    return reply({"agents": found[:50]})


# --- notes


class Note(Body):
    text: str = Field(default="", max_length=4000)
    disposition: str = Field(default="", max_length=60)


@require("desk")
async def note(request: web.Request) -> web.StreamResponse:
    """About one's own call, while it is on or after it."""
    here, person, who = site(request), own(request), principal(request)
    given = await body(request, Note)
    call = request.match_info["call"]
    if not given.text.strip() and not given.disposition:
        raise BadInput("There is nothing to note.")
    if given.disposition and given.disposition not in here.roster.queues.dispositions:
        raise BadInput(f"There is no disposition {given.disposition!r}.")
    if not await had(here, person, call):
        raise BadInput("That call was not at this phone.")
    phone = _customer_of(here, call)
    user = here.roster.user(who.login)
    agent = user.desk.agent if user and user.desk else None
    number = await here.notes.note(
        agent, phone, given.text.strip(), call=call, disposition=given.disposition
    )
    here.floor.forget_card(phone)
    await here.audit.note(who.login, "note", call)
    return reply({"id": number}, status=201)


async def had(here: Site, person: Person, call: str) -> bool:
    """Whether the call is or was at their phone."""
    if here.floor.live.leg_of(call, person.interface) is not None:
        return True
    if any(pop.call == call for pop in here.floor.pops(person.interface)):
        return True
    if _presence(here, person.login).call == call or here.figures.had(person.login, call):
        return True
    return await here.notes.was_with(call, person.login, time.time() - AFTERWARDS)


def _customer_of(here: Site, call: str) -> str:
    story = here.floor.story(call)
    if story is not None:
        return customer_number(story)
    known = here.floor.live.calls.get(call)
    return known.caller if known else ""


# --- call-backs


class Wanted(Body):
    call: str = Field(max_length=100)
    queue: str = Field(max_length=60)
    number: str = Field(max_length=40)


@require("desk")
async def callbacks(request: web.Request) -> web.StreamResponse:
    here, person = site(request), own(request)
    mine = {seat.queue for seat in person.seats}
    waiting = here.tele.callbacks.waiting()
    return reply({"callbacks": [one for one in waiting if one.queue in mine]})


@require("desk")
async def ask_callback(request: web.Request) -> web.StreamResponse:
    here, person = site(request), own(request)
    given = await body(request, Wanted)
    if not await had(here, person, given.call):
        raise BadInput("That call was not at this phone.")
    known = here.floor.live.calls.get(given.call)
    one = here.tele.callbacks.ask(
        given.call, given.queue, number(here, given.number),
        joined=known.joined if known and known.joined else time.time(),
    )  # fmt: skip
    await here.audit.note(principal(request).login, "callback", one.id)
    return reply(one, status=201)


@require("desk")
async def cancel_callback(request: web.Request) -> web.StreamResponse:
    here, person, who = site(request), own(request), principal(request)
    id = request.match_info["id"]
    one = next((one for one in here.tele.callbacks.waiting() if one.id == id), None)
    mine = {seat.queue for seat in person.seats}
    if one is None or not (one.queue in mine or who.may("floor")):
        raise Refused(404, "not_found", "There is no such call-back in your queues.")
    here.tele.callbacks.cancel(id)
    await here.audit.note(who.login, "callback cancelled", id)
    return done()


ROUTES: Final = (
    web.get("/api/state", state),
    web.post("/api/agent/sign-in", sign_in),
    web.post("/api/agent/sign-out", sign_out),
    web.post("/api/agent/ready", ready),
    web.post("/api/agent/pause", pause),
    web.post("/api/agent/extend", extend),
    web.get("/api/agent/today", today),
    web.post(f"/api/calls/{CALL}/hang-up", hang_up),
    web.post(f"/api/calls/{CALL}/complete", hang_up),
    web.post(f"/api/calls/{CALL}/transfer", transfer),
    web.post(f"/api/calls/{CALL}/consult", consult),
    web.post(f"/api/calls/{CALL}/back", back),
    web.post(f"/api/calls/{CALL}/three-way", three_way),
    web.post(f"/api/calls/{CALL}/keep-off-record", keep_off_record),
    web.post(f"/api/calls/{CALL}/note", note),
    web.post("/api/dial", dial),
    web.get("/api/targets", targets),
    web.get("/api/callbacks", callbacks),
    web.post("/api/callbacks", ask_callback),
    web.delete("/api/callbacks/{id:[0-9a-f]{32}}", cancel_callback),
)
