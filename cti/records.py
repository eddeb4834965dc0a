"""What we know of customers: the shop's database through named queries, and our own notes and
contacts. `Records` of the floor, and the desk's search.

The queries are `desk_customer`, `desk_orders` and `desk_search` of the scenarios folder
(`scenarios/desk.yaml`); one that is not there leaves its part of the card empty.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from cti.db.lookup import DatabaseLookup
from cti.db.store.desk import DeskStore
from cti.phone import e164_or_same
from cti.screenpop import Card
from ivr.errors import LookupFailed

CUSTOMER: Final = "desk_customer"
ORDERS: Final = "desk_orders"
SEARCH: Final = "desk_search"
DEADLINE: Final = 1.5  # seconds
MOST: Final = 20


class ShopRecords:
    def __init__(self, lookup: DatabaseLookup, desk: DeskStore, region: str) -> None:
        self._lookup, self._desk, self._region = lookup, desk, region

    async def card(self, phone: str) -> Card:
        """What is known of whoever has this number; `LookupFailed` when it cannot be told."""
        number = e164_or_same(phone, self._region)
        try:
            customer, orders, contacts, notes = await asyncio.gather(
                self._asked(CUSTOMER, number, 1),
                self._asked(ORDERS, number, 10),
                self._desk.contacts(number),
                self._desk.notes(number),
            )
        except (SQLAlchemyError, OSError) as error:
            raise LookupFailed("our own records did not answer") from error
        last = next((one for one in contacts if one["login"]), None)
        found = customer[0] if customer else {}
        return Card(
            found=bool(customer),
            customer=found,
            tier=str(found.get("tier") or ""),
            orders=tuple(orders),
            contacts=tuple(contacts),
            notes=tuple(notes),
            last_agent=last["login"] if last else "",
            last_spoke=last["at"].timestamp() if last else 0.0,
        )

    async def search(self, text: str) -> Sequence[Mapping[str, Any]]:
        """Customers whose name, number or order fits; at most twenty."""
        text = " ".join(text.split())[:80]
        if len(text) < 2 or not self._lookup.knows(SEARCH):
            return ()
        plain = re.sub(r"[%_\\]", "", text)
        digits = re.sub(r"\D", "", text).lstrip("0") if re.fullmatch(r"[+\d\s()/-]+", text) else ""
        values = {
            "beginning": f"%{plain.lower()}%",
            "part": f"%{digits}%" if len(digits) >= 4 else "",
            "order": text,
        }
        return await self._lookup.rows(SEARCH, values, 2.0, MOST)

    async def _asked(self, query: str, phone: str, most: int) -> Sequence[Mapping[str, Any]]:
        if not self._lookup.knows(query):
            return ()
        return await self._lookup.rows(query, {"phone": phone}, DEADLINE, most)
