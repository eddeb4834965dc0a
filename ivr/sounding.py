"""How alike two phrases sound, as a number: 0 is the same, 1 has nothing in common. Pure.

A phrase becomes a row of sounds, and the distance is the cheapest way to turn one row into the
other, divided by the longer row's length. Sounds that are confused on a telephone line (b and p, m
and n, s and ş, two vowels) are cheap to exchange. Turkish is written nearly as it is spoken, so its
letters are its sounds; English goes through spelling rules in the manner of Metaphone, but keeps
its vowels. Any other language is compared by its letters.

`ALIKE` is where the tests' table of pairs divides best: "fifteen" and "fifty", "order" and "other",
"kargo" and "kargom" lie below it; "yes" and "no", "iptal" and "iade" above.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from ivr.words import fold

ALIKE: Final = 0.3
VOWELS: Final = frozenset("aeıioöuüIUEOAW@")
WEAK: Final = {"h": 0.5, "y": 0.6, "r": 0.8, "@": 0.5, "w": 0.7}  # cheap to miss or to imagine
PAIRS: Final = {
    frozenset(pair): cost
    for cost, pairs in {
        0.3: "bp dt gk cç jş sz vf ıi oö uü TD CJ SZ",
        0.45: "mn Tf sş zj çş SC eI iI oO ou öü ei TD vw çS",
        0.6: "lr aı ae üi Ts Td bv vm gğ yi kt pt dg",
    }.items()
    for pair in pairs.split()
}
_TURKISH: Final = str.maketrans(
    {"ğ": "", "q": "k", "w": "v", "x": "ks", "â": "a", "î": "i", "û": "u"}
)
# Spelling -> sounds, the first that matches wins. Capital letters are sounds of their own:
# C ch, S sh, T th, J j, and the long vowels I (see), U (too), E (say), O (low), A (my), W (how).
_ENGLISH: Final = tuple(
    (re.compile(pattern), sounds)
    for pattern, sounds in (
        (r"\bone\b", "wan"), (r"\btwo\b", "tU"), (r"\beight\b", "Et"),
        (r"tion|sion", "S@n"), (r"tch|ch", "C"), (r"sch", "sk"), (r"sh", "S"), (r"ph", "f"),
        (r"eigh", "E"), (r"igh", "A"), (r"ough\b", "O"), (r"augh|ough", "o"), (r"gh", ""),
        (r"th", "T"), (r"ck", "k"), (r"qu", "kw"), (r"x", "ks"), (r"\bwr", "r"), (r"\bkn", "n"),
        (r"wh", "w"), (r"dg(?=e)", "J"), (r"c(?=[eiy])", "s"), (r"g(?=[eiy])", "J"), (r"c", "k"),
        (r"j", "J"), (r"our\b", "or"), (r"(?<=[^aeiou ])le\b", "@l"),
        (r"a(?=[^aeiouywrx ]e\b)", "E"),
        (r"i(?=[^aeiouywrx ]e\b)", "A"), (r"o(?=[^aeiouywrx ]e\b)", "O"),
        (r"u(?=[^aeiouywrx ]e\b)", "U"), (r"(?<=\w\w)e\b", ""), (r"ee|ea|ie", "I"),
        (r"oo|ew|ue", "U"), (r"ai|ay|ey", "E"), (r"oa|ow\b", "O"), (r"ou|ow", "W"),
        (r"oi|oy", "oi"), (r"au|aw", "o"), (r"(?<=\w)y\b", "I"), (r"(?<=[^aeiou])y\b", "A"),
        (r"(?<=[^aeiou ])y(?=[^aeiou])", "i"), (r"[eiu]r", "@r"),
    )
)  # fmt: skip


@lru_cache(maxsize=65536)
def sounds(phrase: str, language: str) -> str:
    """The phrase as a row of sounds, one character each; doubled ones are one."""
    text = fold(phrase, language)
    if language == "tr":
        text = text.translate(_TURKISH)
    elif language == "en":
        for pattern, sound in _ENGLISH:
            text = pattern.sub(sound, text)
    return re.sub(r"(.)\1+", r"\1", text.replace(" ", ""))


@lru_cache(maxsize=65536)
def distance(one: str, other: str, language: str) -> float:
    """How far apart two phrases sound, from 0 (the same) to 1."""
    a, b = sounds(one, language), sounds(other, language)
    longer = max(len(a), len(b))
    if not longer:
        return 0.0
    # The lengths alone may tell: what is too much has to be left out sound by sound.
    if abs(len(a) - len(b)) * 0.5 > ALIKE * longer:
        return 1.0
    return min(1.0, _cost(a, b) / longer)


def alike(one: str, other: str, language: str) -> bool:
    """Whether a caller's word may be taken for the other."""
    return distance(one, other, language) <= ALIKE


def _cost(a: str, b: str) -> float:
    """Levenshtein's distance with costs by sound."""
    row = [0.0]
    for sound in b:
        row.append(row[-1] + WEAK.get(sound, 1.0))
    for left in a:
        missed = WEAK.get(left, 1.0)
        above, row = row, [row[0] + missed]
        for index, right in enumerate(b):
            row.append(
                min(
                    above[index] + _exchange(left, right),
                    above[index + 1] + missed,
                    row[index] + WEAK.get(right, 1.0),
                )
            )
    return row[-1]


@lru_cache(maxsize=4096)
def _exchange(left: str, right: str) -> float:
    if left == right:
        return 0.0
    known = PAIRS.get(frozenset((left, right)))
    if known is not None:
        return known
    vowels = (left in VOWELS) + (right in VOWELS)
    return 0.7 if vowels == 2 else 1.0 if vowels == 0 else 1.4
