"""A recording's sound over HTTP, in the clear or sealed: whole, by ranges, and who may listen."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import insert

from cti.db.models import recordings
from cti.services.sealer import place_of
from cti.services.sealing import CHUNK, Keys, new_key, sealed
from tests.cti.web.site_room import SiteRoom

SOUND = os.urandom(CHUNK + 999)
AT = datetime(2026, 11, 1, tzinfo=UTC)


async def recorded(desk: SiteRoom, *, seal: bool) -> int:
    """A call's recording; its number."""
    here = desk.desk.site
    path = here.settings.recordings / "call-1" / "note.wav"
    path.parent.mkdir(parents=True)
    path.write_bytes(SOUND)
    if seal:
        text = new_key()
        here.settings = here.settings.model_copy(update={"recording_keys": SecretStr(text)})
        keys = Keys.read(text)
        assert keys is not None
        keys.seal(path, sealed(path), place_of(path))
        path.unlink()
    async with here.database.begin() as connection:
        made = await connection.execute(insert(recordings).values(
            call="call-1", sequence=1, name="note", path=str(path), ms=900, ended_by="key",
            made_at=AT,
        ))  # fmt: skip
    assert made.inserted_primary_key
    return int(made.inserted_primary_key[0])


@pytest.mark.parametrize("seal", [False, True])
async def test_it_is_heard_whole_and_from_the_middle(desk: SiteRoom, seal: bool) -> None:
    number = await recorded(desk, seal=seal)
    page = await desk.signed_in("sema")
    (told,) = (await page.read("/api/calls/call-1/recordings"))["recordings"]
    assert (told["id"], told["there"]) == (number, True)
    whole = await page.get(f"/api/recordings/{number}")
    assert (whole.status, whole.content_type) == (200, "audio/wav")
    assert await whole.read() == SOUND
    for asked, start, stop in (
        ("bytes=10-19", 10, 20), (f"bytes={CHUNK - 5}-", CHUNK - 5, None), ("bytes=-7", -7, None),
    ):  # fmt: skip
        part = await page.get(f"/api/recordings/{number}", headers={"Range": asked})
        assert part.status == 206
        assert await part.read() == SOUND[start:stop]
        assert part.headers["Content-Range"].endswith(f"/{len(SOUND)}")
    beyond = await page.get(f"/api/recordings/{number}", headers={"Range": "bytes=999999999-"})
    assert beyond.status == 416
    assert await desk.audited("listen") >= 1


async def test_an_agent_hears_nothing_of_it(desk: SiteRoom) -> None:
    number = await recorded(desk, seal=True)
    page = await desk.signed_in("ayse")
    assert (await page.get(f"/api/recordings/{number}")).status == 403


async def test_altered_or_without_its_key_it_is_not_played(desk: SiteRoom) -> None:
    number = await recorded(desk, seal=True)
    page, here = await desk.signed_in("sema"), desk.desk.site
    path = sealed(Path(here.settings.recordings / "call-1" / "note.wav"))
    text = bytearray(path.read_bytes())
    text[200] ^= 1
    path.write_bytes(text)
    assert (await page.get(f"/api/recordings/{number}")).status == 409
    here.settings = here.settings.model_copy(update={"recording_keys": SecretStr("")})
    assert (await page.get(f"/api/recordings/{number}")).status == 409
