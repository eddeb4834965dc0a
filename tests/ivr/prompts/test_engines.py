"""The engines themselves: espeak-ng and pyttsx3 for real, and any command line, also a bad one."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from cti.asterisk import Espeak
from ivr.audio import read_wav
from ivr.errors import BadSetting, PromptUnavailable
from ivr.prompts.languages import VOICES, Voice, voices_with
from ivr.prompts.opening import PromptSettings, engine_of
from ivr.prompts.pyttsx3_engine import Pyttsx3
from ivr.prompts.studio import Studio
from ivr.prompts.synthesiser import CommandLine, EspeakNg
from ivr.prompts.units import Unit

LONG = "Siparişiniz yola çıktı, bugün size ulaşacak. " * 112  # over 5,000 characters


async def made(engine: EspeakNg | CommandLine | Pyttsx3, text: str, language: str = "tr") -> float:
    """Seconds of sound."""
    studio = Studio(engine, deadline=20)
    try:
        return len(await studio.make(Unit(text, 0), language, urgent=True)) / 8000
    finally:
        await studio.close()


@pytest.fixture
def real(espeak: Espeak) -> EspeakNg:
    return EspeakNg(espeak.program, espeak.environment)


async def test_espeak_speaks_turkish_and_english(real: EspeakNg) -> None:
    assert 1.5 < await made(real, "Merhaba, mağazamıza hoş geldiniz.") < 4
    assert 1 < await made(real, "Hello, and welcome to our shop.", "en") < 4


async def test_espeak_reads_turkish_letters_and_no_options_or_phonemes(
    real: EspeakNg, tmp_path: Path
) -> None:
    """The same text without its Turkish letters sounds otherwise; `-h` is only a text."""
    sounds = []
    for number, text in enumerate(("şişçi ığdır", "sisci igdir", "-h", "[[a]]")):
        path = tmp_path / f"{number}.wav"
        await real.synthesise(text, "tr", path)
        sounds.append(read_wav(path)[0].tobytes())
    assert len(set(sounds)) == 4
    assert min(map(len, sounds)) > 10_000


async def test_a_text_of_5000_characters(real: EspeakNg) -> None:
    assert len(LONG) > 5000
    assert await made(real, LONG) > 120


async def test_the_text_is_in_no_process_list(speaker: Callable[..., str], log: Path) -> None:
    engine = CommandLine(speaker("hang"))
    task = asyncio.create_task(engine.synthesise("gizli 4821", "tr", log.with_suffix(".wav")))
    while not log.exists() or not log.read_text():
        await asyncio.sleep(0.01)
    process = psutil.Process(json.loads(log.read_text())["pid"])
    assert "4821" not in " ".join(process.cmdline())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not process.is_running()


@pytest.mark.parametrize("behave", ["fail", "silence", "nothing", "empty", "half"])
async def test_an_engine_that_fails_is_asked_twice(
    speaker: Callable[..., str], asked: Callable[[], list[str]], behave: str
) -> None:
    with pytest.raises(PromptUnavailable) as failed:
        await made(CommandLine(speaker(behave)), "selam")
    assert asked() == ["selam", "selam"]
    if behave == "fail":
        assert "no voice today" in str(failed.value)


async def test_an_engine_that_fails_once_is_forgiven(
    speaker: Callable[..., str], asked: Callable[[], list[str]]
) -> None:
    assert 0.2 < await made(CommandLine(speaker("fail-once")), "selam") < 0.5
    assert asked() == ["selam", "selam"]


async def test_two_channels_become_one(speaker: Callable[..., str]) -> None:
    assert 0.2 < await made(CommandLine(speaker("stereo")), "selam") < 0.5


async def test_an_engine_that_hangs_is_killed_with_its_children(
    speaker: Callable[..., str], log: Path
) -> None:
    studio = Studio(CommandLine(speaker("hang-with-child")), deadline=1.0)
    with pytest.raises(PromptUnavailable, match="longer than"):
        await studio.make(Unit("selam", 0), "tr", urgent=False)
    await studio.close()
    pids = [json.loads(line)["pid"] for line in log.read_text().splitlines()]
    pids.append(int(log.with_suffix(".child").read_text()))
    assert len(pids) == 3
    for pid in pids:
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie"


@pytest.mark.parametrize("text", ["-v", "{output}", "a b; $(touch x) 'y' \"z\"", "ığüşöç €", "%s"])
@pytest.mark.parametrize("by_argument", [True, False])
async def test_a_command_gets_the_text_as_it_is(
    speaker: Callable[..., str], asked: Callable[[], list[str]], text: str, by_argument: bool
) -> None:
    more = ("--text={text}",) if by_argument else ()
    await made(CommandLine(speaker("", *more)), text)
    assert [said.strip() for said in asked()] == [text]


async def test_a_command_may_take_the_text_as_an_argument_of_its_own(
    speaker: Callable[..., str], asked: Callable[[], list[str]]
) -> None:
    await made(CommandLine(speaker("", "--text", "{text}")), "-5 derece")
    assert asked() == [" -5 derece"]


async def test_voices_and_rates_are_filled_in(tmp_path: Path) -> None:
    script = "import sys; open(sys.argv[1] + '.told', 'w').write(' '.join(sys.argv[2:]))"
    command = [sys.executable, "-c", script, "{output}", "{language}", "{voice}", "{rate}"]
    engine = CommandLine(command, voices_with({"de": {"model": "de.onnx", "rate": 150}}))
    await engine.synthesise("Hallo", "de", tmp_path / "x.wav")
    assert (tmp_path / "x.wav.told").read_text() == "de de.onnx 150"


@pytest.mark.parametrize("command", ["piper --model x", "", "piper 'x {output}"])
def test_a_command_line_without_use_is_refused(command: str) -> None:
    with pytest.raises(BadSetting, match="command line"):
        CommandLine(command)


async def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PromptUnavailable, match="cannot be started"):
        await EspeakNg([str(tmp_path / "no-espeak")]).synthesise("a", "tr", tmp_path / "a.wav")


async def test_a_language_without_a_voice() -> None:
    with pytest.raises(PromptUnavailable, match="'de'"):
        EspeakNg().identity("de")


def test_engines_are_told_apart_by_voice_and_rate() -> None:
    other = voices_with({"tr": {"rate": 120}})
    assert EspeakNg().identity("tr") != EspeakNg(voices=other).identity("tr")
    assert CommandLine("a {output}").identity("tr") != CommandLine("b {output}").identity("tr")


def test_voices_are_added_and_changed() -> None:
    voices = voices_with({"de": {"espeak": "de"}, "en": {"espeak": "en-us"}})
    assert voices["de"] == Voice("de", "de")
    assert voices["en"] == Voice("en-us", VOICES["en"].pyttsx3)
    assert voices["tr"] == VOICES["tr"]
    with pytest.raises(BadSetting, match="pitch"):
        voices_with({"de": {"pitch": 3}})
    with pytest.raises(BadSetting, match="rate"):
        voices_with({"de": {"rate": "fast"}})


def test_the_engine_that_is_configured(tmp_path: Path) -> None:
    def engine(**settings: str) -> object:
        return engine_of(PromptSettings(tmp_path, **settings))  # type: ignore[arg-type]

    assert isinstance(engine(), EspeakNg)
    assert isinstance(engine(engine="pyttsx3"), Pyttsx3)
    assert isinstance(engine(engine="command", command="x {output}"), CommandLine)
    with pytest.raises(BadSetting, match="espeak-ng, pyttsx3, command"):
        engine(engine="festival")


@pytest.fixture
async def pyttsx3(espeak: Espeak, tmp_path: Path) -> Pyttsx3:
    """The real one, where its library can be loaded."""
    engine = Pyttsx3(environment=espeak.environment)
    try:
        await engine.synthesise("bir", "tr", tmp_path / "first.wav")
    except PromptUnavailable as reason:
        await engine.close()
        pytest.skip(f"pyttsx3 does not work here: {reason}")
    return engine


async def test_pyttsx3_speaks_one_text_after_another(pyttsx3: Pyttsx3, tmp_path: Path) -> None:
    texts = {"tr": "Merhaba, mağazamıza hoş geldiniz.", "en": "-5 degrees today", "xx": "iki"}
    await asyncio.gather(
        *(pyttsx3.synthesise(text, "en" if name == "en" else "tr", tmp_path / f"{name}.wav")
          for name, text in texts.items())
    )  # fmt: skip
    lengths = {name: len(read_wav(tmp_path / f"{name}.wav")[0]) for name in texts}
    assert lengths["tr"] > lengths["en"] > lengths["xx"] > 5000
    await pyttsx3.close()


async def test_pyttsx3_says_what_went_wrong_and_goes_on(
    pyttsx3: Pyttsx3, espeak: Espeak, tmp_path: Path
) -> None:
    await pyttsx3.close()
    voices = voices_with({"xx": {"pyttsx3": "no/such"}})
    engine = Pyttsx3(voices, espeak.environment)
    with pytest.raises(PromptUnavailable, match="no voice 'no/such'"):
        await engine.synthesise("bir", "xx", tmp_path / "x.wav")
    await engine.synthesise("bir", "tr", tmp_path / "x.wav")
    await engine.close()


async def test_pyttsx3_comes_back_when_its_process_is_killed(
    pyttsx3: Pyttsx3, tmp_path: Path
) -> None:
    workers = psutil.Process(os.getpid()).children()
    workers = [w for w in workers if any("pyttsx3_worker" in word for word in w.cmdline())]
    assert len(workers) == 1
    workers[0].kill()
    studio = Studio(pyttsx3)
    assert await studio.make(Unit("bir", 0), "tr", urgent=True) is not None
    await studio.close()
    assert not [w for w in psutil.Process(os.getpid()).children() if "worker" in str(w.cmdline())]
