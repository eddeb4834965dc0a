"""Recordings become text after the call: in the row and beside the file, once, also after a crash."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.models import calls, recordings
from cti.db.store.scrub import unlink
from cti.services import transcripts
from cti.services.transcripts import PARTIAL, Transcripts
from ivr.audio import write_wav
from ivr.errors import BadInput
from ivr.speech.engines import EngineChoice, shipped
from ivr.speech.transcribing import transcribe
from tests.ivr.speech import voices

NOW = datetime.now(UTC)


async def record(
    engine: AsyncEngine, folder: Path, name: str, said: str = "iptal", *, ended: bool = True,
    ago: timedelta = timedelta(),
) -> Path:  # fmt: skip
    """A call with one recording in it."""
    path = folder / name / "note.wav"
    path.parent.mkdir(parents=True)
    if said:
        sound = np.concatenate([voices.silence(0.3), voices.spoken(said), voices.silence(0.5)])
        write_wav(path, sound.astype(np.int16))
    at = NOW - ago
    call = {"id": name, "started_at": at, "changed_at": at, "language": "tr"}
    row = {"call": name, "sequence": 5, "name": "note", "path": str(path), "ms": 1500,
           "ended_by": "key", "made_at": at}  # fmt: skip
    async with engine.begin() as connection:
        await connection.execute(insert(calls), call | {"ended_at": at if ended else None})
        await connection.execute(insert(recordings), row)
    return path


async def rows(engine: AsyncEngine) -> dict[str, Any]:
    async with engine.connect() as connection:
        return {row.call: row for row in await connection.execute(select(recordings))}


def job(engine: AsyncEngine, folder: Path) -> Transcripts:
    return Transcripts(engine, folder, shipped, "tr")


async def test_text_lands_in_the_row_and_beside_the_file(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    path = await record(engine, tmp_path, "c1", "sipariş durumu")
    assert await job(engine, tmp_path).once() == 1
    row = (await rows(engine))["c1"]
    assert row.transcript == "sipariş durumu"
    assert row.transcribed_by == f"vosk; {PARTIAL}"  # honest about the small model
    text = path.with_suffix(".txt").read_text()
    assert text.splitlines()[0] == "sipariş durumu"
    assert PARTIAL in text
    assert await job(engine, tmp_path).once() == 0
    unlink(tmp_path, [str(path)])  # the text goes with the recording
    assert not path.exists()
    assert not path.with_suffix(".txt").exists()


async def test_a_call_that_goes_on_waits(engine: AsyncEngine, tmp_path: Path) -> None:
    await record(engine, tmp_path, "goes-on", ended=False)
    await record(engine, tmp_path, "never-ended", ended=False, ago=timedelta(hours=3))
    assert await job(engine, tmp_path).once() == 1
    assert (await rows(engine))["goes-on"].transcript is None
    assert (await rows(engine))["never-ended"].transcript == "iptal"


async def test_what_was_cut_off_is_done_by_the_next_engine(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    path = await record(engine, tmp_path, "c1")
    first = asyncio.create_task(job(engine, tmp_path).run())
    await asyncio.sleep(0.2)  # in the middle of it: loading a model takes longer
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await job(engine, tmp_path).once()
    assert (await rows(engine))["c1"].transcript == "iptal"
    assert [one.name for one in sorted(path.parent.iterdir())] == ["note.txt", "note.wav"]


async def test_what_cannot_be_heard_is_told_and_not_tried_again(
    engine: AsyncEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await record(engine, tmp_path, "gone", said="")
    outside = await record(engine, tmp_path.parent / f"{tmp_path.name}-other", "outside")
    wrong = await record(engine, tmp_path, "wrong-rate")
    write_wav(wrong, voices.spoken("iptal").astype(np.int16), 16000)
    assert await job(engine, tmp_path).once() == 3
    told = {name: row.transcribed_by for name, row in (await rows(engine)).items()}
    assert "cannot be read" in told["gone"]
    assert "not among the recordings" in told["outside"]
    assert "16000 samples a second" in told["wrong-rate"]
    assert "no text" in caplog.text
    assert not outside.with_suffix(".txt").exists()
    assert await job(engine, tmp_path).once() == 0


async def test_a_model_that_breaks_breaks_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "note.wav"
    write_wav(path, voices.spoken("iptal").astype(np.int16))
    with pytest.raises(BadInput, match="is not there"):
        await transcribe(path, "tr", (EngineChoice("vosk", "/nowhere"),))
    with pytest.raises(BadInput, match="nothing hears the language 'xx'"):
        await transcribe(path, "xx", ())


async def test_a_database_that_is_away_is_waited_for(
    engine: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await record(engine, tmp_path, "c1")
    monkeypatch.setattr(transcripts, "LOOK_EVERY", 0.05)
    broken, looks = job(engine, tmp_path), []
    once = broken.once

    async def sometimes() -> int:
        looks.append(1)
        if len(looks) < 3:
            raise OSError("away")
        return await once()

    monkeypatch.setattr(broken, "once", sometimes)
    task = asyncio.create_task(broken.run())
    async with asyncio.timeout(60):
        while (await rows(engine))["c1"].transcript is None:
            await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
