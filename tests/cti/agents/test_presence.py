import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cti.agents import presence as p
from cti.agents.membership import Seat, needed
from cti.agents.presence import Presence, State, after, found
from cti.ami import actions
from cti.live.state import Membership

AT = 1000.0
EVENTS: dict[str, p.Happening] = {
    "sign_in": p.SignIn("PJSIP/ayse"),
    "sign_out": p.SignOut(),
    "ready": p.Ready(),
    "pause": p.Pause("lunch"),
    "called": p.Called("c2", "support"),
    "connected": p.Connected("c1", "support"),
    "missed": p.Missed("c1"),
    "ended": p.Ended("c1", 30.0),
    "gone": p.Gone(),
    "back": p.Back(),
    "tick": p.Tick(),
    "extend": p.Extend(600.0),
}
STATES = {
    State.SIGNED_OUT: Presence("ayse"),
    State.READY: Presence("ayse", "PJSIP/ayse", State.READY, 900.0),
    State.PAUSED: Presence("ayse", "PJSIP/ayse", State.PAUSED, 900.0, reason="tea"),
    State.RINGING: Presence("ayse", "PJSIP/ayse", State.RINGING, 900.0, call="c1", queue="q"),
    State.TALKING: Presence("ayse", "PJSIP/ayse", State.TALKING, 900.0, call="c1", queue="q"),
    State.WRAP_UP: Presence("ayse", "PJSIP/ayse", State.WRAP_UP, 900.0, AT, call="c0", queue="q"),
    State.OFFLINE: Presence("ayse", "PJSIP/ayse", State.OFFLINE, 900.0, AT),
}


def table() -> list[tuple[str, State, str]]:
    """The cells of the table on top of presence.py."""
    lines = (p.__doc__ or "").splitlines()
    head = next(n for n, line in enumerate(lines) if line.split()[:1] == ["signed_out"])
    starts = [lines[head].index(f"{word}") for word in lines[head].split()]
    states = [State(word.partition("(")[0]) for word in lines[head].split()]
    cells = []
    for line in lines[head + 1 : head + 1 + len(EVENTS)]:
        name = line.split()[0]
        for state, start, end in zip(states, starts, [*starts[1:], None], strict=True):
            cells.append((name, state, line[start:end].strip()))
    return cells


@pytest.mark.parametrize(("event", "state", "cell"), table(), ids=lambda value: str(value))
def test_the_table_on_top_of_the_file_is_what_happens(event: str, state: State, cell: str) -> None:
    before = STATES[state]
    now = after(before, EVENTS[event], AT)
    if cell == "-":
        assert now == before
    elif cell == "no pause":
        asked = replace(before, next_pause="tea")
        assert after(asked, EVENTS[event], AT) == before
    elif cell == "later":
        assert now == replace(before, next_pause="lunch")
    elif cell == "longer":
        assert now == replace(before, until=AT + 600.0)
    elif cell == "(5)":
        assert now.state == State.READY
        asked = replace(before, next_pause="tea")
        assert after(asked, EVENTS[event], AT).reason == "tea"
    else:
        assert now.state == State(cell.partition("(")[0])
    if cell.endswith("(2)"):
        asked = after(replace(before, next_pause="lunch"), EVENTS[event], AT)
        assert (asked.state, asked.reason, asked.next_pause) == (State.PAUSED, "lunch", "")


def test_the_table_is_whole() -> None:
    assert len(table()) == len(EVENTS) * len(State)
    assert {name for name, _, _ in table()} == set(EVENTS)


def test_wrap_up_only_after_a_queues_talk_and_only_where_there_is_one() -> None:
    talking = STATES[State.TALKING]
    assert after(talking, p.Ended("c1", 30.0), AT).until == AT + 30.0
    assert after(talking, p.Ended("c1", 0.0), AT).state == State.READY
    own = replace(talking, queue="")
    assert after(own, p.Ended("c1", 30.0), AT).state == State.READY
    assert after(talking, p.Ended("another", 30.0), AT) == talking
    assert after(talking, p.Ended("c1", 1e9), AT).until == AT + p.LONGEST_WRAP_UP


