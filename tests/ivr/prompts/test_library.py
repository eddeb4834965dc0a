"""The prompt library: ready before a call asks, with real speech."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cti.asterisk import Espeak
from ivr.audio import write_wav
from ivr.call import Piece, Utterance
from ivr.errors import PromptUnavailable
from ivr.flow.loader import load_flow, load_text
from ivr.prompts.builtin import played_names, write_played_prompts
from ivr.prompts.flows import needs_of
from ivr.prompts.library import PromptLibrary
from ivr.prompts.needs import Needs, Whole
from ivr.sayas import FILTERS
from tests.ivr.prompts.conftest import sound_of

Open = Callable[..., Awaitable[PromptLibrary]]
Speaker = Callable[..., str]
Asked = Callable[[], list[str]]
SCENARIOS = Path(__file__).parents[3] / "scenarios"
HELLO = Utterance("hello", "tr", (Piece("Merhaba."),), "shop")


def said(*pieces: str, prompt: str = "p", language: str = "tr", secret: bool = False) -> Utterance:
    """An utterance; a piece that begins with = is a value."""
    cut = tuple(Piece(text.removeprefix("="), not text.startswith("=")) for text in pieces)
    return Utterance(prompt, language, cut, "shop", secret)


def whole(*utterances: Utterance) -> Needs:
    return Needs(whole=tuple(map(Whole, utterances)))


def recorded(path: Path, seconds: float = 1.0, rate: int = 8000, level: int = 5000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_wav(path, np.full(int(seconds * rate), level, np.int16), rate)
    return path


async def test_a_shipped_flow_is_made_ready_and_spoken(open_library: Open, espeak: Espeak) -> None:
    library = await open_library(espeak=espeak.program[0], environment=espeak.environment)
    flow = load_flow(SCENARIOS / "order_line.yaml")
    needs = replace(needs_of([flow]), spelled=frozenset())  # these take a second or two
    steps: list[tuple[int, int]] = []
    done = await library.prepare(needs, lambda ready, of: steps.append((ready, of)))
    assert done.made > 20
    assert steps[-1] == (done.made, done.made)
    number, total = FILTERS["digits"]("1204", "tr"), FILTERS["money"]("459,90", "tr")
    status = said(f"={number}", "numaralı siparişiniz", "=kargoda", ". Tutarı", f"={total}")
    files = await library.files(status)
    assert len(files) == 8  # four digits among them
    assert sum(len(sound_of(file)) for file in files) / 8000 > 4
    for file in files:
        assert library.duration_ms(file) == len(sound_of(file)) // 8
    again = await library.prepare(needs)
    assert (again.made, again.found) == (0, done.made)


async def test_what_is_cached_starts_no_process(
    open_library: Open, speaker: Speaker, asked: Asked
) -> None:
    needs = Needs(whole=(Whole(HELLO),), pieces=(("tr", "Tutarı"), ("tr", "lira.")))
    first = await open_library(engine="command", command=speaker())
    done = await first.prepare(needs)
    assert (done.made, done.found) == (5, 0)
    assert sorted(asked()) == ["Merhaba.", "Tutarı", "Tutarı,", "Tutarı,", "lira."]
    await first.files(said("Tutarı", "=bin", "lira."))
    second = await open_library(engine="command", command=speaker())
    done = await second.prepare(needs)
    assert (done.made, done.found) == (0, 5)
    await second.files(HELLO)
    await second.files(said("Tutarı", "=bin", "lira."))
    assert len(asked()) == 6


async def test_what_is_fixed_is_answered_without_looking_at_the_disk(
    open_library: Open, speaker: Speaker, tmp_path: Path
) -> None:
    library = await open_library(engine="command", command=speaker())
    await library.prepare(whole(HELLO) + Needs(pieces=(("tr", "Tutarı"),)))
    before = (await library.files(HELLO), await library.files(said("Tutarı")))
    shutil.rmtree(tmp_path / "cache")
    assert (await library.files(HELLO), await library.files(said("Tutarı"))) == before


async def test_a_value_is_made_once_however_many_callers_wait(
    open_library: Open, speaker: Speaker, asked: Asked
) -> None:
    library = await open_library(engine="command", command=speaker())
    answers = await asyncio.gather(*(library.files(said("=kargoda")) for _ in range(50)))
    assert len(set(answers)) == 1
    assert asked() == ["kargoda"]


async def test_a_caller_who_leaves_does_not_stop_the_others(
    open_library: Open, speaker: Speaker, asked: Asked
) -> None:
    library = await open_library(engine="command", command=speaker())
    first, second = (asyncio.create_task(library.files(said("=kargoda"))) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert len(await second) == 1
    assert asked() == ["kargoda"]


async def test_a_value_whose_file_is_gone_or_damaged_is_made_again(
    open_library: Open, speaker: Speaker, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ivr.prompts.shelf.TOUCH_EVERY", -1.0)
    library = await open_library(engine="command", command=speaker())
    (path,) = await library.files(said("=kargoda"))
    path.unlink()
    assert await library.files(said("=kargoda")) == (path,)
    assert asked() == ["kargoda"] * 2
    path.write_bytes(path.read_bytes()[:200])
    other = await open_library(engine="command", command=speaker())
    (again,) = await other.files(said("=kargoda"))
    assert len(sound_of(again)) > 1000
    assert asked() == ["kargoda"] * 3


async def test_a_caller_does_not_wait_for_ever(open_library: Open, speaker: Speaker) -> None:
    library = await open_library(engine="command", command=speaker("hang"), value_deadline=0.3)
    with pytest.raises(PromptUnavailable, match="in time"):
        await library.files(said("=kargoda"))
    with pytest.raises(PromptUnavailable, match="in time"):
        await library.files(said("=4821", secret=True))


async def test_a_broken_engine_is_told_and_what_can_be_had_is_ready(
    open_library: Open, tmp_path: Path
) -> None:
    recorded(tmp_path / "sounds" / "tr" / "hello.wav")
    library = await open_library(espeak=str(tmp_path / "nothing"))
    with pytest.raises(PromptUnavailable, match=r"'Tutarı,?' \(tr\).*cannot be started.*2 more"):
        await library.prepare(whole(HELLO) + Needs(pieces=(("tr", "Tutarı"),)))
    assert len(await library.files(HELLO)) == 1
    with pytest.raises(PromptUnavailable):
        await library.files(said("Tutarı"))


async def test_a_broken_engine_is_not_asked_for_thousands_of_texts(
    open_library: Open, speaker: Speaker, asked: Asked
) -> None:
    library = await open_library(engine="command", command=speaker("fail"))
    texts = tuple(("tr", f"Metin {number}.") for number in range(1000))
    with pytest.raises(PromptUnavailable, match="more"):
        await library.prepare(Needs(pieces=texts))
    assert len(asked()) < 60


async def test_a_recording_wins_the_flows_own_first(
    open_library: Open, speaker: Speaker, asked: Asked, tmp_path: Path
) -> None:
    sounds = tmp_path / "sounds" / "tr"
    everywhere = recorded(sounds / "hello.wav", seconds=1)
    library = await open_library(engine="command", command=speaker())
    done = await library.prepare(whole(HELLO))
    assert done.recorded == 1
    assert await library.files(HELLO) == (everywhere,)
    assert library.duration_ms(everywhere) == 1000
    own = recorded(sounds / "shop" / "hello.wav", seconds=2)
    await library.prepare(whole(HELLO))
    assert await library.files(HELLO) == (own,)
    assert asked() == []


async def test_a_recording_does_not_stand_for_values_other_texts_or_languages(
    open_library: Open, speaker: Speaker, asked: Asked, tmp_path: Path
) -> None:
    recorded(tmp_path / "sounds" / "tr" / "hello.wav")
    recorded(tmp_path / "sounds" / "cache" / "hello.wav")
    library = await open_library(engine="command", command=speaker())
    second = said("Selam.", prompt="hello")
    await library.prepare(
        Needs(whole=(Whole(HELLO), Whole(second, alternate=1), Whole(said("Hi.", language="en"))))
    )
    await library.files(said("Merhaba", "=Ayşe", prompt="hello"))
    await library.files(second)
    assert sorted(asked()) == ["Ayşe", "Hi.", "Merhaba,", "Selam."]
    recorded(tmp_path / "sounds" / "tr" / "hello.2.wav", seconds=3)
    await library.prepare(Needs(whole=(Whole(HELLO), Whole(second, alternate=1))))
    assert library.duration_ms((await library.files(second))[0]) == 3000


async def test_a_recording_in_another_format_is_converted_once_with_a_note(
    open_library: Open, speaker: Speaker, tmp_path: Path
) -> None:
    recorded(tmp_path / "sounds" / "tr" / "hello.wav", rate=44_100)
    (tmp_path / "sounds" / "tr" / "broken.wav").write_bytes(b"RIFF, but no more")
    (tmp_path / "sounds" / "tr" / "empty.wav").write_bytes(b"")
    for _ in range(2):
        library = await open_library(engine="command", command=speaker())
        done = await library.prepare(whole(HELLO))
        (path,) = await library.files(HELLO)
        assert len(sound_of(path)) == 8000
        assert done.recorded == 1
        assert len(done.notes) == 3
        assert "tr/hello.wav was converted: it is 44.1 kHz, 16 bit, mono" in done.notes[2]
        assert "tr/broken.wav is left out" in done.notes[0]
    assert len(list((tmp_path / "cache").glob("sounds/*/*.wav"))) == 1


async def test_prompts_said_in_one_breath_keep_their_recordings(
    open_library: Open, speaker: Speaker, tmp_path: Path
) -> None:
    own = recorded(tmp_path / "sounds" / "tr" / "hello.wav")
    library = await open_library(engine="command", command=speaker())
    other = said("Tutarı", "=bin", prompt="total")
    await library.prepare(whole(HELLO))
    both = Utterance(
        "hello+total", "tr", HELLO.pieces + other.pieces, "shop", False, (HELLO, other)
    )
    assert await library.files(both) == (own, *await library.files(other))


async def test_a_secret_is_one_file_that_tells_nothing_and_goes(
    open_library: Open, speaker: Speaker, tmp_path: Path
) -> None:
    library = await open_library(engine="command", command=speaker())
    await library.files(said("Numaranız", "=dört iki", "olarak"))
    before = set((tmp_path / "cache").rglob("*.wav"))
    secret = said("Numaranız", "=dört iki", "=kargoda", secret=True)
    (first,) = await library.files(secret)
    (second,) = await library.files(secret)
    assert first != second
    assert set((tmp_path / "cache").rglob("*.wav")) - before == {first, second}
    assert len(sound_of(first)) > 3 * 0.3 * 8000
    assert library.duration_ms(first) == len(sound_of(first)) // 8
    await library.close()
    assert not first.exists()


async def test_silences(open_library: Open, speaker: Speaker, tmp_path: Path) -> None:
    library = await open_library(engine="command", command=speaker())
    path = library.silence(2.004)
    assert path == library.silence(2) == library.silence(1.996)
    assert library.duration_ms(path) == 2000
    assert not sound_of(path).any()
    assert library.duration_ms(library.silence(0)) == 10
    assert library.duration_ms(library.silence(1e9)) == 120_000


async def test_what_is_made_meanwhile_does_not_hold_a_caller_up(
    open_library: Open, speaker: Speaker, asked: Asked
) -> None:
    """A reload synthesises hundreds of texts; a value asked for in the middle comes before them."""
    library = await open_library(engine="command", command=speaker())
    texts = tuple(("tr", f"Metin {number}.") for number in range(20))
    loading = asyncio.create_task(library.prepare(Needs(pieces=texts)))
    while not asked():
        await asyncio.sleep(0.01)
    await library.files(said("=kargoda"))
    assert not loading.done()
    await loading
    assert asked().index("kargoda") < 15


OTHER = """
import asyncio, sys
from pathlib import Path
from ivr.prompts.needs import Needs
from ivr.prompts.opening import PromptSettings, open_prompts
async def main():
    settings = PromptSettings(Path(sys.argv[1]), engine="command", command=sys.argv[2])
    async with open_prompts(settings) as library:
        texts = tuple(("tr", f"Metin {number}.") for number in range(6))
        done = await library.prepare(Needs(pieces=texts))
        print(done.made + done.found)
