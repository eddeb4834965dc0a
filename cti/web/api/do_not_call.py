"""The do-not-call lists: the own one holds for every call, others where a campaign names them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from pydantic import Field

from cti.db.store.outbound import OWN, Listed
from cti.web.api.customers import PhonePlace, phone_of
from cti.web.api.kinds import Line, Model, Moment
from cti.web.api.operation import Answer, NoQuery, Operation, Request
from cti.web.api.paging import Page, Paged, page, place
from ivr.errors import RequestRefused

TAG = "do-not-call"
SOURCE: Final = "api"
ListName = Annotated[
    str,
    Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,99}$", description="`own` holds for every call"),
]


class ListIn(Model):
    """Why, on which list, and until when; for ever without `expires_at`."""

    reason: Line = ""
    list: ListName = OWN
    expires_at: Moment | None = None


class ListOut(Model):
    """`source` is caller, agent, import, api or law."""

    phone: str
    list: str
    reason: str
    source: str
    added_at: datetime
    added_by: str
    expires_at: datetime | None


class Entries(Paged):
    list: ListName | None = None
    phone: Annotated[str, Field(max_length=32, pattern=r"^\+?[0-9 ().-]*$")] = ""


class WhichList(Model):
    list: ListName = OWN


def shown(one: Listed) -> ListOut:
    return ListOut(
        phone=one.phone, list=one.list, reason=one.reason, source=one.source,
        added_at=one.added_at, added_by=one.added_by, expires_at=one.expires_at,
    )  # fmt: skip


async def list_entries(request: Request[None, Entries]) -> Answer:
    query, api = request.query, request.api
    after = place(query.after, str, str) or ("", "")
    found = await api.outbound.listed(
        name=query.list or "", after=(after[0], after[1]), limit=query.limit + 1,
        phone=phone_of(query.phone, api.region) if query.phone else "",
    )  # fmt: skip
    made = page(list(found), query.limit, lambda last: (last.phone, last.list))
    return Answer(Page(items=tuple(map(shown, made.items)), next=made.next))


async def put_entry(request: Request[ListIn, NoQuery]) -> Answer:
    api, given = request.api, request.body
    one = Listed(
        phone_of(request.path["phone"], api.region), given.list, given.reason, SOURCE, api.now(),
        request.who.login if request.who else "", given.expires_at,
    )  # fmt: skip
    new = await api.outbound.list_number(one)
    return Answer(shown(one), 201 if new else 200)


async def delete_entry(request: Request[None, WhichList]) -> Answer:
    phone = phone_of(request.path["phone"], request.api.region)
    if not await request.api.outbound.unlist_number(phone, request.query.list):
        raise RequestRefused("not-found", "the number does not stand on this list")
    return Answer(status=204)


_PHONE = {"phone": PhonePlace}
OPERATIONS = (
    Operation(
        "GET", "/do-not-call", "listDoNotCall", "Numbers that are not called", list_entries,
        "contacts:read", {200: Page[ListOut]}, query=Entries, tag=TAG,
    ),
    Operation(
        "PUT", "/do-not-call/{phone}", "putDoNotCall", "Never call a number", put_entry,
        "contacts:write", {200: ListOut, 201: ListOut}, body=ListIn, places=_PHONE, tag=TAG,
        words={200: "It stood there, and was changed.", 201: "It stands there now."},
    ),
    Operation(
        "DELETE", "/do-not-call/{phone}", "deleteDoNotCall", "Take a number off a list",
        delete_entry, "contacts:write", {204: None}, query=WhichList, places=_PHONE, tag=TAG,
    ),
)  # fmt: skip
