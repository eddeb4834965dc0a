from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from cti.journal.line import encode, encode_row, row_of
from cti.journal.spool import Files, Place, Spool, SpoolFull, adopt, owners
from tests.cti.journal.samples import numbered


def line(sequence: int, call: str = "a") -> bytes:
    return encode(numbered(call, sequence))


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool", limit=1 << 20, segment_bytes=600)
    yield spool
    spool.close()


def read_all(spool: Spool, start: Place = Place(1, 0)) -> list[int]:  # noqa: B008
    found, place = [], start
    while batch := spool.read(place, spool.written):
        if not batch.rows:
            return found
        found += [row.sequence for row in batch.rows]
        place = batch.end
    return found


def test_what_is_written_is_read_in_order_over_segments(spool: Spool) -> None:
    for sequence in range(1, 41):
        spool.append(line(sequence))
    assert len(spool.numbers()) > 5
    assert read_all(spool) == list(range(1, 41))


def test_a_batch_of_lines_stays_in_one_segment(spool: Spool) -> None:
    spool.append(b"".join(line(sequence) for sequence in range(1, 30)))
    assert spool.numbers() == [1]
    assert read_all(spool) == list(range(1, 30))


def test_what_is_written_later_is_not_read_early(spool: Spool) -> None:
    spool.append(line(1))
    end = spool.written
    spool.append(line(2))
    batch = spool.read(Place(1, 0), end)
    assert [row.sequence for row in batch.rows] == [1]
    assert batch.end == end


def test_a_long_line_is_read_whole(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit=1 << 30)
    long = numbered("a" * 700_000, 2)
    spool.append(encode(long) + line(3))
    assert [row.sequence for row in spool.read(Place(1, 0), spool.written).rows] == [2, 3]
    spool.close()


def test_the_mark_tells_others_how_far_it_is(spool: Spool) -> None:
    for sequence in range(1, 11):
        spool.append(line(sequence))
    batch = spool.read(Place(1, 0), spool.written)
    spool.mark_drained(batch.end)
    seen = Files(spool.folder, spool.owner)
    assert seen.mark() == batch.end
    assert spool.backlog == sum(len(line(sequence)) for sequence in range(len(batch.rows) + 1, 11))


def test_drained_segments_go_but_the_newest_stay_for_a_while(spool: Spool) -> None:
    for sequence in range(1, 41):
        spool.append(line(sequence))
    spool.prune(keep_bytes=0, keep_seconds=0)
    assert read_all(spool) == list(range(1, 41)), "nothing is drained yet"
    spool.mark_drained(spool.written)
    spool.prune(keep_bytes=1500, keep_seconds=600)
    kept = [row.sequence for row in spool.lines_of("a")]
    assert kept == list(range(kept[0], 41))
    assert 0 < len(kept) < 20
    spool.start_afresh()
    spool.prune(keep_bytes=0)
    assert spool.numbers() == []
    spool.append(line(41))
    assert read_all(spool, spool.drained) == [41]


def test_a_call_is_found_among_others(spool: Spool) -> None:
    for sequence in range(1, 20):
        for call in ("a", "ab", "b\ttab"):
            spool.append(line(sequence, call))
    assert [row.sequence for row in spool.lines_of("b\ttab")] == list(range(1, 20))
    assert [row.sequence for row in spool.lines_of("a")] == list(range(1, 20))
    assert spool.lines_of("none") == []


def test_a_dead_owners_torn_last_line_is_dropped_cleanly(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit=1 << 20)
    spool.append(line(1) + line(2))
    with spool.segment(1).open("ab") as file:
        file.write(line(3)[:-7])
    dead = Files(tmp_path, spool.owner)
    batch = dead.read(Place(1, 0), None)
    assert ([row.sequence for row in batch.rows], len(batch.damaged)) == ([1, 2], 1)
    assert not dead.read(batch.end, None).rows
    spool.close()


