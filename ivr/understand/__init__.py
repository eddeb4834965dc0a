"""What callers' words and keys mean as values: Turkish and English, pure.

wanted = Day(earliest=today)
wanted.spoken("gelecek salı", "tr", today) -> Understood(date(…), "1 Aralık Salı", 1.0, …)
"""

from ivr.understand.answer import Understood, Wanted
from ivr.understand.choice import OneOf
from ivr.understand.kinds import Amount, Day, Digits, Number, Phone, YesNo

__all__ = [
    "Amount",
    "Day",
    "Digits",
    "Number",
    "OneOf",
    "Phone",
    "Understood",
    "Wanted",
    "YesNo",
]
