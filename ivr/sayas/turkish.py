"""Turkish, as it is read out.

num2words writes a Turkish number as one word and gets some wrong: 331315 loses its `bir` (330 bin),
9005567238 its `beş` (milyon alone), so only its single words are taken, below a thousand, and put
together here. Words stay apart: espeak-ng gives a joined number one stress, as if it were a name.
"""

from __future__ import annotations

from functools import cache
from types import MappingProxyType

from num2words import num2words

from ivr.sayas.language import Currency, Language
from ivr.sayas.letters import turkish_lower, turkish_upper

_THOUSAND_POWERS = (5, 4, 3, 2, 1)


@cache
def _word(number: int, kind: str = "cardinal") -> str:
    """The word of 0-10, 20, 30 … 90, 100 or 1000, alone."""
    return str(num2words(number, lang="tr", to=kind))


@cache
def _power(power: int, kind: str = "cardinal") -> str:
    """The word of a power of a thousand: bin, milyon, milyar …"""
    return _word(1000**power, kind).removeprefix("" if power == 1 else _word(1))


def _below_thousand(number: int) -> list[int]:
    """The numbers whose words, one after the other, say `number`: 459 -> 4 100 50 9."""
    hundreds, rest = divmod(number, 100)
    said = [hundreds] if hundreds > 1 else []
    said += [100] if hundreds else []
    return said + [part for part in (rest // 10 * 10, rest % 10) if part]


def _words(number: int, last: str) -> list[str]:
    """The words of a whole number; the last one of the kind `last` (cardinal or ordinal)."""
    words: list[str] = []
    for power in _THOUSAND_POWERS:
        count, number = divmod(number, 1000**power)
        if count:
            if (count, power) != (1, 1):
                words += [_word(part) for part in _below_thousand(count)]
            words.append(_power(power, last if number == 0 else "cardinal"))
    parts = _below_thousand(number)
    if not parts:
        return words or [_word(0, last)]
    return [*words, *(_word(part) for part in parts[:-1]), _word(parts[-1], last)]


def cardinal(number: int) -> str:
    """`459` -> `dört yüz elli dokuz`; from 0 to below 10^18."""
    return " ".join(_words(number, "cardinal"))


def ordinal(number: int) -> str:
    """`21` -> `yirmi birinci`."""
    return " ".join(_words(number, "ordinal"))


def _number_with_zeros(digits: str) -> str:
    """`05` -> `sıfır beş`, `120` -> `yüz yirmi`, `00` -> `sıfır sıfır`."""
    rest = digits.lstrip("0")
    zeros = [_word(0)] * (len(digits) - len(rest))
    return " ".join([*zeros, cardinal(int(rest))] if rest else zeros)


def fraction(digits: str) -> str:
    """What stands behind the comma: as one number, digit by digit when longer than three."""
    if len(digits) <= 3:
        return _number_with_zeros(digits)
    return " ".join(_word(int(digit)) for digit in digits)


def clock(hour: int, minute: int) -> str:
    """`14:30` -> `on dört otuz`, as stations and opening hours say it; 0:00 is `gece yarısı`."""
    if (hour, minute) == (0, 0):
        return "gece yarısı"
    if minute == 0:
        return cardinal(hour)
    return f"{_number_with_zeros(str(hour or '00'))} {_number_with_zeros(f'{minute:02}')}"


def phone_group(group: str) -> str:
    """A group of up to three digits is said as one number, a longer one in pairs."""
    if len(group) <= 3:
        return _number_with_zeros(group)
    odd = len(group) % 2
    pairs = [group[:odd]] * odd + [group[at : at + 2] for at in range(odd, len(group), 2)]
    if group.startswith("0") and len(group) == 4:  # the trunk prefix: sıfır, beş yüz otuz iki
        pairs = [group]
    return " ".join(_number_with_zeros(pair) for pair in pairs)


TURKISH = Language(
    code="tr",
    locale="tr",
    minus="eksi",
    point="virgül",
    money_joint=" ",
    duration_joint=" ",
    alphabet="ABCÇDEFGĞHIİJKLMNOÖPQRSŞTUÜVWXYZ",
    marks=MappingProxyType(
        {
            "@": "et",
            ".": "nokta",
            ",": "virgül",
            ":": "iki nokta",
            "-": "tire",
            "_": "alt çizgi",
            "/": "bölü",
            "\\": "ters bölü",
            "+": "artı",
            "&": "ve",
            "#": "kare",
            "*": "yıldız",
            "'": "kesme işareti",
            " ": "boşluk",
        }
    ),
    currencies=MappingProxyType(
        {
            "TRY": Currency("lira", "lira", "kuruş", "kuruş"),
            "EUR": Currency("avro", "avro", "sent", "sent"),
            "USD": Currency("dolar", "dolar", "sent", "sent"),
            "GBP": Currency("sterlin", "sterlin", "peni", "peni"),
        }
    ),
    near_days=MappingProxyType({-1: "dün", 0: "bugün", 1: "yarın"}),
    cardinal=cardinal,
    ordinal=ordinal,
    fraction=fraction,
    clock=clock,
    phone_group=phone_group,
    upper=turkish_upper,
    lower=turkish_lower,
)


def question_particle(word: str) -> str:
    """`mi`, `mı`, `mu` or `mü`, by the last vowel of what it stands behind (vowel harmony)."""
    last = next((letter for letter in reversed(word.lower()) if letter in _PARTICLES), "i")
    return _PARTICLES[last]


_PARTICLES = {
    "a": "mı", "ı": "mı", "â": "mi", "e": "mi", "i": "mi", "î": "mi",
    "o": "mu", "u": "mu", "û": "mu", "ö": "mü", "ü": "mü",
}  # fmt: skip
