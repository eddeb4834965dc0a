"""Numbers out of words: `dört yüz elli` -> 450, `oh five double three` -> 0533. Pure.

Words come folded (`ivr.words.fold`). A number is read as far as its words go together by the rules
of the language; what a word means is in the table of its language.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from ivr.errors import BadInput


@dataclass(frozen=True, slots=True)
class NumberWords:
    """A language's number words. `one_before`: a hundred and a thousand may be counted by one."""

    zero: frozenset[str]
    units: Mapping[str, int]
    teens: Mapping[str, int]
    tens: Mapping[str, int]
    hundred: str
    scales: Mapping[str, int]
    one_before: bool
    joints: frozenset[str]
    times: Mapping[str, int]
    point: frozenset[str]
    minus: frozenset[str]
    half_after: tuple[str, ...]
    half: str
    a: str = ""

    def vocabulary(self) -> tuple[str, ...]:
        """The words a recogniser should expect in a whole number from 0."""
        found = [*sorted(self.zero), *self.units, *self.teens, *self.tens]
        return (*found, self.hundred, *self.scales)


TURKISH = NumberWords(
    zero=frozenset({"sıfır"}),
    units=MappingProxyType(
        {
            "bir": 1,
            "iki": 2,
            "üç": 3,
            "dört": 4,
            "beş": 5,
            "altı": 6,
            "yedi": 7,
            "sekiz": 8,
            "dokuz": 9,
        }
    ),
    teens=MappingProxyType({}),
    tens=MappingProxyType(
        {
            "on": 10,
            "yirmi": 20,
            "otuz": 30,
            "kırk": 40,
            "elli": 50,
            "altmış": 60,
            "yetmiş": 70,
            "seksen": 80,
            "doksan": 90,
        }
    ),
    hundred="yüz",
    scales=MappingProxyType(
        {"bin": 10**3, "milyon": 10**6, "milyar": 10**9, "trilyon": 10**12, "katrilyon": 10**15}
    ),
    one_before=False,
    joints=frozenset(),
    times=MappingProxyType({"çift": 2}),
    point=frozenset({"virgül", "nokta"}),
    minus=frozenset({"eksi"}),
    half_after=("buçuk",),
    half="yarım",
)
ENGLISH = NumberWords(
    zero=frozenset({"zero", "oh", "o", "nought"}),
    units=MappingProxyType(
        {
            "one": 1,
            "two": 2,
            "three": 3,
            "four": 4,
            "five": 5,
            "six": 6,
            "seven": 7,
            "eight": 8,
            "nine": 9,
        }
    ),
    teens=MappingProxyType(
        {
            "ten": 10,
            "eleven": 11,
            "twelve": 12,
            "thirteen": 13,
            "fourteen": 14,
            "fifteen": 15,
            "sixteen": 16,
            "seventeen": 17,
            "eighteen": 18,
            "nineteen": 19,
        }
    ),
    tens=MappingProxyType(
        {
            "twenty": 20,
            "thirty": 30,
            "forty": 40,
            "fifty": 50,
            "sixty": 60,
            "seventy": 70,
            "eighty": 80,
            "ninety": 90,
        }
    ),
    hundred="hundred",
    scales=MappingProxyType(
        {
            "thousand": 10**3,
            "million": 10**6,
            "billion": 10**9,
            "trillion": 10**12,
            "quadrillion": 10**15,
        }
    ),
    one_before=True,
    joints=frozenset({"and"}),
    times=MappingProxyType({"double": 2, "triple": 3}),
    point=frozenset({"point", "dot"}),
    minus=frozenset({"minus"}),
    half_after=("and", "a", "half"),
    half="half",
    a="a",
)
WORDS: Mapping[str, NumberWords] = MappingProxyType({"tr": TURKISH, "en": ENGLISH})


def number_words(language: str) -> NumberWords:
    """The table of `tr`, `en`, `en-GB` …; `BadInput` for a language that has none."""
    words = WORDS.get(language[:2].lower())
    if words is None:
        raise BadInput(f"numbers are not understood in {language!r}; there is {', '.join(WORDS)}")
    return words


def cardinals(tokens: Sequence[str], language: str) -> Iterator[tuple[int, int]]:
    """Every number that the first words make, shortest first: (how many words, value)."""
    words = number_words(language)
    if tokens and tokens[0].isdecimal():
        yield 1, int(tokens[0])
        return
    if tokens and tokens[0] in words.zero:
        yield 1, 0
        return
    reader = _Reader(words)
    for count, token in enumerate(tokens, 1):
        if not reader.take(token):
            return
        if reader.complete:
            yield count, reader.value


def cardinal(tokens: Sequence[str], language: str) -> tuple[int, int]:
    """The longest number that the first words make: (how many words, value); (0, 0) for none."""
    return max(cardinals(tokens, language), default=(0, 0))


