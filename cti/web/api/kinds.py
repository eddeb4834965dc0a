"""The kinds of values that the API takes: read strictly, and told of in its OpenAPI document."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
)

from cti.phone import REGION, e164
from ivr.errors import BadInput

AMOUNT: Final = r"^[0-9]{1,12}(\.[0-9]{1,2})?$"
MOST: Final = Decimal("999999999999.99")
MOMENT: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:?\d\d)"
)
NO_CONTROLS: Final = r"^[^\u0000-\u001f\u007f]*$"  # no database takes NUL, no log likes the others
FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


class Model(BaseModel):
    """Frozen, and nothing unknown in it."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def _amount(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        raise ValueError("an amount is a number, or text like 459.90")
    text = str(value)
    if isinstance(value, str) and not re.fullmatch(AMOUNT[1:-1], value, re.ASCII):
        raise ValueError("an amount is not negative and has at most two decimals, like 459.90")
    amount = Decimal(text)
    if not amount.is_finite() or not 0 <= amount <= MOST:
        raise ValueError(f"an amount is not negative, and {MOST} at most")
    if amount != round(amount, 2):
        raise ValueError("an amount has at most two decimals")
    return round(amount, 2)


Amount = Annotated[
    Decimal,
    BeforeValidator(_amount),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": float(MOST)},
                {"type": "string", "pattern": AMOUNT},
            ],
            "description": "Exact; at most two decimals. A number, or text.",
            "examples": ["459.90"],
        },
        mode="validation",
    ),
    WithJsonSchema({"type": "string", "pattern": AMOUNT}, mode="serialization"),
]


def _phone(value: str, info: ValidationInfo) -> str:
    region = (info.context or {}).get("region", REGION)
    return telephone(value, region)


def telephone(value: str, region: str = REGION) -> str:
    """The number in E.164; ValueError for what is none, by its country's numbering plan too."""
    import phonenumbers

    try:
        number = e164(value, region)
        if phonenumbers.is_possible_number(phonenumbers.parse(number, None)):
            return number
    except (BadInput, phonenumbers.NumberParseException):
        pass
    raise ValueError("this is not a telephone number; write it like +905321112233")


Phone = Annotated[
    str,
    Field(
        min_length=3,
        max_length=32,
        description="E.164, or as it is written in the shop's country.",
        examples=["+905321112233"],
    ),
    AfterValidator(_phone),
]


def _moment(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        if MOMENT.fullmatch(value):
            return datetime.fromisoformat(value.upper())
    except ValueError:
        pass
    raise ValueError("a time has its zone, like 2026-11-22T10:15:00+03:00")


def _sensible(value: datetime) -> datetime:
    if not FIRST <= value < LAST:
        raise ValueError("a time is between the years 2000 and 2100")
    return value.astimezone(UTC)


Moment = Annotated[AwareDatetime, BeforeValidator(_moment), AfterValidator(_sensible)]


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("this is no time zone; write it like Europe/Istanbul")
    return name


Zone = Annotated[str, Field(max_length=64, examples=["Europe/Istanbul"]), AfterValidator(_zone)]


def _calendar(code: str) -> str:
    import holidays

    country, _, part = code.partition("-")
    known = holidays.list_supported_countries()
    if country not in known or (part and part not in known[country]):
        raise ValueError("no calendar is known for this; write it like TR, or DE-BY")
    return code


Line = Annotated[str, Field(max_length=200, pattern=NO_CONTROLS)]
Words = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_CONTROLS)]
OrderNumber = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", examples=["1234"])]
Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["TRY"])]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$", examples=["tr"])]
Tag = Annotated[str, Field(pattern=r"^[\w][\w .-]{0,63}$")]
Country = Annotated[
    str,
    Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,4})?$", examples=["TR"]),
    AfterValidator(_calendar),
]
