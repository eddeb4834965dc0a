"""The rules against guessing, one by one, on a clock of the test's own."""

from __future__ import annotations

import pytest

from cti.accounts.lockout import FREE, MOST, SPRAY, WIDE, WITHIN, Lockout


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_some_are_free_then_each_costs_twice_as_long(clock: Clock) -> None:
    lock = Lockout(clock)
    waits = []
    for _ in range(FREE + 3):
        clock.now += lock.wait("ayse", "a")
        lock.wrong("ayse", "a")
        waits.append(lock.wait("ayse", "a"))
    assert waits == [0.0] * (FREE - 1) + [5.0, 10.0, 20.0, 40.0]
    assert lock.wait("ayse", "b") == 0.0, "her own desk is not locked by somebody elsewhere"
    assert lock.wait("bora", "a") == 0.0


def test_the_wait_has_an_end(clock: Clock) -> None:
    lock = Lockout(clock)
    for _ in range(FREE + 30):
        clock.now += lock.wait("ayse", "a")
        lock.wrong("ayse", "a")
    assert lock.wait("ayse", "a") == MOST


def test_the_right_password_clears_it(clock: Clock) -> None:
    lock = Lockout(clock)
    for _ in range(FREE - 1):
        lock.wrong("ayse", "a")
    lock.wrong("ayse", "a")  # counted before it was checked
    lock.right("ayse", "a")
    assert lock.wait("ayse", "a") == 0.0
    for _ in range(100 * WIDE):  # a day's sign-ins are no attack
        lock.wrong("ayse", "a")
        lock.right("ayse", "a")
    assert lock.wait("ayse", "elsewhere") == 0.0


def test_guessing_from_everywhere_is_slowed_but_not_for_whom_it_knows(clock: Clock) -> None:
    lock = Lockout(clock)
    lock.wrong("ayse", "her desk")
    lock.right("ayse", "her desk")
    for number in range(WIDE):
        lock.wrong("ayse", f"bot {number}")
    assert lock.wait("ayse", "another bot") == WITHIN
    assert lock.wait("ayse", "her desk") == 0.0
    clock.now += WITHIN + 1
    assert lock.wait("ayse", "another bot") == 0.0


def test_one_address_cannot_try_every_login(clock: Clock) -> None:
    lock = Lockout(clock)
    for number in range(SPRAY):
        lock.wrong(f"user{number}", "a")
    assert lock.wait("one more", "a") > 0.0
    assert lock.wait("one more", "b") == 0.0
