"""Themes and tone by word lists: forms of words, opposites, what is hidden, a file that is wrong."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from cti.reports.wordlists import (
    HIDDEN,
    NAME,
    Judge,
    check_lists,
    hidden,
    is_form,
    judge_of,
    load_lists,
    words_of,
)
from cti.settings import HOME
from ivr.errors import FlowRefused

SHIPPED = HOME / "scenarios" / NAME


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge(load_lists(SHIPPED))


@pytest.mark.parametrize(
    ("text", "themes"),
    [
        ("kargom gelmedi", {"delivery"}),
        ("KARGOYU bekliyorum", {"delivery"}),
        ("İPTAL ETTİM", {"cancellation"}),
        ("iptal ettim", {"cancellation"}),
        ("IPTAL edin", {"cancellation"}),
        ("siparişimi iptal ettirmek istiyorum", {"cancellation", "request"}),
        ("faturamı alamadım", {"payment"}),
        ("şikayetim var", {"complaint"}),
        ("çok teşekkürler", {"praise"}),
        ("paketlerimizden biri", {"delivery"}),
        ("I want to cancel my order", {"cancellation", "request"}),
        ("the parcels were delivered late", {"delivery"}),
        ("it was cancelled", {"cancellation"}),
        ("merhaba", set()),
        ("paralel evren", set()),
        ("lateral thinking", set()),
    ],
)
def test_themes_of_texts(judge: Judge, text: str, themes: set[str]) -> None:
    assert set(judge.judge(text).themes) == themes


@pytest.mark.parametrize(
    ("word", "stem", "is_one"),
    [
        ("kargom", "kargo", True), ("kargoyu", "kargo", True), ("kargolarımızdan", "kargo", True),
        ("ettim", "et", True), ("edin", "et", True), ("ekmeği", "ekmek", True),
        ("kitabım", "kitap", True), ("kartal", "kart", False), ("kar", "kargo", False),
        ("etiket", "et", False), ("kargocuk", "kargo", False), ("paralel", "para", False),
    ],
)  # fmt: skip
def test_turkish_forms(word: str, stem: str, is_one: bool) -> None:
    assert bool(is_form(words_of(word)[0], words_of(stem)[0], "tr")) is is_one


@pytest.mark.parametrize(
    ("text", "tone"),
    [
        ("çok memnunum, harika", 1.0), ("memnun değilim", -1.0), ("hiç sorun yok", 1.0),
        ("berbat bir hizmet", -1.0), ("güzel ama geç geldi", 0.0), ("I am not happy", -1.0),
        ("no problem at all", 1.0), ("merhaba", None),
    ],
)  # fmt: skip
def test_tone(judge: Judge, text: str, tone: float | None) -> None:
    assert judge.judge(text).tone == tone


def test_long_numbers_are_hidden_in_figures_and_in_words() -> None:
    for number in ("4543 6012 3456 7890", "4543601234567890", "4543-6012-3456-7890"):
        assert hidden(f"kartım {number} idi") == f"kartım {HIDDEN} idi"
    spoken = "dört beş dört üç altı sıfır bir iki üç dört beş altı yedi sekiz dokuz sıfır"
    assert hidden(f"kart {spoken} tamam") == f"kart {HIDDEN} tamam"
    assert hidden("four five four three six zero one two") == HIDDEN
    assert hidden("iki gün önce 1050 verdim") == "iki gün önce 1050 verdim"


def test_the_lists_are_read_again_and_a_wrong_file_leaves_the_last_good(tmp_path: Path) -> None:
    path = Path(shutil.copy(SHIPPED, tmp_path / NAME))
    assert judge_of(tmp_path).judge("zeytin").themes == ()
    path.write_text("themes:\n  olives: {tr: [zeytin], en: [olive]}\n", encoding="utf-8")
    assert judge_of(tmp_path).judge("zeytinlerim").themes == ("olives",)
    path.write_text("themes:\n  olives: {tr: zeytin, word: [x]}\n", encoding="utf-8")
    os.utime(path, ns=(1, 1))
    assert judge_of(tmp_path).judge("zeytinlerim").themes == ("olives",)
    found = check_lists(tmp_path)
    assert {one.line for one in found} == {2}
    assert any("'word' is not known here" in one.message for one in found)
    with pytest.raises(FlowRefused):
        load_lists(path)


def test_the_shipped_lists_have_nothing_wrong() -> None:
    assert check_lists(SHIPPED.parent) == ()
