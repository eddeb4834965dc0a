"""`santral models` and `santral check --speech`, as typed: real models, real espeak-ng."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cti.cli import main
from cti.settings import Settings
from cti.speech import live_choices, transcription_choices
from ivr.audio import write_wav
from ivr.errors import BadSetting
from ivr.speech.engines import SHIPPED_MODELS, EngineChoice
from tests.ivr.speech import voices

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def santral(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Run:
    monkeypatch.setenv("SANTRAL_STATE", str(tmp_path / "state"))

    def run(*arguments: str | Path, answer: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        code = main([*map(str, arguments)])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    made = shutil.make_archive(str(folder / "vosk-model-tr"), "zip", SHIPPED_MODELS / "tr")
    return Path(made)


def test_what_there_is_and_what_will_be_used(santral: Run) -> None:
    code, out, _ = santral("models")
    assert code == 0
    assert "ships with Santral" in out
    assert "licence: " in out
    assert "behind it: pocketsphinx" in out
    told = json.loads(santral("models", "list", "--json")[1])
    assert [model["name"] for model in told["models"]] == ["en", "tr"]
    assert told["live"]["en"] == ["vosk", "pocketsphinx"]


def test_nothing_is_added_before_one_has_agreed(
    santral: Run, archive: Path, tmp_path: Path
) -> None:
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    add = ("models", "add", archive, "--language", "tr", "--sha256", digest)
    code, out, _ = santral(*add, answer="n\n")
    assert code == 1
    assert "licence: not stated" in out
    assert "MB" in out
    assert not (tmp_path / "state" / "models").exists()
    code, out, _ = santral(*add, answer="y\n")
    assert code == 0
    assert "vosk with the model vosk-model-tr" in santral("models")[1]
    told = json.loads(santral("models", "--json")[1])
    assert told["live"]["tr"] == [f"vosk:{tmp_path}/state/models/tr/vosk-model-tr"]


@pytest.mark.parametrize(
    ("source", "more", "why"),
    [
        ("archive", ["--sha256", "0" * 64], "is not what was expected: its sha256 is"),
        ("truncated", [], "damaged or cut off|is not a zip or tar archive, or it is cut off"),
        ("folder", [], "is not a Vosk model: it has no am/final.mdl"),
        ("https://127.0.0.1:1/m.zip", [], "give its --sha256"),
        ("https://127.0.0.1:1/m.zip", ["--unchecked"], "cannot be fetched"),
        ("/nowhere", [], "neither a folder, nor an archive"),
    ],
)
def test_what_cannot_be_added_is_told(
    santral: Run, archive: Path, tmp_path: Path, source: str, more: list[str], why: str
) -> None:
    (tmp_path / "folder").mkdir()
    cut = tmp_path / "cut.zip"
    cut.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    known = {"archive": str(archive), "truncated": str(cut), "folder": str(tmp_path / "folder")}
    add = ("models", "add", known.get(source, source), "--language", "tr", "--yes", *more)
    code, _, error = santral(*add)
    assert code == 2
    assert any(one in error for one in why.split("|"))
    assert not list(tmp_path.rglob("final.mdl"))


def test_a_wav_is_heard(santral: Run, tmp_path: Path) -> None:
    path = tmp_path / "said.wav"
    write_wav(path, voices.spoken("iptal").astype(np.int16))
    code, out, _ = santral("models", "test", path, "--words", "iptal, sipariş")
    assert code == 0
    assert "iptal" in out.splitlines()[1]
    assert "of real time" in out
    told = json.loads(santral("models", "test", path, "--model", "vosk", "--json")[1])
    assert told["final"]["guesses"][0]["text"] == "iptal"
    write_wav(path, voices.spoken("iptal").astype(np.int16), 16000)
    code, _, error = santral("models", "test", path)
    assert code == 2
    assert "has 16000 samples a second" in error
    code, _, error = santral("models", "test", path, "--language", "xx")
    assert "nothing hears the language 'xx'" in error


FLOW = """
flow: sorts
languages: [tr]
start: main
no_input: {tries: 1, next: end}
no_match: {tries: 1, next: end}
prompts: {main: {tr: "Ne istersiniz?"}}
steps:
  main:
    type: menu
    prompt: main
    options:
      - {key: 1, words: {tr: [iptal]}, next: end}
      - {key: 2, words: {tr: [WORD]}, next: end}
  end: {type: hangup}
"""


def test_the_confusion_lab_of_a_flow(santral: Run, tmp_path: Path) -> None:
    path = tmp_path / "flows" / "sorts.yaml"
    path.parent.mkdir()
    path.write_text(FLOW.replace("WORD", "temsilci"))
    code, out, progress = santral("check", "--speech", path)
    assert (code, "1 menus, 0 with words to change" in out) == (0, True)
    assert "1/1 sorts.main (tr): 54 sayings" in progress
    path.write_text(FLOW.replace("WORD", "zürafa"))
    code, out, _ = santral("check", "--speech", path, "--json")
    assert code == 1
    (menu,) = json.loads(out)["menus"]
    assert menu["unknown"] == ["zürafa"]
    assert menu["heard"]["1 iptal"]["1 iptal"] == 27
    code, _, error = santral("check", "--speech", "nobody")
    assert (code, "there is no flow 'nobody'" in error) == (2, True)


def test_engines_by_setting() -> None:
    written = "tr=remote:ws://asr:2700|vosk; az=vosk:/models/az"
    settings = Settings(speech_engines=written, transcription_engines="tr=vosk:/large")
    chosen = live_choices(settings)
    assert chosen["tr"] == (EngineChoice("remote", url="ws://asr:2700"), EngineChoice("vosk"))
    assert chosen["az"] == (EngineChoice("vosk", "/models/az"),)
    assert chosen["en"][0] == EngineChoice("vosk")
    assert transcription_choices(settings)["tr"] == (EngineChoice("vosk", "/large"),)
    assert transcription_choices(settings)["az"] == chosen["az"]
    with pytest.raises(BadSetting, match="is not LANGUAGE=ENGINE"):
        live_choices(Settings(speech_engines="vosk"))
    with pytest.raises(BadSetting, match="there is no speech engine 'google'"):
        live_choices(Settings(speech_engines="tr=google"))
