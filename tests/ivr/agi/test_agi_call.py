"""AgiCall against the fake Asterisk: real sockets, real bytes."""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path

import pytest

from ivr.agi import sound
from ivr.agi.call import AgiCall
from ivr.call import (
    Direction,
    Heard,
    HeardKind,
    Keys,
    Played,
    Question,
    Recorded,
    Utterance,
)
from ivr.errors import (
    BadAgi,
    CallerHungUp,
    CommandRefused,
    LineLost,
    PromptUnavailable,
    ReplyOverdue,
    TelephonyFault,
)
from tests.ivr.agi.conftest import Bench, Sounds, spoken, write_sound

DIGITS = Keys(min=1, max=4, finish="#", first=5.0, between=3.0)


async def test_the_header_becomes_the_call_info(bench: Bench) -> None:
    async def handler(call: AgiCall) -> None: ...

    query = {
        "call": "0b6f", "entry": "3", "dialled": "+90850", "outcome": "no_answer",
        "language": "en", "customer": "Şükrü & Co\n",
    }  # fmt: skip
    await bench.dial(handler, path="outbound", query=query)
    await bench.result()
    info = bench.call.info
    assert (info.id, info.entry, info.dialled, info.outcome) == ("0b6f", 3, "+90850", "no_answer")
    assert (info.caller, info.channel) == ("05321234567", "PJSIP/trunk-00000001")
    assert (info.direction, info.language) == (Direction.OUTBOUND, "en")
    assert info.context == {"customer": "Şükrü & Co"}


async def test_answering_twice_sends_one_command(bench: Bench) -> None:
    async def handler(call: AgiCall) -> None:
        await call.answer()
        await call.answer()

    fake = await bench.dial(handler)
    await bench.result()
    assert fake.lines[0] == "ANSWER"
    assert fake.lines.count("ANSWER") == 1


async def test_say_plays_all_pieces_in_one_command(bench: Bench, sounds: Sounds) -> None:
    sounds.lengths.update(a=1.0, b=2.0)
    fake = await bench.dial(lambda call: call.say(spoken("a", "b")), durations=sounds.by_name)
    assert await bench.result() == Played(3000)
    assert fake.lines == ["EXEC Background /s/a&/s/b"]


async def test_a_key_cuts_the_prompt_and_answers_the_next_question(bench: Bench) -> None:
    async def handler(call: AgiCall) -> tuple[Played, Played, Heard, int]:
        first = await call.say(spoken("a", "b"))
        second = await call.say(spoken("c"))
        heard = await call.ask(Question(spoken("menu")))
        return first, second, heard, call.trips

    fake = await bench.dial(handler)
    await fake.played("/s/b")
    fake.press("5", after=0.4)
    first, second, heard, trips = await bench.result()
    assert first.interrupted
    assert 1000 < first.ms < 2000
    assert second == Played(0, interrupted=True)
    assert heard == Heard(HeardKind.KEYS, "5", played=Played(0, interrupted=True))
    assert trips == 1


async def test_a_prompt_without_barge_in_plays_to_its_end(bench: Bench) -> None:
    fake = await bench.dial(lambda call: call.say(spoken("legal"), barge_in=False))
    await fake.played("/s/legal")
    fake.press("5")
    assert await bench.result() == Played(1000)
    assert fake.lines == ["EXEC Playback /s/legal"]
    assert bench.call.pending == ""


@pytest.mark.parametrize("key", list("0123456789*#"))
async def test_one_key_during_the_prompt_is_one_trip(bench: Bench, key: str) -> None:
    fake = await bench.dial(lambda call: call.ask(Question(spoken("menu"))))
    await fake.played("/s/menu")
    fake.press(key)
    heard = await bench.result()
    assert (heard.kind, heard.text, heard.played.interrupted) == (HeardKind.KEYS, key, True)
    assert bench.call.trips == 1


@pytest.mark.parametrize("key", list("05*#"))
async def test_one_key_after_one_file_is_one_trip(bench: Bench, key: str) -> None:
    fake = await bench.dial(lambda call: call.ask(Question(spoken("menu"))))
    fake.press(key, after=1.5)
    heard = await bench.result()
    assert heard == Heard(HeardKind.KEYS, key, played=Played(1000))
    assert fake.lines == ["GET DATA /s/menu 5000 1"]


