"""What is known of a call that comes in: for a new one nothing, else what its journal tells."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ivr.call import Call, CallInfo
from ivr.conversation import Conversation
from ivr.errors import JournalUnavailable
from ivr.events import Entry, Journal
from ivr.resume import resumed
from ivr.services import Services

TRIES: Final = 3  # times that the journal is asked; a caller listens to nothing meanwhile
PAUSE: Final = 0.3  # seconds between two of them
# Places of the journal that each entry of a call has to itself, where its past is not known; no
# call writes as much before.
ROOM: Final = 1_000_000
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Past:
    """`last` is the place in the journal after which this entry of the call may write."""

    entries: Sequence[Entry] = ()
    last: int = 0

    def gone_on_with(self, call: Call, services: Services) -> Conversation | None:
        """The conversation to go on with; None for one that has to begin (anew)."""
        if not self.entries:
            return None
        try:
            return resumed(call, services, self.entries)
        except KeyError as missing:
            # A version or a step that nobody has any more: the caller must not suffer for it.
            log.error("call %s begins anew: there is no %s", call.info.id, missing)
            return None


async def past_of(call: CallInfo, journal: Journal) -> Past:
    """What went before this entry of the call. Never raises.

    While the journal's database is away and the spools of this host do not hold the call whole, its
    past is not known: then it begins anew, at a place in the journal that nothing can hold yet.
    """
    if call.entry <= 1 and not call.outcome:
        return Past()
    for number in range(TRIES):
        if number:
            await asyncio.sleep(PAUSE)
        try:
            entries = await journal.history(call.id)
        except JournalUnavailable:
            continue
        return Past(entries, entries[-1].sequence if entries else 0)
    log.error("call %s begins anew: its journal cannot be read", call.id)
    return Past(last=max(1, call.entry) * ROOM)
