"""One call to Asterisk: how it is asked for, and how one finds out whether it was made.

The attempt's id is the channel's. What is to be known of it even when whoever asked for it is dead
lies with Asterisk, in AstDB: `dialled` is written with the channel, before anybody is called
(Originate sets its variables, functions too, on the new channel; main/pbx.c), and the dialplan goes
on with `failed`, `answered`, `machine`. The Manager may not read AstDB, the dialplan tells it.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from cti.ami import actions
from cti.ami.bridge import Bridge
from cti.db.store.outbound import Attempt, Job
from cti.dialler.campaigns import Campaign
from cti.dialler.lines import Lines
from ivr.errors import BadSetting, TelephonyFault

CONTEXT: Final = "santral-outbound"
TRACES: Final = "Local/{what}@santral-trace/n"
BOOT: Final = "SANTRAL_BOOT"  # a global variable: lost with this run of Asterisk
TELLS: Final = 5.0  # seconds the dialplan may take to tell a trace
SETTLE: Final = 1.0  # seconds in which a call that was asked for just now gets its channel
DIALLED, FAILED, ANSWERED, MACHINE = "dialled", "failed", "answered", "machine"


@dataclass(frozen=True, slots=True)
class Trunks:
    """Where calls go out: `PJSIP/{number}@provider` by the trunk's name."""

    channels: Mapping[str, str]

    @classmethod
    def read(cls, text: str) -> Trunks:
        """`main=PJSIP/{number}@provider backup=…`; `BadSetting` for anything else."""
        channels = {}
        for word in text.replace(",", " ").split():
            name, equals, channel = word.partition("=")
            if not equals or not name or channel.count("{number}") != 1 or "&" in channel:
                raise BadSetting(f"{word!r} is no trunk; write it like main=PJSIP/{{number}}@name")
            channels[name] = channel
        return cls(channels)

    def channel(self, trunk: str, number: str) -> str:
        return self.channels[trunk].replace("{number}", number)


def trace_of(attempt: str, begun: datetime) -> str:
    """Where AstDB keeps it; a family a day, so that old ones can be forgotten together."""
    return f"{family_of(begun)}/{attempt}"


def family_of(day: datetime) -> str:
    return f"santral-dialled-{day.astimezone(UTC):%Y%m%d}"


def originate(
    attempt: Attempt, job: Job, campaign: Campaign, channel: str, begun: datetime
) -> actions.Originate:
    """What is asked of Asterisk; the flow's context goes along, so that the engine needs nothing
    else to know what the call is for."""
    told = {
        "flow": job.flow, "language": job.language, "campaign": job.campaign, "phone": job.phone,
        "order": job.order_number or "", "job": str(job.id),
    }  # fmt: skip
    more = "".join(f"&{name}={quote(value, safe='')}" for name, value in told.items() if value)
    trace = trace_of(attempt.id, begun)
    machine = "" if campaign.machine == "not_looked_for" else campaign.machine
    return actions.Originate(
        channel, context=CONTEXT, exten=job.phone, id=attempt.id,
        caller_id=f"<{campaign.caller_id}>", ring_for=campaign.ring,
        variables={
            f"DB({trace})": DIALLED, "__SANTRAL_CALL": attempt.id, "SANTRAL_TRACE": trace,
            "SANTRAL_MORE": more, "SANTRAL_MACHINE": machine,
            "SANTRAL_MESSAGE": campaign.message or "",
        },
    )  # fmt: skip


class Exchange:
    """What is asked of Asterisk besides calls."""

    def __init__(self, bridge: Bridge, lines: Lines) -> None:
        self._bridge, self._lines = bridge, lines
        self._boot: tuple[int, str] = (-1, "")

    async def boot(self) -> str:
        """The name of this run of Asterisk; a restarted one has another. TelephonyFault when it
        does not say."""
        connects = self._lines.connects
        if self._boot[0] != connects:
            name = await self._get(BOOT)
            if not name:
                await self._bridge.send(actions.Setvar(BOOT, uuid.uuid4().hex))
                name = await self._get(BOOT)  # somebody else may have set it at the same moment
            self._boot = connects, name
        return self._boot[1]

    async def trace(self, trace: str) -> str:
        """How far an attempt has come; empty when Asterisk never had it. TelephonyFault,
        TimeoutError."""
        with self._lines.tracing(trace) as told:
            ask = actions.Originate(
                TRACES.format(what="tell"), application="Wait", data="0",
                variables={"SANTRAL_TRACE": trace},
            )  # fmt: skip
            await self._bridge.send(ask)
            async with asyncio.timeout(TELLS):
                return await told

    async def forget(self, family: str) -> None:
        """Drop a day's traces."""
        forget = actions.Originate(
            TRACES.format(what="forget"), application="Wait", data="0",
            variables={"SANTRAL_FAMILY": family},
        )  # fmt: skip
        await self._bridge.send(forget)

    async def _get(self, variable: str) -> str:
        try:
            return (await self._bridge.send(actions.Getvar(variable))).get("Value")
        except TelephonyFault as error:
            if "No such variable" in str(error) or "Variable not found" in str(error):
                return ""
            raise