@pytest.mark.parametrize("key", list("05*#"))
async def test_one_key_after_several_files_is_two_trips(bench: Bench, key: str) -> None:
    fake = await bench.dial(lambda call: call.ask(Question(spoken("menu", "7", fixed=False))))
    await fake.asked("WAIT FOR DIGIT")
    fake.press(key, after=0.5)
    heard = await bench.result()
    assert heard == Heard(HeardKind.KEYS, key, played=Played(2000))
    assert fake.lines == ["EXEC Background /s/menu&/s/7", "WAIT FOR DIGIT 5000"]


@pytest.mark.parametrize("key", list("05*#"))
async def test_one_key_when_the_prompt_cannot_be_interrupted(bench: Bench, key: str) -> None:
    fake = await bench.dial(lambda call: call.ask(Question(spoken("menu"), barge_in=False)))
    await fake.asked("WAIT FOR DIGIT")
    fake.press(key, after=0.5)
    heard = await bench.result()
    assert heard == Heard(HeardKind.KEYS, key, played=Played(1000))
    assert fake.lines == ["EXEC Playback /s/menu", "WAIT FOR DIGIT 5000"]


@pytest.mark.parametrize("names", [("menu",), ("menu", "7")])
async def test_silence_is_nothing_heard(bench: Bench, names: tuple[str, ...]) -> None:
    await bench.dial(lambda call: call.ask(Question(spoken(*names), Keys(first=1.0))))
    assert (await bench.result()).kind is HeardKind.NOTHING
    assert bench.call.trips == len(names)


@pytest.mark.parametrize(
    ("keys", "pressed", "text"),
    [(Keys(), "4", "4"), (DIGITS, "12#", "12"), (Keys(1, 4, "", 2.0, 1.0), "1#2", "1#2")],
)
@pytest.mark.parametrize("secret", [False, True])
async def test_fixed_prompts_are_joined_and_asked_in_one_trip(
    bench: Bench, sounds: Sounds, tmp_path: Path, keys: Keys, pressed: str, text: str, secret: bool
) -> None:
    sounds.folder = tmp_path
    question = Question(spoken("one", "two"), keys, secret=secret)
    fake = await bench.dial(lambda call: call.ask(question))
    await fake.played("joined")
    fake.press(pressed, after=1.2, gap=0.3)
    heard = await bench.result()
    assert (heard.kind, heard.text) == (HeardKind.KEYS, text)
    if keys.finish or keys.max == 1:
        assert bench.call.trips == 1
        assert fake.lines[0].startswith(f"GET DATA {tmp_path}/joined-")


async def test_a_prompt_recorded_anew_is_joined_anew(
    bench: Bench, sounds: Sounds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sound, "LOOK_AGAIN", 0.0)
    sounds.folder = tmp_path
    question = Question(spoken("one", "two"), Keys(first=0.1))

    async def handler(call: AgiCall) -> None:
        await call.ask(question)
        await call.ask(question)
        write_sound(tmp_path / "one.wav", 2.0)
        await call.ask(question)
        for path in tmp_path.glob("joined-*"):
            path.unlink()  # the cache was emptied
        await call.ask(question)

    fake = await bench.dial(handler)
    await bench.result()
    first, again, anew, rewritten = fake.sounds
    assert first == again != anew == rewritten
    assert fake.channel.length(anew) == 3.0
    assert not list(tmp_path.glob("*.part"))


async def test_a_finish_key_behind_a_full_answer_belongs_to_it(bench: Bench) -> None:
    async def handler(call: AgiCall) -> tuple[Heard, Heard]:
        first = await call.ask(Question(spoken("number", "b"), DIGITS))
        return first, await call.ask(Question(spoken("menu", "b")))

    fake = await bench.dial(handler)
    await fake.played("/s/number")
    fake.press("1234")
    await fake.played("/s/menu")
    fake.press("#")
    await fake.played("/s/menu", times=2)
    fake.press("#")
    first, second = await bench.result()
    assert first.text == "1234"
    assert second.text == "#"


