"""Recordings encrypted at rest: what is on the disk, ranges, altered files, keys that follow."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.models import calls, recordings
from cti.db.store.scrub import unlink
from cti.services.sealer import Sealer, place_of
from cti.services.sealing import CHUNK, HEADER, TAG, Keys, new_key, sealed
from ivr.errors import BadSetting, ServiceFailed

SECRET = b"my card is 4111 1111 1111 1111"
AT = datetime(2026, 11, 1, tzinfo=UTC)


def keys(*text: str) -> Keys:
    made = Keys.read("\n".join(text))
    assert made is not None
    return made


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 17])
def test_what_is_sealed_comes_back_whole_and_in_any_part(tmp_path: Path, size: int) -> None:
    data, key = os.urandom(size), keys(new_key())
    (tmp_path / "a.wav").write_bytes(data)
    key.seal(tmp_path / "a.wav", tmp_path / "a.sealed", "call/a.wav")
    file = key.open(tmp_path / "a.sealed", "call/a.wav")
    assert file.size == size
    assert file.read() == data
    for start, stop in ((0, 1), (CHUNK - 3, CHUNK + 3), (CHUNK, None), (size // 2, size // 2 + 9)):
        if start < size:
            assert file.read(start, stop) == data[start:stop]


def test_nothing_of_it_is_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(SECRET * 5000)
    key = keys(new_key())
    key.seal(tmp_path / "a.wav", tmp_path / "a.sealed", "c/a.wav")
    assert SECRET[:8] not in (tmp_path / "a.sealed").read_bytes()
    key.seal(tmp_path / "a.wav", tmp_path / "b.sealed", "c/a.wav")
    assert (tmp_path / "a.sealed").read_bytes()[16:] != (tmp_path / "b.sealed").read_bytes()[16:]


@pytest.mark.parametrize("how", ["bit", "cut", "chunk", "header", "place", "swapped", "key"])
def test_what_was_altered_is_not_played(tmp_path: Path, how: str) -> None:
    (tmp_path / "a.wav").write_bytes(os.urandom(3 * CHUNK))
    key, path, place = keys(new_key()), tmp_path / "a.sealed", "c/a.wav"
    key.seal(tmp_path / "a.wav", path, place)
    text = bytearray(path.read_bytes())
    whole = CHUNK + TAG
    if how == "bit":
        text[HEADER.size + 99] ^= 1
    elif how == "cut":
        del text[HEADER.size + 2 * whole :]
    elif how == "chunk":
        del text[HEADER.size : HEADER.size + whole]
    elif how == "header":
        text[20] ^= 1
    elif how == "place":
        place = "d/a.wav"
    elif how == "swapped":
        first = text[HEADER.size : HEADER.size + whole]
        second = text[HEADER.size + whole : HEADER.size + 2 * whole]
        text[HEADER.size : HEADER.size + 2 * whole] = second + first
    else:
        key = keys(new_key())
    path.write_bytes(text)
    with pytest.raises(ServiceFailed):
        key.open(path, place).read()


@pytest.mark.parametrize("text", ["short", "YWJj", "x" * 44])
def test_a_key_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadSetting, match="key 2"):
        Keys.read(f"{new_key()} {text}")
    assert Keys.read(" \n") is None


async def recorded(
    engine: AsyncEngine, folder: Path, call: str, *, over: bool = True, text: str | None = "words"
) -> Path:
    """A call with a note of five minutes ago."""
    path = folder / call / "note.wav"
    path.parent.mkdir(parents=True)
    path.write_bytes(SECRET * 100)
    path.with_suffix(".txt").write_bytes(SECRET)
    for file in (path, path.with_suffix(".txt")):
        os.utime(file, (time.time() - 300,) * 2)
    async with engine.begin() as connection:
        await connection.execute(insert(calls).values(
            id=call, direction="inbound", flow="f", version="v", language="tr", caller="",
            dialled="", channel="", started_at=AT, ended_at=AT if over else None, changed_at=AT,
        ))  # fmt: skip
        await connection.execute(insert(recordings).values(
            call=call, sequence=1, name="note", path=str(path), ms=1, ended_by="key", made_at=AT,
            transcript=text, transcribed_by="vosk" if text else "",
        ))  # fmt: skip
    return path


async def test_only_what_nobody_needs_any_more_is_sealed(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    sealer = Sealer(engine, tmp_path, keys(new_key()))
    done = await recorded(engine, tmp_path, "done")
    live = await recorded(engine, tmp_path, "live", over=False)
    waits = await recorded(engine, tmp_path, "waits", text=None)
    growing = await recorded(engine, tmp_path, "growing")
    growing.touch()  # Asterisk writes still
    assert await sealer.once() == 3
    assert not done.exists()
    assert not done.with_suffix(".txt").exists()
    assert sealed(done).exists()
    assert sealed(done.with_suffix(".txt")).exists()
    assert live.exists()
    assert waits.exists()
    assert growing.exists()
    async with engine.begin() as connection:
        await connection.execute(update(recordings).values(transcribed_by="vosk", transcript=""))
        await connection.execute(update(calls).values(ended_at=AT))
    os.utime(growing, (time.time() - 300,) * 2)
    assert await sealer.once() == 5
    clear = [p for p in tmp_path.rglob("*") if p.is_file() and SECRET[:8] in p.read_bytes()]
    assert clear == []
    assert await sealer.once() == 0


async def test_a_new_key_follows_and_the_old_one_may_go(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    old, new = new_key(), new_key()
    path = await recorded(engine, tmp_path, "call")
    await Sealer(engine, tmp_path, keys(old)).once()
    both = keys(new, old)
    assert both.open(sealed(path), place_of(path)).read() == SECRET * 100
    assert await Sealer(engine, tmp_path, both).once() == 2
    assert keys(new).open(sealed(path), place_of(path)).read() == SECRET * 100
    with pytest.raises(ServiceFailed, match="not known"):
        keys(old).open(sealed(path), place_of(path))
    assert [p.suffix for p in path.parent.iterdir()] == [".sealed", ".sealed"]


async def test_what_is_to_go_goes_sealed_or_not(engine: AsyncEngine, tmp_path: Path) -> None:
    path = await recorded(engine, tmp_path, "call")
    await Sealer(engine, tmp_path, keys(new_key())).once()
    unlink(tmp_path, [str(path)])
    assert list(path.parent.iterdir()) == []
