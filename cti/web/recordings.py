"""What was recorded of a call: which recordings there are, and their sound. Listeners are noted."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from sqlalchemy import select

from cti.db.models import recordings
from cti.services.sealer import place_of
from cti.services.sealing import SEALED, Keys, sealed
from cti.web.auth import principal, require
from cti.web.errors import Refused
from cti.web.json import reply
from cti.web.site import Site, site
from ivr.errors import ServiceFailed

log = logging.getLogger(__name__)

CALL: Final = "{call:[A-Za-z0-9_.-]{1,80}}"
NUMBER: Final = "{number:[0-9]{1,18}}"


@require("transcripts")
async def listed(request: web.Request) -> web.StreamResponse:
    """A call's recordings, first to last; `there` is false for one whose file is gone."""
    here = site(request)
    r = recordings.c
    asked = select(recordings).where(r.call == request.match_info["call"], r.deleted_at.is_(None))
    async with here.database.connect() as connection:
        rows = (await connection.execute(asked.order_by(r.sequence))).all()
    found = [await _told(here, row) for row in rows]
    return reply({"recordings": found})


@require("transcripts")
async def sound(request: web.Request) -> web.StreamResponse:
    """The recording itself, whole or by ranges of bytes, so that a page can jump in it."""
    here = site(request)
    r = recordings.c
    asked = select(r.call, r.path).where(
        r.id == int(request.match_info["number"]), r.deleted_at.is_(None)
    )
    async with here.database.connect() as connection:
        row = (await connection.execute(asked)).first()
    path = None if row is None else await asyncio.to_thread(_file, here, row.path)
    if row is None or path is None:
        raise Refused(404, "not_found", "There is no such recording.")
    if not request.http_range.start:  # once for a listening, not for each jump
        await here.audit.note(principal(request).login, "listen", row.call)
    if path.suffix == SEALED:
        return await _opened(request, here, path)
    return web.FileResponse(path, headers={"Content-Type": "audio/wav"})


async def _opened(request: web.Request, here: Site, path: Path) -> web.StreamResponse:
    """A sealed recording, or the range of it that is asked for, as one in the clear."""
    keys = Keys.read(here.settings.recording_keys.get_secret_value())
    try:
        if keys is None:
            raise ServiceFailed("there is no key")
        file = keys.open(path, place_of(path))
        size = file.size
        start, stop, _ = request.http_range.indices(size)
        body = await asyncio.to_thread(file.read, start, stop)
    except ServiceFailed as error:
        log.error("%s: %s", place_of(path), error)
        raise Refused(409, "sealed", "This recording cannot be opened.") from None
    headers = {"Accept-Ranges": "bytes", "Content-Type": "audio/wav"}
    if "Range" not in request.headers:
        return web.Response(body=body, headers=headers)
    if start >= size:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return web.Response(status=206, body=body, headers=headers)


async def _told(here: Site, row: Any) -> dict[str, Any]:
    return {
        "id": row.id, "name": row.name, "seconds": row.ms / 1000,
        "at": row.made_at.timestamp(), "transcript": row.transcript or "",
        "there": await asyncio.to_thread(_file, here, row.path) is not None,
    }  # fmt: skip


def _file(here: Site, name: str) -> Path | None:
    """A recording's file, sealed or not: within the folder of recordings, whatever the row says."""
    folder = here.settings.recordings.resolve()
    path = Path(name).resolve()
    if not name or not path.is_relative_to(folder):
        return None
    return next((one for one in (path, sealed(path)) if one.is_file()), None)


ROUTES: Final = (
    web.get(f"/api/calls/{CALL}/recordings", listed),
    web.get(f"/api/recordings/{NUMBER}", sound),
)