def test_wrap_up_ends_by_time_by_the_agent_or_by_a_pause() -> None:
    wrapping = after(STATES[State.TALKING], p.Ended("c1", 30.0), AT)
    assert after(wrapping, p.Tick(), AT + 29.9) == wrapping
    assert after(wrapping, p.Tick(), AT + 30.0).state == State.READY
    assert after(wrapping, p.Ready(), AT + 1).state == State.READY
    assert after(wrapping, p.Pause("tea"), AT + 1).reason == "tea"
    longer = after(wrapping, p.Extend(1e9), AT + 20)
    assert longer.until == AT + p.LONGEST_WRAP_UP


def test_a_pause_asked_for_in_a_talk_comes_after_the_wrap_up() -> None:
    now = after(STATES[State.TALKING], p.Pause("lunch"), AT)
    assert now.paused == (True, "lunch")  # no further call is offered from now on
    now = after(now, p.Ended("c1", 30.0), AT + 1)
    assert now.state == State.WRAP_UP
    assert now.paused == (True, p.WRAP_UP)
    now = after(now, p.Tick(), AT + 31)
    assert (now.state, now.reason, now.next_pause) == (State.PAUSED, "lunch", "")


def test_who_lets_it_ring_is_paused() -> None:
    now = after(STATES[State.RINGING], p.Missed("c1"), AT)
    assert (now.state, now.reason) == (State.PAUSED, p.MISSED)
    assert after(now, p.Ready(), AT).state == State.READY


def test_a_pause_survives_a_talk_that_came_all_the_same() -> None:
    now = after(STATES[State.PAUSED], p.Connected("c9", ""), AT)
    now = after(now, p.Ended("c9"), AT + 9)
    assert (now.state, now.reason) == (State.PAUSED, "tea")


def test_a_page_that_comes_back_keeps_the_pause() -> None:
    now = after(STATES[State.PAUSED], p.Gone(), AT)
    assert now.paused == (True, p.OFFLINE)
    now = after(now, p.Back(), AT + 5)
    assert (now.state, now.reason) == (State.PAUSED, "tea")


def test_offline_for_too_long_is_signed_out() -> None:
    now = after(STATES[State.READY], p.Gone(), AT)
    assert after(now, p.Tick(), AT + p.OFFLINE_FOR - 1) == now
    assert after(now, p.Tick(), AT + p.OFFLINE_FOR).state == State.SIGNED_OUT


def test_signing_in_without_a_phone_is_offline() -> None:
    now = after(Presence("ayse"), p.SignIn("PJSIP/ayse", reachable=False), AT)
    assert now.state == State.OFFLINE
    assert after(now, p.Back(), AT).state == State.READY


@given(st.lists(st.sampled_from(list(EVENTS.values())), max_size=40))
def test_whatever_happens_the_state_makes_sense(events: list[p.Happening]) -> None:
    now = Presence("ayse")
    for number, event in enumerate(events):
        now = after(now, event, AT + number * 7)
        assert bool(now.until) == (now.state in (State.WRAP_UP, State.OFFLINE))
        assert bool(now.reason) == (now.state == State.PAUSED)
        assert bool(now.call) >= (now.state in (State.RINGING, State.TALKING))
        if now.state in (State.SIGNED_OUT, State.PAUSED):
            assert now.next_pause == ""
        if now.state == State.SIGNED_OUT:
            assert now.paused == (False, "")


# --- found in Asterisk when we start


def here(**fields: object) -> Presence:
    given = {"paused": False, "reason": "", "since": 0.0, "talking": "", "reachable": True,
             "wrap_up": 30.0, "at": AT} | fields  # fmt: skip
    return found("ayse", "PJSIP/ayse", **given)  # type: ignore[arg-type]