asyncio.run(main())
"""


async def test_two_processes_at_once(
    open_library: Open, speaker: Speaker, asked: Asked, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    running = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", OTHER, str(cache), speaker(), stdout=asyncio.subprocess.PIPE
        )
        for _ in range(2)
    ]
    for process in running:
        assert (await process.communicate())[0] == b"6\n"
    assert 6 <= len(asked()) <= 12
    library = await open_library(engine="command", command=speaker())
    texts = tuple(("tr", f"Metin {number}.") for number in range(6))
    assert (await library.prepare(Needs(pieces=texts))).found == 6
    assert not list(cache.rglob("*.part"))


async def test_what_asterisk_plays_by_itself(
    open_library: Open, espeak: Espeak, tmp_path: Path
) -> None:
    own = recorded(tmp_path / "sounds" / "en" / "santral_apology.wav", seconds=2, level=3)
    seven = recorded(tmp_path / "sounds" / "tr" / "santral_number_7.wav", seconds=1, level=3)
    library = await open_library(espeak=espeak.program[0], environment=espeak.environment)
    out = tmp_path / "out"
    await write_played_prompts(library, out, ("tr", "en", "de"))
    written = sorted(str(path.relative_to(out)) for path in out.rglob("*.wav"))
    assert written == sorted(
        f"{lang}/{name}.wav" for lang in ("tr", "en") for name in played_names()
    )
    assert sound_of(out / "en/santral-apology.wav").tolist() == sound_of(own).tolist()
    assert sound_of(out / "tr/digits/7.wav").tolist() == sound_of(seven).tolist()
    assert len({path.read_bytes() for path in out.glob("tr/santral-callback-offer-*.wav")}) == 10
    # What is there stays, and what was lost is made again.
    (out / "tr/digits/3.wav").unlink()
    kept = (out / "en/queue-thankyou.wav").stat().st_ino
    await write_played_prompts(library, out, ("tr", "en"))
    assert (out / "tr/digits/3.wav").exists()
    assert (out / "en/queue-thankyou.wav").stat().st_ino == kept


NOTHING = "{flow: n, languages: [tr, en], start: a, steps: {a: {type: hangup}}}"


def test_what_a_flow_needs() -> None:
    flow = load_text(
        """
        flow: f
        languages: [tr, en]
        start: a
        prompts:
          plain: {tr: [Bir., İki.], en: One.}
          five: {tr: "Beş {{ 5 | number }}", en: "Five"}
          value: {tr: "Tutar {{ call.caller | digits }} tamam.", en: "Sum {{ call.caller }}"}
        steps:
          a: {type: say, prompt: plain, next: b}
          b: {type: say, prompt: five, next: c}
          c: {type: say, prompt: value, next: d}
          d: {type: hangup}
        """
    )
    needs = needs_of([flow])
    ours = [(w.utterance, w.alternate) for w in needs.whole if w.utterance.prompt == "plain"]
    assert ours == [
        (Utterance("plain", "tr", (Piece("Bir."),), "f"), 0),
        (Utterance("plain", "tr", (Piece("İki."),), "f"), 1),
        (Utterance("plain", "en", (Piece("One."),), "f"), 0),
    ]
    everybodys = set(needs_of([load_text(NOTHING)]).pieces)
    assert set(needs.pieces) - everybodys == {
        ("tr", "Beş"), ("tr", "Tutar"), ("tr", "tamam."), ("en", "Sum"),
    }  # fmt: skip
    assert needs.spelled == {"tr", "en"}
    assert any(w.utterance.prompt == "santral_hold" for w in needs.whole)