@pytest.mark.parametrize("keys", [Keys(), DIGITS, Keys(1, 4, "*")])
@pytest.mark.parametrize("names", [("n",), ("n", "b")])
async def test_that_finish_key_does_not_answer_the_next_question(
    bench: Bench, keys: Keys, names: tuple[str, ...]
) -> None:
    async def handler(call: AgiCall) -> Heard:
        call.expect_stray(keys.finish or "#", 3.0)
        return await call.ask(Question(spoken(*names), keys))

    fake = await bench.dial(handler)
    await fake.played("/s/n")
    fake.press(keys.finish or "#")
    await fake.played("/s/n", times=2 if keys.finish == "*" or len(names) == 2 else 1)
    await asyncio.sleep(0.02)
    fake.press("5" if keys.max == 1 else "56" + keys.finish, after=0.3, gap=0.2)
    heard = await bench.result()
    assert heard.text == ("5" if keys.max == 1 else "56")


async def test_digits_are_read_in_two_trips(bench: Bench) -> None:
    async def handler(call: AgiCall) -> tuple[Heard, int]:
        await call.set_digit_timeout(DIGITS.between)
        before = call.trips
        return await call.ask(Question(spoken("number"), DIGITS)), call.trips - before

    fake = await bench.dial(handler)
    await fake.played("/s/number")
    fake.press("12#", after=0.2, gap=0.2)
    heard, trips = await bench.result()
    assert (heard.text, heard.finished, trips) == ("12", True, 2)
    assert fake.lines[1:] == [
        'EXEC Read "SANTRAL_KEYS,/s/number&/s/silence-2,4,t(#),1,3"',
        'GET FULL VARIABLE "${READSTATUS}|${SANTRAL_KEYS}"',
    ]


@pytest.mark.parametrize(
    ("keys", "pressed", "text", "finished"),
    [
        (DIGITS, "1234", "1234", False),
        (DIGITS, "12", "12", False),
        (DIGITS, "#", "", True),
        (Keys(1, 4, "*", 2.0, 1.0), "1#2*", "1#2", True),
        (Keys(1, 4, "*#", 2.0, 1.0), "12*", "12", True),
        (Keys(1, 4, "", 2.0, 1.0), "1#*4", "1#*4", False),
        (Keys(1, 2, "", 2.0, 1.0), "12", "12", False),
        (Keys(2, 2, "", 1.0, 1.0), "1", "1", False),
        (Keys(1, 12, "#", 3.0, 3.0), "905321234567", "905321234567", False),
    ],
)
@pytest.mark.parametrize("secret", [False, True])
@pytest.mark.parametrize("barge_in", [False, True])
async def test_digit_strings(
    bench: Bench, keys: Keys, pressed: str, text: str, finished: bool, secret: bool, barge_in: bool
) -> None:
    question = Question(spoken("number"), keys, secret=secret, barge_in=barge_in)

    async def handler(call: AgiCall) -> Heard:
        await call.set_digit_timeout(keys.between)
        return await call.ask(question)

    fake = await bench.dial(handler)
    await fake.played("/s/number")
    fake.press(pressed, after=0.2 if barge_in else 1.7, gap=0.2)
    heard = await bench.result()
    assert (heard.kind, heard.text, heard.finished) == (HeardKind.KEYS, text, finished)
    assert heard.secret is secret
    assert not fake.lost


async def test_no_digits_are_nothing_heard(bench: Bench) -> None:
    durations = {"/s/silence-2": 2.0}
    await bench.dial(lambda call: call.ask(Question(spoken("number"), DIGITS)), durations=durations)
    assert (await bench.result()).kind is HeardKind.NOTHING


async def test_a_secret_answer_never_becomes_a_channel_variable(bench: Bench) -> None:
    question = Question(spoken("pin"), DIGITS, secret=True)
    fake = await bench.dial(lambda call: call.ask(question))
    await fake.played("/s/pin")
    fake.press("1")
    await fake.asked("GET DATA")
    fake.press("234")
    assert (await bench.result()).text == "1234"
    assert bench.call.trips == 2
    assert "1234" not in str(fake.variables)