class _Reader:
    """Takes number words one by one as long as they go on making one number."""

    def __init__(self, words: NumberWords) -> None:
        self._words = words
        self._total = 0
        self._group: int | None = None  # below a thousand: 4, then 400, then 450
        self._room = 1000  # the next part of the group must be smaller than this
        self._scale = 10**18  # the next scale must be smaller than this
        self.complete = False

    @property
    def value(self) -> int:
        return self._total + (self._group or 0)

    def take(self, token: str) -> bool:
        words = self._words
        if token == words.a and self._group is None and not self._total:
            self._group, self._room, self.complete = 1, 0, False  # "a hundred"
            return True
        if token in words.joints and self.complete and self._room >= 100 and self.value >= 100:
            self.complete = False
            return True
        if token == words.hundred:
            taken = self._hundred()
        elif token in words.scales:
            taken = self._take_scale(words.scales[token])
        else:
            taken = self._take_part(token)
        self.complete = self.complete or taken
        return taken

    def _take_part(self, token: str) -> bool:
        for table, after in (
            (self._words.units, 1),
            (self._words.teens, 1),
            (self._words.tens, 10),
        ):
            part = table.get(token)
            if part is not None:
                if part >= self._room:
                    return False
                self._group = (self._group or 0) + part
                self._room = after if part >= after else 0
                return True
        return False

    def _hundred(self) -> bool:
        count = self._group
        if count is None and not self._words.one_before and self._room > 100:
            self._group, self._room = 100, 100
            return True
        lowest = 1 if self._words.one_before else 2
        if count is None or not lowest <= count <= 9:
            return False
        self._group, self._room = count * 100, 100
        return True

    def _take_scale(self, scale: int) -> bool:
        if scale >= self._scale:
            return False
        count = self._group
        if count is None and (self._words.one_before or scale != 1000):
            return False
        if count == 1 and scale == 1000 and not self._words.one_before and not self._total:
            return False
        self._total += (1 if count is None else count) * scale
        self._scale, self._group, self._room = scale, None, 1000
        return True


def decimal(tokens: Sequence[str], language: str) -> tuple[int, Decimal]:
    """A number with its sign and what stands behind the point: (how many words, value)."""
    words = number_words(language)
    at = 1 if tokens and tokens[0] in words.minus else 0
    sign = -1 if at else 1
    used, whole = cardinal(tokens[at:], language)
    if not used:
        if not at and tokens[:1] == [words.half]:
            return 1, Decimal("0.5")
        return 0, Decimal(0)
    at += used
    rest = tokens[at:]
    if tuple(rest[: len(words.half_after)]) == words.half_after:
        return at + len(words.half_after), sign * (whole + Decimal("0.5"))
    if rest and rest[0] in words.point:
        behind = digit_strings(rest[1:], language, all_words=False)
        if behind:
            count, digits = behind
            return at + 1 + count, sign * Decimal(f"{whole}.{digits}")
    return at, Decimal(sign * whole)


def digit_strings(
    tokens: Sequence[str], language: str, *, all_words: bool
) -> tuple[int, str] | None:
    """The digits that the first words say, read greedily: (how many words, digits)."""
    at, digits = 0, ""
    while at < len(tokens):
        groups = list(_groups(tokens[at:], language))
        if not groups:
            break
        count, group = groups[-1]
        at, digits = at + count, digits + group
    if not digits or (all_words and at < len(tokens)):
        return None
    return at, digits


MOST_READINGS = 24  # of one length


def digit_readings(tokens: Sequence[str], language: str) -> Mapping[int, Sequence[str]]:
    """Every length that the words can have as digits, with the likeliest readings of each.

    `yüz yirmi beş` is 125, but also 1205 and 100205: words that could go together first do. Of one
    length, `beş yüz elli iki yüz` is 552100 and 550200.
    """
    readings: list[dict[int, list[str]]] = [{} for _ in range(len(tokens) + 1)]
    readings[len(tokens)] = {0: [""]}
    for at in range(len(tokens) - 1, -1, -1):
        for count, group in reversed(list(_groups(tokens[at:], language))):
            for length, rests in readings[at + count].items():
                known = readings[at].setdefault(len(group) + length, [])
                room = MOST_READINGS - len(known)
                known += [group + rest for rest in rests[:room] if group + rest not in known]
    return readings[0]


def _groups(tokens: Sequence[str], language: str) -> Iterator[tuple[int, str]]:
    """What the first words say as digits, shortest first: (how many words, digits)."""
    words = number_words(language)
    if not tokens:
        return
    times = words.times.get(tokens[0])
    if times and len(tokens) > 1:
        count, value = next(cardinals(tokens[1:], language), (0, 0))
        if count and value <= 9:
            yield 1 + count, str(value) * times
        return
    if tokens[0].isdecimal():
        yield 1, tokens[0]
        return
    for count, value in cardinals(tokens, language):
        yield count, str(value)
