"""What the witness tells and what AGI answers, put together: each key once, in its order."""

from __future__ import annotations

import random
from collections import deque

import pytest

from ivr.agi.pressed import QUIET, Pressed


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Agi:
    """The AGI connection: the command that runs, and how many there were."""

    def __init__(self, running: bytes = b"WAIT FOR DIGIT 5000\n") -> None:
        self.trips = 1
        self.running = running

    def run(self, line: bytes) -> None:
        self.trips += bool(line)
        self.running = line


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def agi() -> Agi:
    return Agi()


@pytest.fixture
def keys(clock: Clock, agi: Agi) -> Pressed:
    return Pressed(clock, agi)


def press(keys: Pressed, typed: str) -> None:
    for key in typed:
        keys.began(key)
        keys.ended()


def test_without_a_witness_keys_are_what_agi_says(keys: Pressed) -> None:
    assert keys.heard("12") == "12"
    assert keys.heard("3", finish="#") == "3#"
    assert (keys.lost(), keys.rescued, keys.waiting) == ("", 0, False)


def test_a_key_lost_before_another_stands_in_its_place(keys: Pressed) -> None:
    press(keys, "1234")
    assert keys.heard("12") == "12"
    assert keys.heard("4") == "34"
    assert keys.rescued == 1


def test_the_finish_key_that_is_not_told_is_found(keys: Pressed) -> None:
    press(keys, "12*7#")
    assert keys.heard("1", finish="#*") == "12*"
    assert keys.heard("", finish="#*") == "7#"
    assert not keys.waiting


def test_the_last_key_is_lost_when_the_line_was_quiet(keys: Pressed, clock: Clock) -> None:
    press(keys, "5")
    assert keys.lost() == ""
    clock.now += QUIET
    assert keys.lost() == "5"
    assert keys.heard("5") == "", "it came all the same: once is enough"
    assert keys.heard("5") == ""
    press(keys, "5")
    clock.now += QUIET
    assert keys.again() == "5", "that was another one, told late: it is asked for"
    assert keys.heard("5") == "5"


def test_a_key_that_is_held_down_is_not_lost(keys: Pressed, clock: Clock) -> None:
    keys.began("5")
    clock.now += 10
    assert keys.lost() == ""
    assert keys.overdue > 0
    keys.ended()
    assert keys.heard("5") == "5"


READ = b"EXEC Read SANTRAL_KEYS,/s/number,4,t,1,3\n"


def test_what_a_collecting_command_has_taken_is_not_missing(
    keys: Pressed, clock: Clock, agi: Agi
) -> None:
    agi.run(READ)
    press(keys, "12")
    clock.now += 10
    assert (keys.waiting, keys.missing) == (True, False)
    assert keys.heard("12") == "12"


@pytest.mark.parametrize("line", [READ, b"GET DATA /s/menu 5000 4\n", b"GET DATA /s/menu 5000 1\n"])
def test_what_was_pressed_before_it_is_missing(
    keys: Pressed, clock: Clock, agi: Agi, line: bytes
) -> None:
    agi.run(b"")
    press(keys, "1")
    clock.now += 10
    assert not keys.missing, "nothing runs that would take it"
    agi.run(line)
    assert keys.missing


def test_one_key_is_told_at_once_so_it_is_missing_when_it_is_not(
    keys: Pressed, clock: Clock, agi: Agi
) -> None:
    agi.run(b"GET DATA /s/menu 5000 1\n")
    press(keys, "1")
    assert not keys.missing
    clock.now += QUIET
    assert keys.missing


def test_a_key_told_twice_while_it_is_down_is_one(keys: Pressed) -> None:
    keys.began("5")
    keys.began("5")
    keys.ended()
    press(keys, "5")
    assert keys.heard("55") == "55"
    assert (keys.waiting, keys.rescued) == (False, 0)


def test_a_key_handed_in_again_counts_once(keys: Pressed, clock: Clock) -> None:
    press(keys, "55")
    clock.now += QUIET
    assert keys.again() == "5"
    assert [keys.heard("5"), keys.heard("5"), keys.heard("5")] == ["5", "5", ""]


def test_a_witness_that_comes_late_doubles_nothing(keys: Pressed, clock: Clock) -> None:
    assert keys.heard("12") == "12"
    press(keys, "12")
    assert not keys.waiting
    clock.now += 60
    assert keys.lost() == ""


def test_a_lost_key_stays_before_one_that_the_witness_tells_late(
    keys: Pressed, clock: Clock
) -> None:
    press(keys, "0")
    clock.now += 0.18
    assert keys.heard("9") == "09"
    press(keys, "9")
    assert (keys.waiting, keys.rescued) == (False, 1)


def test_keys_for_nobody_are_forgotten_but_their_end_may_come(keys: Pressed, clock: Clock) -> None:
    press(keys, "78")
    keys.forget()
    assert keys.heard("8") == "8"
    press(keys, "8")
    assert keys.waiting, "another one, not the one that came"
    clock.now += QUIET
    assert keys.lost() == "8"


@pytest.mark.parametrize("seed", range(300))
def test_whatever_is_lost_late_or_handed_in_again_each_key_counts_once(
    clock: Clock, seed: int
) -> None:
    """Asterisk as it is: keys in their order, any of them lost; AGI's answers before or behind what
    the witness tells; keys that were believed lost come after all."""
    chance = random.Random(seed)
    keys = Pressed(clock, Agi())
    sent = "".join(chance.choices("0123", k=60))
    told, coming = deque(sent), deque[tuple[str, float]]()
    heard = ""
    while told or coming or keys.waiting:
        clock.now += chance.choice((0.01, 0.05, 0.2))
        if coming and (chance.random() < 0.3 or clock.now - coming[0][1] > 2):
            heard += keys.heard(coming.popleft()[0])
        elif told and chance.random() < 0.5:
            key = told.popleft()
            press(keys, key)
            if chance.random() < 0.8:
                coming.append((key, clock.now))
        elif keys.waiting and not keys.overdue:
            if chance.random() < 0.5:
                heard += keys.lost()
            else:
                coming.append((keys.again(), clock.now))
    assert heard == sent