@pytest.mark.parametrize(
    ("pending", "keys", "text", "left", "trips"),
    [
        ("1", Keys(), "1", "", 0),
        ("12", Keys(), "1", "2", 0),
        ("1234", DIGITS, "1234", "", 0),
        ("123456", DIGITS, "1234", "56", 0),
        ("12#5", DIGITS, "12", "5", 0),
        ("1234#5", DIGITS, "1234", "5", 0),
        ("12", DIGITS, "1278", "", 1),
        ("12", Keys(1, 4, "*"), "1278", "", 2),
    ],
)
async def test_keys_typed_ahead_answer(
    bench: Bench, pending: str, keys: Keys, text: str, left: str, trips: int
) -> None:
    async def handler(call: AgiCall) -> Heard:
        call.pending = pending
        return await call.ask(Question(spoken("number"), keys))

    fake = await bench.dial(handler)
    if trips:
        await fake.asked("GET DATA" if keys is DIGITS else "EXEC Read")
        fake.press("78", after=0.2, gap=0.2)
    heard = await bench.result()
    assert (heard.kind, heard.text) == (HeardKind.KEYS, text)
    assert heard.played == Played(0, interrupted=True)
    assert bench.call.pending == left
    assert bench.call.trips == trips
    assert not fake.sounds


async def test_flush_forgets_keys_and_the_rest_of_a_burst_in_one_trip(bench: Bench) -> None:
    async def handler(call: AgiCall) -> Heard:
        await call.ask(Question(spoken("first")))
        call.pending = "8"
        before = call.trips
        heard = await call.ask(Question(spoken("sure"), Keys(first=0.5), flush=True))
        assert call.trips == before + 2
        return heard

    fake = await bench.dial(handler)
    await fake.played("/s/first")
    fake.press("123", after=0.1, gap=0.1)
    await fake.played("/s/sure")
    fake.press("4", after=1.2)
    heard = await bench.result()
    assert heard.text == "4"
    assert [line.split()[1] for line in fake.lines[1:]] == ["Wait", "DATA"]


async def test_flush_costs_nothing_when_no_key_came_lately(bench: Bench) -> None:
    async def handler(call: AgiCall) -> Heard:
        call.pending = "8"
        return await call.ask(Question(spoken("sure"), Keys(first=0.1), flush=True))

    await bench.dial(handler)
    assert (await bench.result()).kind is HeardKind.NOTHING
    assert bench.call.trips == 1


async def test_more_pieces_than_a_line_holds_are_split(bench: Bench, sounds: Sounds) -> None:
    names = [f"{number}-{'ş' * 100}" for number in range(100)]
    sounds.lengths.update(dict.fromkeys(names, 0.05))
    fake = await bench.dial(lambda call: call.say(spoken(*names)), durations=sounds.by_name)
    assert await bench.result() == Played(5000)
    assert len(fake.lines) == 3
    assert fake.sounds == [f"/s/{name}" for name in names]


@pytest.mark.parametrize("seconds", [0, 0.005])
async def test_a_task_that_is_done_at_once_costs_no_command(bench: Bench, seconds: float) -> None:
    async def handler(call: AgiCall) -> tuple[bool, int]:
        task = asyncio.ensure_future(asyncio.sleep(seconds))
        return await call.wait(task, 5.0), call.trips

    await bench.dial(handler)
    assert await bench.result() == (True, 0)


async def test_keys_are_kept_while_a_task_works(bench: Bench) -> None:
    async def handler(call: AgiCall) -> tuple[bool, str]:
        task = asyncio.ensure_future(asyncio.sleep(0.2, "row"))
        return await call.wait(task, 60.0), call.pending

    fake = await bench.dial(handler)
    await fake.asked("WAIT FOR DIGIT")
    fake.press("7")
    assert await bench.result() == (True, "7")


async def test_a_task_that_fails_is_done_too(bench: Bench) -> None:
    async def handler(call: AgiCall) -> bool:
        task = asyncio.get_running_loop().create_future()
        task.set_exception(ValueError("theirs"))
        try:
            return await call.wait(task, 5.0)
        finally:
            assert task.exception()

    await bench.dial(handler)
    assert await bench.result() is True


