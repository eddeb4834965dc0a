"""Recordings over HTTP: which there are, their sound by ranges, and who may listen to what."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert

from cti.db.models import recordings
from tests.cti.web.site_room import SiteRoom

SOUND = b"RIFF" + bytes(range(256)) * 8


async def keep(desk: SiteRoom, number: int, path: Path | str, **more: object) -> None:
    row = {
        "id": number, "call": "call-1", "sequence": number, "name": f"note{number}",
        "path": str(path), "ms": 2500, "ended_by": "hangup", "made_at": datetime.now(UTC),
        "transcript": "Kargom gelmedi",
    }  # fmt: skip
    async with desk.desk.site.database.begin() as connection:
        await connection.execute(insert(recordings), row | more)


@pytest.fixture
async def recorded(desk: SiteRoom) -> SiteRoom:
    folder = desk.settings.recordings / "call-1"
    folder.mkdir(parents=True)
    (folder / "note.wav").write_bytes(SOUND)
    outside = desk.settings.state / "secret.wav"
    outside.write_bytes(b"secret")
    (folder / "link.wav").symlink_to(outside)
    await keep(desk, 1, folder / "note.wav")
    await keep(desk, 2, folder / "gone.wav")
    await keep(desk, 3, folder / ".." / ".." / "secret.wav")
    await keep(desk, 4, folder / "link.wav")
    await keep(desk, 5, folder / "note.wav", deleted_at=datetime.now(UTC))
    return desk


async def test_a_calls_recordings_and_their_sound(recorded: SiteRoom) -> None:
    page = await recorded.signed_in("sema")
    told = (await page.read("/api/calls/call-1/recordings"))["recordings"]
    assert [(one["id"], one["there"]) for one in told] == [
        (1, True), (2, False), (3, False), (4, False),
    ]  # fmt: skip
    assert told[0]["transcript"] == "Kargom gelmedi"
    assert told[0]["seconds"] == 2.5
    whole = await page.get("/api/recordings/1")
    assert (whole.status, await whole.read()) == (200, SOUND)
    assert whole.headers["Content-Type"] == "audio/wav"
    assert whole.headers["Cache-Control"] == "no-store"
    part = await page.get("/api/recordings/1", headers={"Range": "bytes=4-7"})
    assert (part.status, await part.read()) == (206, SOUND[4:8])
    assert await recorded.audited("listen", actor="sema") == 1, "once, not for each jump"


@pytest.mark.parametrize("number", [2, 3, 4, 5, 6, 10**17])
async def test_nothing_but_recordings_that_are_there(recorded: SiteRoom, number: int) -> None:
    """Gone, outside of the folder, a link out of it, deleted, never there."""
    page = await recorded.signed_in("sema")
    answer = await page.get(f"/api/recordings/{number}")
    assert answer.status == 404
    assert b"secret" not in await answer.read()


async def test_agents_do_not_listen_to_recordings(recorded: SiteRoom) -> None:
    page = await recorded.signed_in("ayse")
    for path in ("/api/calls/call-1/recordings", "/api/recordings/1"):
        assert (await page.get(path)).status == 403
    assert (await recorded.page().get("/api/recordings/1")).status == 401
