"""Customers: whom calls go to, and what those calls go by."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from pydantic import Field

from cti.db.store.shop import Customer
from cti.web.api.kinds import Model, telephone
from cti.web.api.operation import Answer, NoQuery, Operation, Request
from cti.web.api.paging import Page, Paged, page, place
from cti.web.api.shapes import CustomerFacts
from ivr.errors import RequestRefused

TAG = "customers"
PhonePlace = Annotated[str, Field(min_length=3, max_length=32, pattern=r"^\+?[0-9][0-9 ().-]*$")]


class CustomerOut(Model):
    """A customer as we know them. `consent` is null when nobody asked them."""

    phone: str
    name: str
    email: str
    language: str
    city: str
    tier: str
    time_zone: str
    country: str
    consent: bool | None
    created_at: datetime


def shown(customer: Customer) -> CustomerOut:
    facts = asdict(customer)
    del facts["id"]
    return CustomerOut(**facts)


async def list_customers(request: Request[None, Paged]) -> Answer:
    query = request.query
    (after,) = place(query.after, int) or (0,)
    found = list(await request.api.shop.customers(after=after, limit=query.limit + 1))
    made = page(found, query.limit, lambda last: (last.id,))
    return Answer(Page(items=tuple(map(shown, made.items)), next=made.next))


async def get_customer(request: Request[None, NoQuery]) -> Answer:
    found = await request.api.shop.customer(phone_of(request.path["phone"], request.api.region))
    if found is None:
        raise RequestRefused("not-found", "no customer has this number")
    return Answer(shown(found))


async def put_customer(request: Request[CustomerFacts, NoQuery]) -> Answer:
    phone = phone_of(request.path["phone"], request.api.region)
    known = request.body.model_dump(exclude_none=True)
    customer, new = await request.api.shop.put_customer(phone, known)
    return Answer(shown(customer), 201 if new else 200)


def phone_of(text: str, region: str) -> str:
    """The number in an address, in E.164; `RequestRefused` for what is none."""
    try:
        return telephone(text, region)
    except ValueError as error:
        raise RequestRefused("bad-value", str(error)) from None


OPERATIONS = (
    Operation(
        "GET", "/customers", "listCustomers", "Every customer, in the order they came",
        list_customers, "orders:read", {200: Page[CustomerOut]}, query=Paged, tag=TAG,
    ),
    Operation(
        "GET", "/customers/{phone}", "getCustomer", "The customer of a number", get_customer,
        "orders:read", {200: CustomerOut}, places={"phone": PhonePlace}, tag=TAG,
    ),
    Operation(
        "PUT", "/customers/{phone}", "putCustomer", "Make a customer, or change what is known",
        put_customer, "orders:write", {200: CustomerOut, 201: CustomerOut}, body=CustomerFacts,
        places={"phone": PhonePlace}, tag=TAG, about="What is left out stays as it is.",
        words={200: "Changed.", 201: "Made."},
    ),
)  # fmt: skip