@pytest.mark.parametrize("ask", [False, True])
async def test_keys_are_heard_while_values_are_being_spoken(
    bench: Bench, sounds: Sounds, ask: bool
) -> None:
    spoken_now = asyncio.Event()
    files = sounds.files

    async def slow_files(utterance: Utterance) -> tuple[Path, ...]:
        await spoken_now.wait()
        return await files(utterance)

    sounds.files = slow_files  # type: ignore[method-assign]

    async def handler(call: AgiCall) -> Heard:
        if not ask:
            assert await call.say(spoken("total", fixed=False)) == Played(0, interrupted=True)
        return await call.ask(Question(spoken("total", fixed=False), DIGITS))

    fake = await bench.dial(handler)
    await fake.asked("WAIT FOR DIGIT")
    fake.press("1")
    await fake.asked("WAIT FOR DIGIT", times=2)
    spoken_now.set()
    await fake.asked("GET DATA")
    fake.press("2#")
    assert (await bench.result()).text == "12"
    assert fake.sounds == []
    assert fake.lost == []


async def test_values_that_are_never_ready(
    bench: Bench, sounds: Sounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(utterance: Utterance) -> tuple[Path, ...]:
        await asyncio.sleep(60)
        return ()

    sounds.files = never  # type: ignore[method-assign]
    monkeypatch.setattr("ivr.agi.call.SYNTHESIS", 0.5)
    await bench.dial(lambda call: call.say(spoken("total", fixed=False)))
    with pytest.raises(PromptUnavailable):
        await bench.result()


async def test_a_task_that_takes_too_long(bench: Bench) -> None:
    async def handler(call: AgiCall) -> bool:
        task = asyncio.ensure_future(asyncio.sleep(60))
        try:
            return await call.wait(task, 1.0)
        finally:
            task.cancel()

    await bench.dial(handler)
    assert await bench.result() is False
    assert bench.call.trips < 10


@pytest.mark.parametrize(
    ("pressed", "silence", "ended_by"),
    [("#", 0.0, "key"), ("", 1.0, "silence"), ("", 0.0, "limit")],
)
async def test_recording(bench: Bench, pressed: str, silence: float, ended_by: str) -> None:
    async def handler(call: AgiCall) -> Recorded:
        return await call.record("/r/n.wav", limit=3, silence=silence, beep=True, finish="#")

    fake = await bench.dial(handler)
    await fake.asked("RECORD FILE")
    fake.press(pressed, after=0.5)
    recorded = await bench.result()
    assert (recorded.path, recorded.ended_by) == ("/r/n.wav", ended_by)
    extra = " s=1" if silence else ""
    assert fake.lines == [f'RECORD FILE /r/n wav "#" 3000 0 BEEP{extra}']


async def test_a_caller_who_hangs_up_has_left_a_note(bench: Bench) -> None:
    async def handler(call: AgiCall) -> Recorded:
        recorded = await call.record("/r/n.wav", limit=3, silence=0, beep=False, finish="#")
        with pytest.raises(CallerHungUp):
            await call.say(spoken("thanks"))
        return recorded

    fake = await bench.dial(handler)
    await fake.asked("RECORD FILE")
    fake.hang_up(after=1.0)
    recorded = await bench.result()
    assert recorded.ended_by == "hangup"
    assert 500 < recorded.ms < 2900


async def test_a_recording_that_cannot_be_written(bench: Bench) -> None:
    async def handler(call: AgiCall) -> Recorded:
        return await call.record("/r/n.wav", limit=3, silence=0, beep=False, finish="#")

    await bench.dial(handler, missing={"/r/n"})
    with pytest.raises(TelephonyFault):
        await bench.result()


async def test_transfer_leaves_all_variables_in_one_command(bench: Bench) -> None:
    async def handler(call: AgiCall) -> None:
        await call.transfer("queue", "destek", {"back": "1", "why": "a, b (c) = d;e & ş"})

    fake = await bench.dial(handler)
    await bench.result()
    await asyncio.wait_for(fake.ended.wait(), 5)
    assert len(fake.lines) == 1
    assert fake.variables == {
        "SANTRAL_DONE": "queue",
        "SANTRAL_TO": "destek",
        "SANTRAL_BACK": "1",
        "SANTRAL_WHY": "a, b (c) = d;e & ş",
    }


async def test_hangup_says_so_and_closes(bench: Bench) -> None:
    fake = await bench.dial(lambda call: call.hangup())
    await bench.result()
    await asyncio.wait_for(fake.ended.wait(), 5)
    assert fake.variables == {"SANTRAL_DONE": "hangup"}


@pytest.mark.parametrize(
    "value", ["${EXTEN}", "$[1+1]", "${ENV(PATH)}", 'a"b', "a\nb", "a\\b", "a\0b", "`id`"]
)
async def test_a_value_that_a_dialplan_would_act_on_is_refused(bench: Bench, value: str) -> None:
    async def handler(call: AgiCall) -> int:
        for target, options in ((value, {}), ("destek", {"why": value})):
            with pytest.raises(CommandRefused):
                await call.transfer("queue", target, options)
        with pytest.raises(CommandRefused):
            await call.transfer("queue", "destek", {"a=1,b": "x"})
        return call.trips

    await bench.dial(handler)
    assert await bench.result() == 0


async def test_a_hangup_while_idle_is_raised_by_the_next_command(bench: Bench) -> None:
    async def handler(call: AgiCall) -> int:
        while not call.hung_up:
            await asyncio.sleep(0.01)
        for _ in range(3):
            with pytest.raises(CallerHungUp):
                await call.say(spoken("a"))
        return call.trips

    fake = await bench.dial(handler)
    fake.hang_up()
    assert await bench.result() == 0


@pytest.mark.parametrize(
    "handler",
    [
        lambda call: call.say(spoken("a")),
        lambda call: call.say(spoken("a"), barge_in=False),
        lambda call: call.ask(Question(spoken("a"))),
        lambda call: call.ask(Question(spoken("a"), DIGITS)),
        lambda call: call.ask(Question(None, DIGITS)),
        lambda call: call.ask(Question(spoken("a"), DIGITS, secret=True)),
        lambda call: call.wait(asyncio.ensure_future(asyncio.sleep(2)), 60),
    ],
)
@pytest.mark.parametrize("after", [0.3, 1.7])
async def test_a_hangup_during_a_command(bench: Bench, handler: object, after: float) -> None:
    fake = await bench.dial(handler)  # type: ignore[arg-type]
    fake.hang_up(after=after)
    if after < 1 or "wait" not in str(fake.lines):
        try:
            await bench.result()
        except CallerHungUp:
            return
        assert after > 1  # it was over before


async def test_a_hangup_line_alone_ends_a_running_command(bench: Bench) -> None:
    fake = await bench.dial(lambda call: call.say(spoken("a")))
    await fake.played("/s/a")
    fake.send(b"HAN")
    await asyncio.sleep(0.02)
    fake.send(b"GUP\n")
    with pytest.raises(CallerHungUp):
        await bench.result()


async def test_511_is_a_hangup(bench: Bench) -> None:
    async def handler(call: AgiCall) -> None:
        await asyncio.sleep(0.05)
        await call.ask(Question(None))

    fake = await bench.dial(handler)
    fake.channel.dead = fake.hangup_told = True  # its line was lost on the way
    with pytest.raises(CallerHungUp):
        await bench.result()


@pytest.mark.parametrize("barge_in", [True, False])
async def test_a_missing_prompt_is_no_hangup(bench: Bench, barge_in: bool) -> None:
    await bench.dial(lambda call: call.say(spoken("a"), barge_in=barge_in), missing={"/s/a"})
    with pytest.raises(PromptUnavailable):
        await bench.result()


@pytest.mark.parametrize("keys", [Keys(), DIGITS, Keys(1, 4, "*")])
async def test_a_missing_question_is_no_hangup(bench: Bench, keys: Keys) -> None:
    missing = {"/s/a", "/s/silence-2"}
    await bench.dial(lambda call: call.ask(Question(spoken("a"), keys)), missing=missing)
    with pytest.raises(PromptUnavailable, match="/s/a"):
        await bench.result()


async def test_a_question_that_was_silent_is_told(bench: Bench, sounds: Sounds) -> None:
    """Read plays what there is: here the silence behind a prompt that is missing."""
    sounds.lengths.update(a=10.0, b=10.0)  # so long that a busy machine does not matter
    question = Question(spoken("a", "b"), DIGITS)
    await bench.dial(lambda call: call.ask(question), missing={"/s/a", "/s/b"})
    with pytest.raises(PromptUnavailable, match="/s/a"):
        await bench.result()


async def test_minus_one_without_a_hangup_is_a_fault(bench: Bench) -> None:
    fake = await bench.dial(lambda call: call.answer())
    fake.replies["ANSWER"] = deque([b"200 result=-1\n"])
    with pytest.raises(TelephonyFault):
        await bench.result()
    assert fake.lines[-1] == "CHANNEL STATUS"


async def test_minus_one_and_a_closed_socket_are_a_hangup(bench: Bench) -> None:
    fake = await bench.dial(lambda call: call.answer())
    fake.replies["ANSWER"] = deque([b"200 result=-1\n"])
    fake.close_after = 1  # AGIEXITONHANGUP
    with pytest.raises(CallerHungUp):
        await bench.result()


@pytest.mark.parametrize("reply", [b"510 Invalid or unknown command\n", b"520-No\nuse\n520 End.\n"])
async def test_refused_commands(bench: Bench, reply: bytes) -> None:
    async def handler(call: AgiCall) -> None:
        with pytest.raises(CommandRefused):
            await call.answer()
        await call.answer()

    fake = await bench.dial(handler)
    fake.replies["ANSWER"] = deque([reply])
    await bench.result()
    assert fake.lines == ["ANSWER", "ANSWER"]


@pytest.mark.parametrize("garbage", [b"hello\n", b"200 result=0\n200 result=0\n", b"\0\0\n"])
async def test_garbage_closes_the_line(bench: Bench, garbage: bytes) -> None:
    async def handler(call: AgiCall) -> None:
        await call.command(b"NOOP\n")
        await asyncio.sleep(0.05)
        await call.command(b"NOOP\n")

    fake = await bench.dial(handler)
    fake.replies["NOOP"] = deque([garbage])
    with pytest.raises(BadAgi):
        await bench.result()
    await asyncio.wait_for(fake.ended.wait(), 5)


async def test_a_deadline_is_its_commands_own(bench: Bench) -> None:
    """The one timer of a line serves a later, shorter deadline, and none cuts a later command."""

    async def handler(call: AgiCall) -> None:
        await call._connection.command(b"NOOP\n", 60.0)
        await call._connection.command(b"ANSWER\n", 0.05)
        await asyncio.sleep(0.1)
        await call._connection.command(b"NOOP\n", 60.0)
        with pytest.raises(ReplyOverdue):
            await call._connection.command(b"CHANNEL STATUS\n", 0.05)

    fake = await bench.dial(handler)
    fake.delays["CHANNEL STATUS"] = 60.0
    await bench.result()


async def test_no_reply_in_time_closes_the_line(bench: Bench) -> None:
    bench.server._slack = 0.1

    async def handler(call: AgiCall) -> None:
        with pytest.raises(ReplyOverdue):
            await call.answer()
        with pytest.raises(ReplyOverdue):
            await call.say(spoken("a"))

    fake = await bench.dial(handler)
    fake.delays["ANSWER"] = 60.0
    await bench.result()
    assert bench.call.trips == 1


async def test_a_dead_socket_is_a_lost_line(bench: Bench) -> None:
    fake = await bench.dial(lambda call: call.say(spoken("a")))
    await fake.played("/s/a")
    fake.die()
    with pytest.raises(LineLost):
        await bench.result()


async def test_two_commands_at_once_are_a_bug(bench: Bench) -> None:
    async def handler(call: AgiCall) -> None:
        both = [call.say(spoken("a")), call.say(spoken("b"))]
        results = await asyncio.gather(*both, return_exceptions=True)
        assert [type(result) for result in results] == [Played, RuntimeError]

    await bench.dial(handler)
    await bench.result()
