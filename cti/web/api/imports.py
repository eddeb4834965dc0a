"""CSV files over HTTP: each line an order, a customer or a do-not-call entry; a report of each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from cti.db.store.outbound import Listed
from cti.importing import Kind, Wrong, decoded, kind_of, read
from cti.web.api.do_not_call import ListIn
from cti.web.api.kinds import Model, telephone
from cti.web.api.operation import Answer, Operation, Request
from cti.web.api.services import Taking
from cti.web.api.shapes import CustomerIn, OrderTold, PaymentFailed, read_event
from cti.web.api.taking import take
from ivr.errors import BadInput, RequestRefused

TAG = "imports"
MOST_BYTES: Final = 5_000_000
MOST_LINES: Final = 20_000  # over HTTP; `santral import` takes any number
EXAMPLE = "number;total;phone;name;consent\n4711;1.459,90;0532 111 22 33;Ayşe Yılmaz;evet\n"


@dataclass(frozen=True, slots=True)
class NumberListed:
    """A line of a do-not-call file."""

    phone: str
    entry: ListIn


class WrongOut(Model):
    """What is wrong in a line, and in which column; "" for the line as a whole."""

    column: str
    detail: str


class LineOut(Model):
    """What became of a line. `decision` is there for orders: call, wait, never or none."""

    line: int
    result: Literal["taken", "refused"]
    decision: str | None
    why: str
    wrong: tuple[WrongOut, ...]


class Report(Model):
    """`lines` holds every line that was refused, and of the others as many as were asked for."""

    kind: Literal["orders", "customers", "do_not_call"]
    taken: int
    refused: int
    decisions: dict[str, int]
    lines: tuple[LineOut, ...]


class Import(Model):
    """`kind` is told by the columns where it is not given."""

    kind: Literal["orders", "customers", "do_not_call"] | None = None
    all: Annotated[bool, Field(description="tell of the lines that were taken, too")] = True


def as_event(found: dict[str, Any]) -> OrderTold | PaymentFailed:
    """A line of an orders file; it has a name of its own, so that a file read twice does once."""
    number = found.get("order", {}).get("number", "")
    event = found.get("event", "order.created")
    return read_event.validate_python(
        {"id": f"import:{event}:{number}"[:128], **found, "event": event}
    )


def as_customer(found: dict[str, Any]) -> CustomerIn:
    return CustomerIn.model_validate(found.get("customer", {}))


def as_entry(found: dict[str, Any]) -> NumberListed:
    rest = {name: value for name, value in found.items() if name != "customer"}
    phone = telephone(str(found.get("customer", {}).get("phone", "")))
    return NumberListed(phone, ListIn.model_validate(rest))


TAKES: Final[dict[Kind, Any]] = {
    "orders": as_event,
    "customers": as_customer,
    "do_not_call": as_entry,
}


async def imported(api: Taking, text: str, kind: Kind, by: str) -> AsyncIterator[LineOut]:
    """Take a file in, line by line. `BadInput` for a file that cannot be read at all."""
    for line in read(text, kind, ZoneInfo(api.zone), TAKES[kind]):
        if line.wrong:
            yield _refused(line.number, *line.wrong)
            continue
        try:
            decision, why = await _taken(api, line.value, by)
        except (BadInput, RequestRefused) as refused:
            yield _refused(line.number, Wrong("", str(refused)))
        else:
            yield LineOut(line=line.number, result="taken", decision=decision, why=why, wrong=())


async def _taken(api: Taking, value: Any, by: str) -> tuple[str | None, str]:
    if isinstance(value, CustomerIn):
        known = value.model_dump(exclude={"phone"}, exclude_none=True)
        _, new = await api.shop.put_customer(value.phone, known)
        return None, "new" if new else "changed"
    if isinstance(value, NumberListed):
        entry = value.entry
        one = Listed(
            value.phone, entry.list, entry.reason, "import", api.now(), by, entry.expires_at
        )
        return None, "new" if await api.outbound.list_number(one) else "changed"
    made = await take(api, value)
    return made.decision, made.why


def _refused(line: int, *wrong: Wrong) -> LineOut:
    shown = tuple(WrongOut(column=one.column, detail=one.detail) for one in wrong)
    return LineOut(line=line, result="refused", decision=None, why="", wrong=shown)


async def post_import(request: Request[bytes, Import]) -> Answer:
    text = decoded(request.body)
    if text.count("\n") > MOST_LINES:
        raise RequestRefused(
            "too-large", f"more than {MOST_LINES} lines; send several files, or use santral import"
        )
    kind = request.query.kind or kind_of(text)
    by = request.who.login if request.who else ""
    lines = [line async for line in imported(request.api, text, kind, by)]
    decisions: dict[str, int] = {}
    for line in lines:
        if line.decision:
            decisions[line.decision] = decisions.get(line.decision, 0) + 1
    told = [line for line in lines if request.query.all or line.result == "refused"]
    refused = sum(line.result == "refused" for line in lines)
    report = Report(
        kind=kind, taken=len(lines) - refused, refused=refused, decisions=decisions,
        lines=tuple(told),
    )  # fmt: skip
    return Answer(report)


OPERATIONS = (
    Operation(
        "POST", "/imports", "importCsv", "Take in a CSV file", post_import, "orders:write",
        {200: Report}, body={"type": "string"}, raw_body=True, media="text/csv", query=Import,
        most_bytes=MOST_BYTES, tag=TAG, problems=("too-large",), example=EXAMPLE,
        words={200: "Read; with what became of each line."},
        about="Columns may be separated by commas, semicolons or tabs, and have English or "
        "Turkish names; amounts may be written 1.459,90. A line that cannot be used does not keep "
        "the others back. The same file again does nothing twice.",
    ),
)  # fmt: skip
