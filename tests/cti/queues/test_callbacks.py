from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cti.live.state import Waiting
from cti.queues import Callback, State, ahead, settle, turns
from cti.queues.callbacks import dialled
from cti.queues.model import CallbackOffer

OFFER = CallbackOffer(tries=2, retry=60)


def one(joined: float, *, id: str = "", priority: int = 0, **fields: object) -> Callback:
    base = Callback(id or f"cb{joined}", "c", "q", "+90", joined, priority)
    return replace(base, **fields)  # type: ignore[arg-type]


def line(*joined: float, priority: int = 0) -> list[Waiting]:
    return [Waiting(f"l{at}", f"c{at}", "ch", at, n, priority) for n, at in enumerate(joined, 1)]


def test_the_place_is_where_the_caller_stood() -> None:
    callback = one(20)
    assert ahead(callback, line(10, 15, 30), []) == 2
    assert ahead(callback, line(10, priority=5) + line(30, priority=5), []) == 2
    assert ahead(replace(callback, priority=9), line(10), []) == 0
    assert ahead(callback, [], [one(5), one(25), one(7, state=State.DONE), callback]) == 1


def test_its_turn_comes_when_nobody_stands_before_it_even_if_no_agent_is_free() -> None:
    callback = one(20)
    assert turns([callback], line(10), free=0, working=3, now=50) == ()
    assert turns([callback], line(30), free=0, working=3, now=50) == (callback,)
    assert turns([callback], [], free=0, working=1, now=50) == (callback,)


def test_free_agents_bring_more_of_them_on() -> None:
    callbacks = [one(20), one(21), one(22)]
    assert turns(callbacks, [], free=2, working=2, now=50) == tuple(callbacks[:2])
    assert turns(callbacks, line(10), free=2, working=2, now=50) == (callbacks[0],)


def test_nobody_is_dialled_while_nobody_works() -> None:
    assert turns([one(20)], [], free=0, working=0, now=50) == ()


def test_one_that_is_being_dialled_is_not_dialled_again_and_keeps_its_place() -> None:
    first, second = one(20, state=State.DIALLING), one(21)
    assert turns([first, second], [], free=0, working=2, now=50) == ()
    assert turns([first, second], [], free=2, working=2, now=50) == (second,)


def test_one_that_is_not_due_holds_nobody_up() -> None:
    later, second = one(20, due=100), one(21)
    assert turns([later, second], [], free=0, working=2, now=50) == (second,)
    assert turns([later, second], [], free=0, working=2, now=100) == (later,)


def test_from_asking_to_talking() -> None:
    callback = dialled(one(20), "a1")
    assert (callback.state, callback.tries, callback.attempt) == (State.DIALLING, 1, "a1")
    callback = settle(callback, "answered", OFFER, 50)
    assert callback.state == State.QUEUED
    assert settle(callback, "connected", OFFER, 55).state == State.DONE


def test_not_answered_is_tried_again_with_the_same_place_until_the_tries_are_over() -> None:
    callback = settle(dialled(one(20), "a1"), "not_answered", OFFER, 50)
    assert (callback.state, callback.due, callback.joined) == (State.WAITING, 110, 20)
    callback = settle(dialled(callback, "a2"), "not_answered", OFFER, 150)
    assert callback.state == State.FAILED


def test_who_hangs_up_in_the_queue_again_is_called_again() -> None:
    callback = settle(settle(dialled(one(20), "a1"), "answered", OFFER, 50), "left", OFFER, 60)
    assert (callback.state, callback.due) == (State.WAITING, 120)


@given(st.lists(st.sampled_from(["answered", "not_answered", "connected", "left", "?"])))
def test_what_does_not_fit_changes_nothing_and_the_end_is_the_end(outcomes: list[str]) -> None:
    callback = dialled(one(20), "a1")
    for outcome in outcomes:
        after = settle(callback, outcome, OFFER, 50)
        if callback.state in (State.DONE, State.FAILED):
            assert after == callback
        callback = dialled(after, "a2") if after.state == State.WAITING else after
        assert callback.tries <= OFFER.tries


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 3)), max_size=8, unique=True),
    st.lists(st.integers(0, 50), max_size=8),
    st.integers(0, 4),
)
def test_nobody_is_overtaken(asked: list[tuple[int, int]], waiting: list[int], free: int) -> None:
    callbacks = [one(at, id=str(n), priority=prio) for n, (at, prio) in enumerate(asked)]
    chosen = turns(callbacks, line(*waiting), free, working=4, now=100)
    for callback in callbacks:
        if callback not in chosen:
            assert all(other.rank <= callback.rank for other in chosen)
