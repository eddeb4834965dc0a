"""Events -> the next state. Pure; one small function for each kind of event.

Applying an event a second time, or one that is older than the Snapshot before it, changes nothing
for long: legs are known by Uniqueid, waiting callers are a set and not a count, and every channel
that appears hangs up in the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cti.ami import events as ami
from cti.live.draft import Draft
from cti.live.state import Agent, Call, Change, Live, Membership, Phase, Queue, Waiting
from ivr import events as ivr

CONTACT_GONE = {"Removed", "Unreachable"}
UNREACHABLE = {"UNAVAILABLE", "INVALID", "UNKNOWN"}


def heard(live: Live, event: ami.Event) -> tuple[Live, tuple[Change, ...]]:
    """What the Manager told."""
    apply = _HEARD.get(type(event))
    if apply is None:
        return live, ()
    draft = Draft(live, event.at)
    apply(draft, event)
    return draft.finish()


def told(live: Live, entry: ivr.Entry) -> tuple[Live, tuple[Change, ...]]:
    """What a conversation told through the journal."""
    apply = _TOLD.get(type(entry.event))
    if apply is None:
        return live, ()
    draft = Draft(live, entry.at)
    apply(draft, entry.call, entry.event)
    return draft.finish()


# --- calls


def _channel(draft: Draft, event: Any) -> None:
    draft.leg(event.channel)


def _hangup(draft: Draft, event: ami.Hangup) -> None:
    draft.hang_up(event.channel.unique_id)


def _rename(draft: Draft, event: ami.Rename) -> None:
    leg = draft.legs.get(event.unique_id)
    if leg is not None:
        draft.legs.put(leg.id, replace(leg, name=event.new_name))
        draft.seat_agent(leg.endpoint)
        draft.seat_agent(replace(leg, name=event.new_name).endpoint)


def _dial_begin(draft: Draft, event: ami.DialBegin) -> None:
    draft.leg(event.channel)
    leg = draft.leg(event.dest)
    if leg is not None and event.channel is not None and not leg.is_local:
        _rings(draft, leg.call, leg.endpoint)


def _dial_state(draft: Draft, event: ami.DialState) -> None:
    draft.leg(event.dest)


def _dial_end(draft: Draft, event: ami.DialEnd) -> None:
    draft.leg(event.channel)
    leg = draft.leg(event.dest) if event.dest.unique_id in draft.legs.now else None
    call = leg.call if leg else draft.by_linked.get(event.dest.linked_id)
    if call and event.dial_status != "ANSWER":  # then it rings on until they talk
        _rings_no_more(draft, call, event.dest.endpoint)


def _rings(draft: Draft, call: str, endpoint: str) -> None:
    known = draft.calls.get(call)
    if known is not None and endpoint not in known.ringing:
        draft.change(call, ringing=(*known.ringing, endpoint))


def _rings_no_more(draft: Draft, call: str, endpoint: str) -> None:
    known = draft.calls.get(call)
    if known is not None and endpoint in known.ringing:
        left = tuple(phone for phone in known.ringing if phone != endpoint)
        draft.change(call, ringing=left)


def _bridge_enter(draft: Draft, event: ami.BridgeEnter) -> None:
    leg = draft.leg(event.channel)
    if leg is not None:
        draft.legs.put(leg.id, replace(leg, bridge=event.bridge))
        draft.stir(leg.call)
        call = draft.calls.get(leg.call)
        if call is not None and not leg.is_local:
            others = [one for one in draft.seats_of(call.id) if one.id != leg.id]
            if any(one.bridge == event.bridge and not one.is_local for one in others):
                draft.change(call.id, transferring="")
            if call.phase != Phase.RINGING:  # otherwise they talk in a moment
                _rings_no_more(draft, call.id, leg.endpoint)


def _bridge_leave(draft: Draft, event: ami.BridgeLeave) -> None:
    leg = draft.legs.get(event.channel.unique_id)
    if leg is not None and leg.bridge == event.bridge:
        draft.legs.put(leg.id, replace(leg, bridge="", holds=False))
        draft.stir(leg.call)


def _hold(draft: Draft, event: ami.Hold) -> None:
    leg = draft.leg(event.channel)
    if leg is not None:
        draft.legs.put(leg.id, replace(leg, holds=True))
        draft.stir(leg.call)


def _unhold(draft: Draft, event: ami.Unhold) -> None:
    leg = draft.leg(event.channel)
    if leg is not None:
        draft.legs.put(leg.id, replace(leg, holds=False))
        draft.stir(leg.call)


def _blind_transfer(draft: Draft, event: ami.BlindTransfer) -> None:
    leg = draft.leg(event.transferee)
    if leg is not None and event.result == "Success":
        draft.change(leg.call, transferring=event.extension, connected=False)


def _attended_transfer(draft: Draft, event: ami.AttendedTransfer) -> None:
    leg = draft.leg(event.transferee)
    if leg is not None and event.result == "Success":
        target = event.target
        to = (target.caller_name or target.caller or target.endpoint) if target else "?"
        draft.change(leg.call, transferring=to, connected=False)


def _spy_start(draft: Draft, event: ami.ChanSpyStart) -> None:
    spyer, spyee = draft.leg(event.spyer), draft.leg(event.spyee)
    if spyer is not None and spyee is not None:
        draft.change(spyer.call, listens_to=spyee.call)
        target = draft.calls.get(spyee.call)
        if target is not None and spyer.endpoint not in target.listeners:
            draft.change(spyee.call, listeners=(*target.listeners, spyer.endpoint))


def _spy_stop(draft: Draft, event: ami.ChanSpyStop) -> None:
    spyer = event.spyer and draft.legs.get(event.spyer.unique_id)
    call = spyer and draft.calls.get(spyer.call)
    target = call and draft.calls.get(call.listens_to)
    if spyer and call and target:
        left = tuple(phone for phone in target.listeners if phone != spyer.endpoint)
        draft.change(target.id, listeners=left)
        draft.change(call.id, listens_to="")


# --- queues


def _queue(draft: Draft, name: str) -> Queue:
    return draft.queues.get(name) or Queue(name)


def _join(draft: Draft, event: ami.QueueCallerJoin) -> None:
    leg = draft.leg(event.channel)
    if leg is None:
        return
    queue = _queue(draft, event.queue)
    others = tuple(
        replace(waiting, position=waiting.position + (waiting.position >= event.position))
        for waiting in queue.waiting
        if waiting.leg != leg.id
    )
    one = Waiting(leg.id, leg.call, leg.name, event.at, event.position)
    line = tuple(sorted((*others, one), key=lambda waiting: waiting.position))
    draft.queues.put(queue.name, replace(queue, waiting=line))
    draft.change(
        leg.call,
        queue=event.queue, joined=event.at, position=event.position, in_flow=False, connected=False,
    )  # fmt: skip


def _leave(draft: Draft, event: Any) -> None:
    leg = draft.leg(event.channel)
    queue = _queue(draft, event.queue)
    gone = next((w for w in queue.waiting if w.leg == event.channel.unique_id), None)
    if gone is not None:
        left = tuple(
            replace(waiting, position=waiting.position - (waiting.position > gone.position))
            for waiting in queue.waiting
            if waiting is not gone
        )
        draft.queues.put(queue.name, replace(queue, waiting=left))
    if leg is not None:
        draft.change(leg.call, queue="", position=0)


def _abandon(draft: Draft, event: ami.QueueCallerAbandon) -> None:
    _leave(draft, event)
    queue = _queue(draft, event.queue)
    draft.queues.put(queue.name, replace(queue, abandoned=queue.abandoned + 1))


def _called(draft: Draft, event: ami.AgentCalled) -> None:
    leg = draft.leg(event.channel)
    draft.leg(event.dest)
    if leg is not None:
        _rings(draft, leg.call, event.interface)


def _connect(draft: Draft, event: ami.AgentConnect) -> None:
    leg = draft.leg(event.channel)
    draft.leg(event.dest)
    queue = _queue(draft, event.queue)
    draft.queues.put(queue.name, replace(queue, answered=queue.answered + 1))
    if leg is not None:
        draft.change(
            leg.call,
            ringing=(), connected=True, agent=event.interface, agent_name=event.member_name,
        )  # fmt: skip


def _complete(draft: Draft, event: ami.AgentComplete) -> None:
    leg = draft.legs.get(event.channel.unique_id)
    if leg is not None:
        draft.change(leg.call, connected=False)


def _missed(draft: Draft, event: Any) -> None:
    leg = draft.leg(event.channel)
    if leg is not None:
        _rings_no_more(draft, leg.call, event.interface)


# --- agents


def _member(draft: Draft, event: ami.MemberEvent) -> None:
    agent = draft.agents.get(event.interface) or Agent(event.interface)
    membership = Membership(
        event.queue, event.penalty, event.paused, event.paused_reason, event.status,
        event.in_call, event.calls_taken, event.last_call, event.last_pause,
    )  # fmt: skip
    memberships = {**agent.memberships, event.queue: membership}
    draft.agents.put(
        event.interface, replace(agent, name=event.member_name, memberships=memberships)
    )
    draft.seat_agent(event.interface)
    queue = _queue(draft, event.queue)
    if event.interface not in queue.members:
        draft.queues.put(queue.name, replace(queue, members=(*queue.members, event.interface)))


def _removed(draft: Draft, event: ami.QueueMemberRemoved) -> None:
    agent = draft.agents.get(event.interface)
    if agent is not None:
        left = {name: m for name, m in agent.memberships.items() if name != event.queue}
        draft.agents.put(event.interface, replace(agent, memberships=left))
    queue = _queue(draft, event.queue)
    members = tuple(member for member in queue.members if member != event.interface)
    draft.queues.put(queue.name, replace(queue, members=members))


def _contact(draft: Draft, event: ami.ContactStatus) -> None:
    if event.endpoint or event.aor:
        interface = f"PJSIP/{event.endpoint or event.aor}"
        agent = draft.agents.get(interface) or Agent(interface)
        draft.agents.put(interface, replace(agent, reachable=event.status not in CONTACT_GONE))
        draft.seat_agent(interface)


# --- the connection


def _disconnected(draft: Draft, _: ami.Disconnected) -> None:
    draft.connected = False


def _snapshot(draft: Draft, event: ami.Snapshot) -> None:
    """Everything is as the Snapshot says; what it does not name is gone."""
    draft.connected = True
    there = {shown.channel.unique_id for shown in event.channels}
    for id in [id for id in draft.legs.now if id not in there]:
        draft.hang_up(id)
    for id, call in list(draft.calls.now.items()):
        if id not in draft.seats.now and call.started < event.at:
            draft.end(id)
    for name in [*draft.queues.now]:
        draft.queues.drop(name)
    for params in event.queues:
        draft.queues.put(
            params.queue,
            Queue(params.queue, params.strategy, (), (), params.completed, params.abandoned),
        )
    _reach(draft, event.devices)
    for member in event.members:
        _member(draft, member)
    for shown in event.channels:
        leg = draft.leg(shown.channel)
        if leg is not None:
            draft.legs.put(leg.id, replace(leg, bridge=shown.bridge))
            draft.stir(leg.call)
    _wait_again(draft, event)
    for agent in list(draft.agents.now.values()):
        draft.seat_agent(agent.interface)


def _reach(draft: Draft, devices: tuple[ami.DeviceStateChange, ...] | None) -> None:
    """Who is a member of nothing yet; and which phones are there."""
    states = {found.device: found.state not in UNREACHABLE for found in devices or ()}
    for agent in list(draft.agents.now.values()):
        here = agent.reachable if devices is None else states.get(agent.interface, False)
        draft.agents.put(agent.interface, replace(agent, memberships={}, reachable=here))
    for device, here in states.items():
        if device.startswith("PJSIP/"):
            known = draft.agents.get(device) or Agent(device)
            draft.agents.put(device, replace(known, reachable=here))


def _wait_again(draft: Draft, event: ami.Snapshot) -> None:
    waiting_calls = set()
    for entry in event.waiting:
        leg = draft.legs.get(entry.unique_id)
        if leg is None:
            continue
        waiting_calls.add(leg.call)
        joined = event.at - entry.wait
        known = draft.calls.get(leg.call)
        if known is not None and known.queue == entry.queue:
            joined = known.joined
        one = Waiting(leg.id, leg.call, leg.name, joined, entry.position, entry.priority)
        queue = _queue(draft, entry.queue)
        draft.queues.put(entry.queue, replace(queue, waiting=(*queue.waiting, one)))
        draft.change(leg.call, queue=entry.queue, joined=joined, position=entry.position)
    for id, call in list(draft.calls.now.items()):
        if call.queue and id not in waiting_calls:
            draft.change(id, queue="", position=0)
        draft.change(id, ringing=tuple(p for p in call.ringing if _has_leg(draft, id, p)))


def _has_leg(draft: Draft, call: str, endpoint: str) -> bool:
    return any(leg.endpoint == endpoint for leg in draft.seats_of(call))


# --- conversations


def _started(draft: Draft, id: str, event: ivr.CallStarted) -> None:
    call = draft.calls.get(id) or Call(id, draft.at, phase_since=draft.at)
    draft.calls.put(
        id,
        replace(
            call,
            flow=event.flow, version=event.version, language=event.language,
            caller=event.caller or call.caller, dialled=event.dialled,
            direction=event.direction, in_flow=True,
        ),
    )  # fmt: skip
    draft.stir(id)


def _resumed(draft: Draft, id: str, _: ivr.CallResumed) -> None:
    draft.change(id, in_flow=True)


def _step(draft: Draft, id: str, event: ivr.StepEntered) -> None:
    call = draft.calls.get(id)
    if call is not None:  # its phase stays what it is: no need to look at that
        now = replace(call, flow=event.flow, step=event.step, step_type=event.type)
        draft.calls.put(id, now)


def _language(draft: Draft, id: str, event: ivr.LanguageChosen) -> None:
    draft.change(id, language=event.language)


def _ended(draft: Draft, id: str, _: ivr.CallEnded) -> None:
    """The conversation is over; the call is not while it has legs."""
    if draft.seats.get(id):
        draft.change(id, in_flow=False)
    else:
        draft.end(id)


_HEARD: dict[type[ami.Event], Callable[[Draft, Any], None]] = {
    ami.Newchannel: _channel,
    ami.Newstate: _channel,
    ami.NewCallerid: _channel,
    ami.NewConnectedLine: _channel,
    ami.DialState: _dial_state,
    ami.Rename: _rename,
    ami.Hangup: _hangup,
    ami.DialBegin: _dial_begin,
    ami.DialEnd: _dial_end,
    ami.BridgeEnter: _bridge_enter,
    ami.BridgeLeave: _bridge_leave,
    ami.Hold: _hold,
    ami.Unhold: _unhold,
    ami.BlindTransfer: _blind_transfer,
    ami.AttendedTransfer: _attended_transfer,
    ami.ChanSpyStart: _spy_start,
    ami.ChanSpyStop: _spy_stop,
    ami.QueueCallerJoin: _join,
    ami.QueueCallerLeave: _leave,
    ami.QueueCallerAbandon: _abandon,
    ami.AgentCalled: _called,
    ami.AgentConnect: _connect,
    ami.AgentComplete: _complete,
    ami.AgentRingNoAnswer: _missed,
    ami.AgentDump: _missed,
    ami.QueueMemberAdded: _member,
    ami.QueueMemberPause: _member,
    ami.QueueMemberPenalty: _member,
    ami.QueueMemberRinginuse: _member,
    ami.QueueMemberStatus: _member,
    ami.QueueMemberRemoved: _removed,
    ami.ContactStatus: _contact,
    ami.Snapshot: _snapshot,
    ami.Disconnected: _disconnected,
}
_TOLD: dict[type[ivr.Event], Callable[[Draft, str, Any], None]] = {
    ivr.CallStarted: _started,
    ivr.CallResumed: _resumed,
    ivr.StepEntered: _step,
    ivr.LanguageChosen: _language,
    ivr.CallEnded: _ended,
}
TELLING = frozenset(_TOLD)
"""The kinds of entries that change anything here."""
