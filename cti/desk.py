"""What agents and supervisors do with calls. Every command is checked first: an agent acts on a
call that their own phone is in, and on nothing else.

Nothing is assumed to have worked because Asterisk took the command: what happened is told by the
events, and shown by `cti/live`.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Mapping

from cti.ami import actions
from cti.ami.actions import Listening
from cti.ami.bridge import Bridge
from cti.floor import Floor
from cti.live import Leg
from cti.queues.model import Queues
from cti.queues.routing import Caller, options
from ivr.errors import BadInput

DESK = "santral-desk"
PHONES = "santral-desk-phones"
ASK = "santral-ask"  # dials SANTRAL_ASK at the key 1
THREE_WAY = "*4"  # atxferthreeway of asterisk-conf/features.conf
_NUMBER = re.compile(r"\+?[0-9*#]{1,20}\Z")
_ACCOUNT = re.compile(r"[a-zA-Z0-9_-]{2,40}\Z")


class Desk:
    """`interface` is the phone of whoever gives the command (`PJSIP/ayse`). Every method raises
    `BadInput` for a command that is not theirs to give, and what `Bridge.send` raises.
    """

    def __init__(self, bridge: Bridge, floor: Floor, *, context: str = DESK) -> None:
        self._bridge, self._floor, self._context = bridge, floor, context

    async def hang_up(self, interface: str, call: str) -> None:
        """End their own part. In a consultation this hands the caller to whom they asked."""
        await self._bridge.send(actions.Hangup(self._own(interface, call).id))

    async def transfer(self, interface: str, call: str, to: str) -> None:
        """Hand the caller on without asking first."""
        leg = self._own(interface, call, talking=True)
        await self._check(to)
        await self._bridge.send(actions.BlindTransfer(leg.name, self._context, to))

    async def consult(self, interface: str, call: str, to: str) -> None:
        """Ask somebody first; the caller hears music. `hang_up` hands over, `back` returns."""
        leg = self._own(interface, call, talking=True)
        await self._check(to)
        # Atxfer keys what it dials: letters and digits that fall into its prompt would be lost.
        await self._bridge.send(actions.Setvar("__SANTRAL_ASK", to, leg.name))
        await self._bridge.send(actions.Atxfer(leg.name, ASK, "1"))

    async def back(self, interface: str, call: str) -> None:
        await self._bridge.send(actions.CancelAtxfer(self._own(interface, call).name))

    async def three_way(self, interface: str, call: str) -> None:
        """All three talk, once the one who was asked has answered."""
        leg = self._own(interface, call, talking=True)
        for digit in THREE_WAY:
            await self._bridge.send(actions.PlayDTMF(leg.name, digit, receive=True))

    async def keep_off_record(self, interface: str, call: str, on: bool) -> None:
        """Silence in the recording while a card number is said."""
        self._own(interface, call)
        live = self._floor.live
        main = live.legs.get(live.calls[call].main)
        if main is None:
            raise BadInput("The caller's leg is not known.")
        await self._bridge.send(actions.MixMonitorMute(main.name, on))

    async def dial(self, interface: str, to: str) -> str:
        """Ring their own phone, then the number; gives back the new call's id."""
        await self._check(to)
        call = str(uuid.uuid4())
        await self._bridge.send(
            actions.Originate(
                interface, self._context, to, id=call, variables={"__SANTRAL_CALL": call}
            )
        )
        return call

    async def listen(self, supervisor: str, call: str, agent: str, how: str) -> str:
        """A supervisor's phone on an agent's leg: `Listening.LISTEN`, `WHISPER` or `BARGE`.

        Gives back the id of the supervisor's leg, to hang up.
        """
        if how not in (Listening.LISTEN, Listening.WHISPER, Listening.BARGE):
            raise BadInput(f"{how!r} is not a way to listen.")
        leg = self._own(agent, call, talking=True)
        id = str(uuid.uuid4())
        await self._bridge.send(actions.spy(supervisor, leg.name, how, id=id))
        return id

    async def end_listening(self, id: str) -> None:
        leg = self._floor.live.legs.get(id)
        call = self._floor.live.calls.get(leg.call) if leg else None
        if leg is None or call is None or not call.listens_to:
            raise BadInput("Nobody listens by that name.")
        await self._bridge.send(actions.Hangup(id))

    def _own(self, interface: str, call: str, *, talking: bool = False) -> Leg:
        """The leg their phone has in that call."""
        leg = self._floor.live.leg_of(call, interface)
        if leg is None:
            raise BadInput("That call is not at this phone.")
        if talking and not leg.bridge:
            raise BadInput("They are not talking.")
        return leg

    async def _check(self, to: str) -> None:
        """Asterisk would call a transfer to nowhere a success and drop the caller: ask first."""
        if not (_NUMBER.match(to) or _ACCOUNT.match(to)):
            raise BadInput(f"{to!r} is neither a number nor the name of a desk.")
        there = await self._bridge.send(actions.ShowDialPlan(self._context, to))
        if not there.items:
            raise BadInput(f"{to} cannot be dialled from a desk.")
        # The desks' own patterns take every name: whether somebody is there, the floor knows.
        phone = self._floor.live.agents.get(f"PJSIP/{to}")
        if all(item.get("Context") == PHONES for item in there.items) and not (
            phone and phone.reachable is not False
        ):
            raise BadInput(f"{to} is no desk where somebody is.")


class Router:
    """Routing for the engine: what the dialplan is told of a caller who goes into a queue."""

    def __init__(
        self, queues: Callable[[], Queues], floor: Floor, clock: Callable[[], float] = time.time
    ) -> None:
        self._queues, self._floor, self._clock = queues, floor, clock

    def options(self, call: str, queue: str, given: Mapping[str, str]) -> dict[str, str]:
        """What the flow gave, and what the queue and the customer add; the flow's own word wins,
        but for priority, where the higher one does.
        """
        if self._queues().get(queue) is None:
            return dict(given)
        card = self._floor.card(call)
        asked = given.get("priority", "")
        caller = Caller(
            card.tier if card else "",
            int(asked) if asked.isascii() and asked.isdigit() else 0,
            card.last_agent if card else "",
            card.last_spoke if card else 0.0,
        )
        added = options(self._queues(), queue, caller, self._clock())
        if "timeout" in given and "overflow" in added:
            # As long as the flow says, in whichever queue they are then.
            others = added["overflow"].count("-") + 1
            added["timeouts"] = "-".join([given["timeout"]] * others)
        return added | dict(given) | {k: v for k, v in added.items() if k == "priority"}