def test_who_is_found_goes_on_where_they_were() -> None:
    assert here().state == State.READY
    assert here(talking="c1").state == State.TALKING
    paused = here(paused=True, reason="lunch", since=950.0)
    assert (paused.state, paused.reason, paused.since) == (State.PAUSED, "lunch", 950.0)
    wrapping = here(paused=True, reason="wrap_up", since=980.0)
    assert (wrapping.state, wrapping.until) == (State.WRAP_UP, 1010.0)
    assert here(paused=True, reason="wrap_up", since=900.0).state == State.READY
    assert here(paused=True, reason="offline").state == State.READY
    assert here(reachable=False).state == State.OFFLINE
    talking = here(paused=True, reason="lunch", talking="c1")
    assert (talking.state, talking.next_pause) == (State.TALKING, "lunch")


# --- what is asked of Asterisk

SEATS = (Seat("support"), Seat("returns", 2))


def members(**fields: object) -> dict[str, Membership]:
    return {
        seat.queue: Membership(seat.queue, seat.penalty, **fields)  # type: ignore[arg-type]
        for seat in SEATS
    }


def test_who_signs_in_is_added_in_the_right_state_at_once() -> None:
    assert needed(STATES[State.READY], "Ayşe", SEATS, {}) == [
        actions.QueueAdd("support", "PJSIP/ayse", "Ayşe", 0),
        actions.QueueAdd("returns", "PJSIP/ayse", "Ayşe", 2),
    ]
    assert needed(STATES[State.PAUSED], "Ayşe", SEATS[:1], {}) == [
        actions.QueueAdd("support", "PJSIP/ayse", "Ayşe", 0, True, "tea")
    ]


def test_nothing_is_asked_for_when_all_agrees() -> None:
    assert needed(STATES[State.READY], "Ayşe", SEATS, members()) == []
    paused = members(paused=True, reason="tea")
    assert needed(STATES[State.PAUSED], "Ayşe", SEATS, paused) == []
    assert needed(STATES[State.SIGNED_OUT], "Ayşe", SEATS, {}) == []
    assert needed(STATES[State.TALKING], "Ayşe", SEATS, members()) == []


def test_one_pause_for_all_queues_goes_first() -> None:
    assert needed(STATES[State.WRAP_UP], "Ayşe", SEATS, members()) == [
        actions.QueuePause("PJSIP/ayse", True, reason="wrap_up")
    ]
    wrong = members(paused=True, reason="lunch")
    assert needed(STATES[State.READY], "Ayşe", SEATS, wrong) == [
        actions.QueuePause("PJSIP/ayse", False, reason="")
    ]


def test_strange_queues_are_left_and_penalties_put_right() -> None:
    actual = {"support": Membership("support", 5), "old": Membership("old")}
    assert needed(STATES[State.READY], "Ayşe", SEATS[:1], actual) == [
        actions.QueueRemove("old", "PJSIP/ayse"),
        actions.QueuePenalty("PJSIP/ayse", 0, "support"),
    ]


@pytest.mark.parametrize("pair", list(itertools.product(STATES, STATES)), ids=str)
def test_from_any_state_of_the_queues_to_any_presence_in_one_go(
    pair: tuple[State, State],
) -> None:
    """What `needed` asks for, done as Asterisk does it, leaves nothing to ask for."""
    have, want = pair
    actual: dict[str, Membership] = {}
    for state in (have, want):
        for action in needed(STATES[state], "Ayşe", SEATS, actual):
            if isinstance(action, actions.QueueAdd):
                actual[action.queue] = Membership(
                    action.queue, action.penalty, action.paused, action.reason
                )
            elif isinstance(action, actions.QueueRemove):
                del actual[action.queue]
            elif isinstance(action, actions.QueuePause):
                actual = {
                    name: replace(member, paused=action.paused, reason=action.reason)
                    for name, member in actual.items()
                }
        interface_known = state != State.SIGNED_OUT or actual == {}
        assert interface_known
        assert needed(STATES[state], "Ayşe", SEATS, actual) == []
