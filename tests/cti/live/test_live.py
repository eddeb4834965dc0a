"""The floor as captures of a real Asterisk make it, scenario by scenario."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

from cti.ami import events as ami
from cti.live import Call, Live, Phase, heard, standing, told
from ivr import events as ivr
from tests.cti.ami import captures

CALL = "lab-850-05321112233"
AYSE, BORA = "PJSIP/ayse", "PJSIP/bora"


def play(events: Iterable[ami.Event], live: Live | None = None) -> list[Live]:
    """Every state in turn."""
    states = [live or Live()]
    for event in events:
        states.append(heard(states[-1], event)[0])
    return states


def story(states: Sequence[Live], call: str = CALL) -> list[tuple[str, str]]:
    """The phases a call went through, each with the agent it was with; repeats left out."""
    found: list[tuple[str, str]] = []
    for state in states:
        one = state.calls.get(call)
        if one and (not found or found[-1] != (one.phase, one.agent_name)):
            found.append((one.phase, one.agent_name))
    return found


START = [("new", ""), ("waiting", ""), ("ringing", ""), ("talking", "Ayşe")]
STORIES = {
    "answered": [*START, ("new", "Ayşe")],
    "abandoned": [("new", ""), ("waiting", ""), ("ringing", ""), ("waiting", ""), ("new", "")],
    "no_answer": [
        ("new", ""), ("waiting", ""), ("ringing", ""), ("waiting", ""), ("ringing", ""),
        ("talking", "Bora"), ("new", "Bora"),
    ],
    "hold": [*START, ("held", "Ayşe"), ("talking", "Ayşe"), ("new", "Ayşe")],
    "blind_transfer": [
        *START, ("transferring", "Ayşe"), ("talking", "Bora"), ("new", "Bora"),
    ],
    "attended_transfer": [
        *START, ("held", "Ayşe"), ("talking", "Ayşe"), ("consulting", "Ayşe"),
        ("transferring", "Ayşe"), ("talking", "Bora"), ("new", "Bora"),
    ],
    "transfer_called_off": [
        *START, ("held", "Ayşe"), ("talking", "Ayşe"), ("consulting", "Ayşe"), ("talking", "Ayşe"),
        ("new", "Ayşe"),
    ],
    "page_closed": [*START, ("new", "Ayşe")],
}  # fmt: skip


@pytest.mark.parametrize("name", STORIES)
def test_a_call_goes_through_its_phases(name: str) -> None:
    assert story(play(captures.events(name))) == STORIES[name]


@pytest.mark.parametrize("name", [name for name in captures.NAMES if name not in ("restarted",)])
def test_in_the_end_nothing_is_left_but_the_people(name: str) -> None:
    last = play(captures.events(name))[-1]
    if name == "actions":  # this recording ends in the middle of a talk
        return
    assert (last.calls, last.legs, last.seats, last.by_linked) == ({}, {}, {}, {})
    assert all(not queue.waiting for queue in last.queues.values())
    assert all(not agent.legs and not agent.calls for agent in last.agents.values())


@pytest.mark.parametrize("name", captures.NAMES)
def test_changes_tell_exactly_what_became_different(name: str) -> None:
    state = Live()
    for event in captures.events(name):
        after, changes = heard(state, event)
        tables = {"call": (state.calls, after.calls), "queue": (state.queues, after.queues),
                  "agent": (state.agents, after.agents)}  # fmt: skip
        told_of = {(change.kind, change.key): change.value for change in changes}
        for kind, (old, new) in tables.items():
            different = {key: new.get(key) for key in {*old, *new} if old.get(key) != new.get(key)}
            assert {key: v for (k, key), v in told_of.items() if k == kind} == different
        assert len(told_of) == len(changes)
        state = after


@pytest.mark.parametrize("name", ["answered", "attended_transfer", "no_answer"])
def test_the_state_before_is_never_touched(name: str) -> None:
    states = play(captures.events(name))
    again = play(captures.events(name))
    assert states == again
    seen = repr(states[10])
    heard(states[10], captures.events(name)[10])
    assert repr(states[10]) == seen


def test_the_queue_counts_and_who_waits_is_known() -> None:
    states = play(captures.events("abandoned"))
    waiting = [state.queues["destek"].waiting for state in states if "destek" in state.queues]
    (one,) = next(line for line in waiting if line)
    assert (one.call, one.position, one.channel) == (CALL, 1, "PJSIP/musteri-00000000")
    assert waiting[-1] == ()
    assert states[-1].queues["destek"].abandoned == 1
    assert states[-1].queues["destek"].answered == 0
    assert play(captures.events("answered"))[-1].queues["destek"].answered == 1


def test_positions_move_up_when_somebody_leaves() -> None:
    def event(kind: type[ami.Event], leg: str, position: int, at: float) -> ami.Event:
        channel = ami.Channel(f"PJSIP/t-{leg}", leg, leg, variables={"SANTRAL_CALL": f"c{leg}"})
        return kind(at, channel, "q", position, 0)  # type: ignore[call-arg]

    joined = play([event(ami.QueueCallerJoin, str(n), n, n) for n in (1, 2, 3)])[-1]
    # the fourth has a higher priority: Asterisk puts it first
    joined = play([event(ami.QueueCallerJoin, "4", 1, 4)], joined)[-1]
    line = [(waiting.call, waiting.position) for waiting in joined.queues["q"].waiting]
    assert line == [("c4", 1), ("c1", 2), ("c2", 3), ("c3", 4)]
    left = play([event(ami.QueueCallerLeave, "1", 2, 5)], joined)[-1]
    line = [(waiting.call, waiting.position) for waiting in left.queues["q"].waiting]
    assert line == [("c4", 1), ("c2", 2), ("c3", 3)]


def test_the_agents_phone_is_known_while_it_talks() -> None:
    states = play(captures.events("answered"))
    talking = next(s for s in states if s.calls.get(CALL, Call("", 0)).phase == Phase.TALKING)
    assert talking.agents[AYSE].calls == (CALL,)
    assert talking.agents[AYSE].reachable is True
    leg = talking.leg_of(CALL, AYSE)
    assert leg is not None
    assert leg.name == "PJSIP/ayse-00000001"
    assert talking.calls[CALL].caller_name == "Müşteri Işık"


def test_a_closed_page_is_seen_before_the_call_ends() -> None:
    states = play(captures.events("page_closed"))
    gone = next(s for s in states if s.agents.get(AYSE) and s.agents[AYSE].reachable is False)
    assert gone.calls[CALL].phase == Phase.TALKING


def test_an_attempt_is_known_by_its_own_id() -> None:
    states = play(captures.events("originate"))
    assert {call for state in states for call in state.calls} >= {"attempt-1", "attempt-2"}


# --- Asterisk restarts


def snapshot(connection: bytes, at: float) -> ami.Snapshot:
    from cti.ami.framing import Framer
    from cti.ami.reading import typed

    read = [typed(message, at) for message in Framer().feed(connection)]
    of = lambda kind: tuple(event for event in read if type(event) is kind)  # noqa: E731
    return ami.Snapshot(
        at, of(ami.CoreShowChannel), of(ami.QueueParams), of(ami.QueueMember), of(ami.QueueEntry),
        of(ami.DeviceStateChange),
    )  # fmt: skip


def test_a_snapshot_in_mid_call_agrees_with_what_events_told() -> None:
    first, _ = captures.connections("restarted")
    live = play(captures.events("restarted"))
    before = next(s for s in live if s.calls.get(CALL, Call("", 0)).phase == Phase.TALKING)
    told_again = heard(before, snapshot(first, before.calls[CALL].started + 5))[0]
    assert told_again.connected
    assert told_again.calls[CALL].phase == Phase.TALKING
    assert told_again.calls[CALL].agent_name == "Ayşe"
    fresh = heard(Live(), snapshot(first, 5_000_000_000.0))[0]
    assert fresh.calls[CALL].phase == Phase.TALKING
    assert (fresh.calls[CALL].agent, fresh.calls[CALL].agent_name) == (AYSE, "Ayşe")
    assert fresh.agents[AYSE].calls == (CALL,)


def test_after_a_restart_nothing_stale_stays() -> None:
    first, second = captures.connections("restarted")
    live = heard(Live(), snapshot(first, 4_000_000_000.0))[0]
    live = heard(live, ami.Disconnected(4_000_000_001.0, "gone"))[0]
    assert not live.connected
    assert CALL in live.calls  # nothing is known now, so nothing is thrown away yet
    live, changes = heard(live, snapshot(second, 4_000_000_002.0))
    assert (live.calls, live.legs) == ({}, {})
    assert live.connected
    assert live.queues["destek"].members == ()
    assert live.agents[AYSE].memberships == {}
    assert {(change.kind, change.key) for change in changes} >= {("call", CALL), ("agent", AYSE)}


def test_events_that_a_snapshot_knows_already_change_nothing_for_long() -> None:
    events = captures.events("attended_transfer")
    whole = play(events)
    for cut in range(0, len(events), 7):
        replayed = play(events[max(0, cut - 10) :], whole[cut])
        assert replayed[-1].calls == {}
        assert replayed[-1].legs == {}


def test_a_caller_who_waits_over_a_reconnect_keeps_the_time_they_joined() -> None:
    states = play(captures.events("abandoned"))
    waiting = next(s for s in states if s.calls.get(CALL, Call("", 0)).phase == Phase.WAITING)
    call = waiting.calls[CALL]
    leg = waiting.legs[call.main]
    channel = ami.Channel(leg.name, leg.id, leg.linked, 6, variables={"SANTRAL_CALL": CALL})
    at = call.joined + 30
    again = heard(
        waiting,
        ami.Snapshot(
            at, (ami.CoreShowChannel(at, channel, "Queue", "", ""),),
            (ami.QueueParams(at, "destek", "rrmemory", 1, 0, 0, 0, 0, 0),), (),
            (ami.QueueEntry(at, "destek", 1, leg.name, 29, 0, leg.id),), (),
        ),
    )[0]  # fmt: skip
    assert again.queues["destek"].waiting[0].joined == call.joined
    assert again.calls[CALL].phase == Phase.WAITING
    fresh = heard(
        Live(),
        ami.Snapshot(
            at, (ami.CoreShowChannel(at, channel, "Queue", "", ""),), (), (),
            (ami.QueueEntry(at, "destek", 1, leg.name, 29, 0, leg.id),), (),
        ),
    )[0]  # fmt: skip
    assert fresh.queues["destek"].waiting[0].joined == at - 29


# --- conversations


def entry(event: ivr.Event, sequence: int, at: float, call: str = CALL) -> ivr.Entry:
    return ivr.Entry(call, sequence, at, event)


STARTED = ivr.CallStarted("shop", "v1", "tr", caller="05321112233", dialled="850")


@pytest.mark.parametrize("when", range(0, 12, 3))
def test_conversation_and_manager_are_joined_whichever_comes_first(when: int) -> None:
    events = [event for event in captures.events("answered") if event.at > 0]
    live = Live()
    for number, event in enumerate(events[:14]):
        if number == when:
            live = told(live, entry(STARTED, 1, event.at))[0]
            live = told(live, entry(ivr.StepEntered("shop", "menu", "menu"), 2, event.at))[0]
        live = heard(live, event)[0]
    (call,) = [call for call in live.calls.values() if call.id == CALL]
    assert (call.flow, call.version, call.step, call.dialled) == ("shop", "v1", "menu", "850")
    assert call.main
    assert len(live.calls) == 1


def test_a_caller_stands_at_a_step_until_the_flow_ends() -> None:
    live = told(Live(), entry(STARTED, 1, 10.0))[0]
    live = told(live, entry(ivr.StepEntered("shop", "menu", "menu"), 2, 11.0))[0]
    assert standing(live) == {("shop", "menu"): 1}
    assert live.calls[CALL].phase == Phase.FLOW
    live = told(live, entry(ivr.LanguageChosen("en"), 3, 12.0))[0]
    assert live.calls[CALL].language == "en"
    live = told(live, entry(ivr.CallEnded("transfer"), 4, 13.0))[0]
    assert live.calls == {}  # no leg of it is known


def test_the_flow_takes_a_caller_back() -> None:
    live = play(captures.events("answered")[:8])[-1]
    live = told(live, entry(STARTED, 1, 10.0))[0]
    live = told(live, entry(ivr.CallEnded("transfer"), 2, 11.0))[0]
    assert not live.calls[CALL].in_flow
    live = told(live, entry(ivr.CallResumed(2, outcome="timeout"), 3, 12.0))[0]
    assert live.calls[CALL].in_flow


def test_a_late_word_does_not_bring_a_call_back() -> None:
    last = play(captures.events("answered"))[-1]
    live = told(last, entry(ivr.StepEntered("shop", "menu", "menu"), 2, 99.0))[0]
    live = told(live, entry(ivr.CallEnded("caller_hung_up"), 3, 99.0))[0]
    assert live.calls == {}


def test_what_is_not_about_the_floor_changes_nothing() -> None:
    live = Live()
    assert heard(live, ami.FullyBooted(1.0, 2)) == (live, ())
    assert told(live, entry(ivr.PromptPlayed("p", "tr", "x", 1), 1, 1.0)) == (live, ())


def test_a_supervisor_who_listens_is_seen_on_the_call() -> None:
    live = play(captures.events("answered")[:19])[-1]
    target = live.leg_of(CALL, AYSE)
    assert target is not None
    channel = ami.Channel(
        target.name, target.id, target.linked, 6, variables={"SANTRAL_CALL": CALL}
    )
    spyer = ami.Channel("PJSIP/sema-00000009", "9.9", "9.9", 6)
    live = heard(live, ami.ChanSpyStart(50.0, spyer, channel))[0]
    assert live.calls[CALL].listeners == ("PJSIP/sema",)
    assert live.calls["9.9"].listens_to == CALL
    live = heard(live, ami.ChanSpyStop(51.0, spyer, channel))[0]
    assert live.calls[CALL].listeners == ()
    live = heard(live, ami.ChanSpyStart(52.0, spyer, channel))[0]
    live = heard(live, ami.Hangup(53.0, spyer, 16, ""))[0]
    assert live.calls[CALL].listeners == ()
