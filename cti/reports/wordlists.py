"""`scenarios/themes.yaml`: the words that tell what a text is about and how it sounds. Pure but for
the reading of the file.

They are word lists and nothing more: no irony, no context beyond the next two words. A Turkish word
finds its inflected forms by a chain of suffixes (kargo: kargom, kargoyu, kargolarımızdan), with the
last consonant softened or not (et: edin); an English one by its common endings.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from ivr.errors import FlowRefused
from ivr.flow.finding import Finding
from ivr.flow.model_file import findings_of, read_model
from ivr.steps.base import Model, Name
from ivr.words import NOT_A_WORD

NAME: Final = "themes.yaml"
HIDDEN: Final = "•••"  # stands for what may be a number that is nobody's business
NEAR: Final = 2  # words before or after in which one turns another into its opposite
OPPOSITE_AFTER: Final = frozenset({"değil", "deǧil", "yok", "olmadı", "olmadım"})
OPPOSITE_BEFORE: Final = frozenset({"not", "no", "never", "isnt", "wasnt", "dont", "didnt", "t"})
SOFT: Final = {"k": "ğ", "p": "b", "ç": "c", "t": "d"}
LETTERS: Final = str.maketrans({"I": "i", "İ": "i", "ı": "i", "\u0307": None})
# One Turkish suffix, dots of the i left out of account: H is i, u or ü, and A is a or e.
_SUFFIXES: Final = (
    "lAr", "Hm", "Hn", "sH", "H", "HmHz", "HnHz", "lArH", "yH", "nH", "yA", "nA", "A", "DA",
    "nDA", "DAn", "nDAn", "nHn", "ylA", "lA", "ki", "CA", "lH", "sHz", "lHk", "lHğ", "DH", "DHr",
    "DHm", "mHş", "Hyor", "yor", "AcAk", "yAcAk", "AcAğ", "mA", "mAk", "mHyor", "sA", "sHn", "An",
    "yAn", "Ar", "Hr", "mAz", "Hl", "Hş", "Ht", "DHk", "DHğ", "Hp", "yHp", "HncA", "mAlH", "yHm",
    "yHz", "m", "n", "k", "z", "lAn", "lAş", "lAt", "Hz", "sHnHz", "nHz", "mHz", "ArAk",
)  # fmt: skip
_CLASSES: Final = {"A": "[ae]", "H": "[iuü]", "D": "[dt]", "C": "[cç]"}
_ENDINGS: Final = re.compile(r"(?:s|es|d|ed|ing|er|ers|ly|ies|ied|ment|ful)?")


def _pattern() -> re.Pattern[str]:
    made = {"".join(_CLASSES.get(letter, letter) for letter in one) for one in _SUFFIXES}
    return re.compile(f"(?:{'|'.join(sorted(made, key=len, reverse=True))}){{0,6}}")


_TURKISH: Final = _pattern()
Word = Annotated[str, Field(min_length=2, max_length=60, pattern=r"\w")]


class Words(Model):
    tr: list[Word] = Field(default_factory=list)
    en: list[Word] = Field(default_factory=list)


class Theme(Words):
    title: dict[str, str] = Field(default_factory=dict)


class Tone(Model):
    good: Words = Field(default_factory=Words)
    bad: Words = Field(default_factory=Words)


class Lists(Model):
    themes: dict[Name, Theme] = Field(default_factory=dict)
    tone: Tone = Field(default_factory=Tone)


def words_of(text: str) -> list[str]:
    """The words of a text as they are compared: small, i with or without its dot the same."""
    plain = unicodedata.normalize("NFC", text).translate(LETTERS).lower().translate(LETTERS)
    return NOT_A_WORD.sub(" ", plain.replace("’", "'")).split()


def is_form(word: str, stem: str, language: str) -> bool:
    """Whether a word is the stem or a form of it; both as `words_of` makes them."""
    if word == stem:
        return True
    if language == "tr":
        softened = stem[:-1] + SOFT[stem[-1]] if stem[-1] in SOFT else stem
        return any(
            word.startswith(one) and len(word) > len(one) and _TURKISH.fullmatch(word, len(one))
            for one in {stem, softened}
        )
    short = {stem, stem[:-1]} if stem[-1] in "ey" and len(stem) > 3 else {stem}
    short |= {stem + stem[-1]}  # cancelled, shipped
    return any(
        word.startswith(one) and _ENDINGS.fullmatch(word, len(one)) for one in short if one != word
    )


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words in a row; `exact` ones have no forms."""

    words: tuple[str, ...]
    language: str
    exact: bool = False

    def places(self, words: Sequence[str]) -> Iterator[int]:
        """Where it ends in the words: the places of its last word."""
        for start in range(len(words) - len(self.words) + 1):
            if all(self._is(words[start + n], one) for n, one in enumerate(self.words)):
                yield start + len(self.words) - 1

    def _is(self, word: str, stem: str) -> bool:
        return word == stem if self.exact else is_form(word, stem, self.language)