def test_zeros_that_a_power_cut_left_are_dropped(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit=1 << 20)
    spool.append(line(1))
    with spool.segment(1).open("ab") as file:
        file.write(b"\0" * 4096)
    batch = Files(tmp_path, spool.owner).read(Place(1, 0), None)
    assert ([row.sequence for row in batch.rows], len(batch.damaged)) == ([1], 1)
    spool.close()


def test_one_process_owns_a_spool_and_its_end_frees_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit=1 << 20)
    spool.append(line(1))
    assert list(owners(tmp_path)) == [spool.owner]
    assert adopt(tmp_path, spool.owner) is None, "it lives"
    spool.close()
    lock = adopt(tmp_path, spool.owner)
    assert lock is not None
    assert adopt(tmp_path, spool.owner) is None, "somebody has taken it"
    Files(tmp_path, spool.owner).remove()
    lock.release()
    assert list(owners(tmp_path)) == []


def test_a_drained_spool_leaves_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit=1 << 20)
    spool.append(line(1))
    spool.mark_drained(spool.written)
    spool.sync()
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_nobody_else_may_read_it(spool: Spool) -> None:
    spool.append(line(1))
    assert spool.folder.stat().st_mode & 0o077 == 0
    assert spool.segment(1).stat().st_mode & 0o077 == 0
    assert spool.lock.stat().st_mode & 0o077 == 0


def test_it_does_not_grow_past_its_limit(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit=len(line(1) + line(2) + line(3)))
    for sequence in range(1, 4):
        spool.append(line(sequence))
    with pytest.raises(SpoolFull):
        spool.append(line(4))
    spool.mark_drained(spool.written)
    spool.append(line(4))
    assert read_all(spool) == [1, 2, 3, 4]
    spool.close()


def test_a_write_that_the_system_cuts_short_is_taken_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit=1 << 20)
    spool.append(line(1))
    room = spool.written.offset + len(line(2)) // 2
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(OSError, match="part"):
            spool.append(line(2))
        with pytest.raises(OSError, match="part"):
            spool.append(line(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert spool.segment(1).stat().st_size == spool.written.offset
    spool.append(line(2) + line(3))
    assert read_all(spool) == [1, 2, 3]
    spool.close()


def test_what_cannot_be_taken_back_is_closed_off(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit=1 << 20)
    spool.append(line(1))
    # As if ftruncate had failed after half a line was written.
    with spool.segment(1).open("ab") as file:
        torn = line(2)[:20]
        file.write(torn)
    spool.leave_torn(len(torn))
    spool.append(line(2))
    batch = spool.read(Place(1, 0), spool.written)
    assert ([row.sequence for row in batch.rows], len(batch.damaged)) == ([1, 2], 1)
    spool.close()


def test_syncing_while_segments_change_closes_what_is_done(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit=1 << 20, segment_bytes=100)
    before = len(os.listdir("/proc/self/fd"))
    for sequence in range(1, 30):
        spool.append(line(sequence))
        if sequence % 3 == 0:
            assert spool.sync() == spool.written
    assert len(os.listdir("/proc/self/fd")) <= before + 4
    spool.close()
    assert len(os.listdir("/proc/self/fd")) < before


def test_what_was_appended_with_its_rows_is_drained_from_memory(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In order, over segments, and by way of the disk for what was not kept in memory."""
    monkeypatch.setattr("cti.journal.spool.KEPT_ROWS", 8)
    monkeypatch.setattr("cti.journal.spool.BATCH_ROWS", 3)
    rows = [row_of(numbered("a", sequence)) for sequence in range(1, 21)]
    for row in rows[:10]:
        spool.append(encode_row(*row), [row])
    drained, from_disk = [], 0
    for _ in range(20):
        batch = spool.remembered()
        if batch is None:
            batch = spool.on_disk_only()
            from_disk += len(batch.rows)
        drained += batch.rows
        spool.mark_drained(batch.end)
        if len(drained) == 8:  # there is room in memory again; what it has not is a hole
            for row in rows[10:]:
                spool.append(encode_row(*row), [row])
        if spool.idle():
            break
    assert drained == rows
    assert 2 <= from_disk < len(rows)
