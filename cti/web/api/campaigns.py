"""Campaigns: how they go right now, and a brake for each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from cti.dialler.campaigns import Campaign
from cti.web.api.jobs import CampaignName
from cti.web.api.kinds import Model
from cti.web.api.operation import Answer, NoQuery, Operation, Request
from cti.web.api.services import Api
from ivr.errors import RequestRefused

TAG = "campaigns"
CONFIRMED = "confirmed"


class Sum(Model):
    currency: str
    amount: Decimal


class CampaignOut(Model):
    """A campaign and its figures. `due`: calls that wait for their moment; `dialling`: claimed or
    ringing; `talking`: answered and on the line; `jobs`: how many ended how (confirmed, cancelled,
    unreachable, never, …) and how many are `open`; `confirmed_today`: what the orders come to that
    were confirmed since midnight in the shop's zone. `listed` is False for one that is not in the
    scenarios any more."""

    name: str
    event: str
    flow: str
    listed: bool
    paused: bool
    priority: int
    at_once: int
    per_second: float
    due: int
    dialling: int
    talking: int
    jobs: dict[str, int]
    confirmed_today: tuple[Sum, ...]


class Campaigns(Model):
    at: datetime
    items: tuple[CampaignOut, ...]


async def list_campaigns(request: Request[None, NoQuery]) -> Answer:
    found = await _all(request.api)
    return Answer(Campaigns(at=request.api.now(), items=tuple(found.values())))


async def get_campaign(request: Request[None, NoQuery]) -> Answer:
    return Answer(await _one(request))


async def pause(request: Request[None, NoQuery]) -> Answer:
    return await _set(request, paused=True)


async def resume(request: Request[None, NoQuery]) -> Answer:
    return await _set(request, paused=False)


async def _set(request: Request[None, NoQuery], *, paused: bool) -> Answer:
    shown = await _one(request)
    await request.api.outbound.pause(shown.name, paused, request.api.now())
    return Answer(await _one(request))


async def _one(request: Request[None, NoQuery]) -> CampaignOut:
    found = (await _all(request.api)).get(request.path["name"])
    if found is None:
        raise RequestRefused("not-found", "there is no campaign of this name")
    return found


async def _all(api: Api) -> Mapping[str, CampaignOut]:
    """Those of the scenarios, and those of which there are still jobs."""
    listed = api.campaigns()
    rules = dict(listed.campaigns) if listed else {}
    counts, paused = await api.outbound.counts(), await api.outbound.paused()
    today = datetime.combine(api.now().astimezone(ZoneInfo(api.zone)), time(), ZoneInfo(api.zone))
    money = await api.timeline.money(CONFIRMED, today)
    return {
        name: CampaignOut(
            name=name,
            paused=name in paused,
            confirmed_today=tuple(
                Sum(currency=unit, amount=amount)
                for unit, amount in sorted(money.get(name, {}).items())
            ),
            **_rule(rules.get(name)),
            **_figures(counts.get(name, {})),
        )
        for name in sorted({*rules, *counts})
    }


def _rule(rule: Campaign | None) -> dict[str, Any]:
    if rule is None:
        return {
            "event": "", "flow": "", "listed": False, "priority": 0, "at_once": 0, "per_second": 0,
        }  # fmt: skip
    return {
        "event": rule.event, "flow": rule.flow, "listed": True, "priority": rule.priority,
        "at_once": rule.pace.at_once, "per_second": rule.pace.per_second,
    }  # fmt: skip


def _figures(counts: Mapping[str, int]) -> dict[str, Any]:
    attempts = {
        name.removeprefix("attempts_"): count
        for name, count in counts.items()
        if name.startswith("attempts_")
    }
    jobs = {name: count for name, count in counts.items() if not name.startswith("attempts_")}
    return {
        "due": attempts.get("due", 0),
        "dialling": attempts.get("claimed", 0) + attempts.get("dialling", 0),
        "talking": attempts.get("talked", 0),
        "jobs": jobs,
    }


_NAMED = {"name": CampaignName}
OPERATIONS = (
    Operation(
        "GET", "/campaigns", "listCampaigns", "Every campaign, and how it goes", list_campaigns,
        "campaigns:read", {200: Campaigns}, tag=TAG,
    ),
    Operation(
        "GET", "/campaigns/{name}", "getCampaign", "One campaign", get_campaign, "campaigns:read",
        {200: CampaignOut}, places=_NAMED, tag=TAG,
    ),
    Operation(
        "POST", "/campaigns/{name}/pause", "pauseCampaign", "Dial nobody for it", pause,
        "campaigns:write", {200: CampaignOut}, places=_NAMED, tag=TAG,
        about="Calls that are on the line go on.",
    ),
    Operation(
        "POST", "/campaigns/{name}/resume", "resumeCampaign", "Dial for it again", resume,
        "campaigns:write", {200: CampaignOut}, places=_NAMED, tag=TAG,
    ),
)  # fmt: skip