def phrases(words: Words) -> tuple[Phrase, ...]:
    return tuple(
        Phrase(tuple(words_of(text)), language, text.startswith("="))
        for language, texts in (("tr", words.tr), ("en", words.en))
        for text in texts
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """A text's themes, in the order of the lists, and its tone, -1 to 1 (None: no such word)."""

    themes: tuple[str, ...]
    tone: float | None


class Judge:
    """The lists made ready. A text's own language is not asked for: callers mix them."""

    def __init__(self, lists: Lists) -> None:
        self.lists = lists
        self._themes = {name: phrases(theme) for name, theme in lists.themes.items()}
        self._good, self._bad = phrases(lists.tone.good), phrases(lists.tone.bad)

    def judge(self, text: str) -> Judged:
        words = words_of(text)
        themes = tuple(
            name
            for name, there in self._themes.items()
            if any(True for phrase in there for _ in phrase.places(words))
        )
        good, bad = self._marks(words)
        return Judged(themes, (good - bad) / (good + bad) if good + bad else None)

    def title(self, theme: str, language: str) -> str:
        titles = self.lists.themes[theme].title if theme in self.lists.themes else {}
        return titles.get(language) or titles.get("en") or theme

    def _marks(self, words: Sequence[str]) -> tuple[int, int]:
        """How many words sound good, and how many bad; each word once."""
        good = {place for phrase in self._good for place in phrase.places(words)}
        bad = {place for phrase in self._bad for place in phrase.places(words)} - good
        turned_good = {place for place in good if _turned(words, place)}
        turned_bad = {place for place in bad if _turned(words, place)}
        ups = len(good - turned_good) + len(turned_bad)
        return ups, len(bad - turned_bad) + len(turned_good)


def _turned(words: Sequence[str], place: int) -> bool:
    after = words[place + 1 : place + 1 + NEAR]
    before = words[max(0, place - NEAR) : place]
    return any(word.startswith("değil") or word in OPPOSITE_AFTER for word in after) or any(
        word in OPPOSITE_BEFORE for word in before
    )


def load_lists(path: Path) -> Lists:
    """Read the file; `FlowRefused` with every mistake in it, each with its line. No file: none."""
    if not path.exists():
        return Lists()
    return read_model(path, Lists, "bad-theme")


def check_lists(folder: Path) -> tuple[Finding, ...]:
    """Everything wrong with the word lists of a folder; nothing where it has none."""
    return findings_of(load_lists, folder / NAME)


_last_good: dict[Path, Judge] = {}


def judge_of(folder: Path) -> Judge:
    """The folder's lists as they are now. Of a file that is wrong, the last good ones stay in use;
    without any, `FlowRefused` is raised."""
    path = folder / NAME
    stamp = path.stat() if path.exists() else None
    try:
        judge = _read(path, stamp.st_mtime_ns if stamp else 0, stamp.st_size if stamp else 0)
    except FlowRefused:
        if path in _last_good:
            return _last_good[path]
        raise
    _last_good[path] = judge
    return judge


@lru_cache(maxsize=8)
def _read(path: Path, _changed: int, _size: int) -> Judge:
    return Judge(load_lists(path))


_DIGITS: Final = re.compile(r"\d(?:[\s.\-/]*\d){5,}")
_NUMBERS: Final = frozenset(
    (  # noqa: SIM905
        "sifir bir iki üç dört beş alti yedi sekiz dokuz on yirmi otuz kirk elli altmiş yetmiş"
        " seksen doksan yüz zero oh one two three four five six seven eight nine ten twenty thirty"
        " forty fifty sixty seventy eighty ninety hundred double triple"
    ).split()
)


def hidden(text: str) -> str:
    """The text without long numbers: six digits and more, in figures or words, may be a card's."""
    kept: list[str] = []
    run: list[str] = []
    for word in [*_DIGITS.sub(HIDDEN, text).split(), ""]:
        plain = words_of(word)
        if word and plain and all(one in _NUMBERS or one.isdigit() for one in plain):
            run.append(word)
            continue
        kept += [HIDDEN] if len(run) >= 6 else run
        run = []
        kept.append(word)
    return " ".join(kept[:-1])
