"""The cache on disk: whole or not there, bounded, shared."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from ivr.audio import read_wav
from ivr.errors import BadSetting
from ivr.prompts.cache import SoundCache
from ivr.prompts.soundfile import check_sound
from ivr.prompts.units import Unit

SECOND = np.full(8000, 1000, np.int16)


@pytest.fixture
def cache(tmp_path: Path) -> SoundCache:
    return SoundCache(tmp_path / "cache", limit=10 * 16_056)


def filled(directory: Path, count: int) -> list[str]:
    """So many sounds of a second, put by another, long ago, the first the longest."""
    keys = [f"{number:02}aa" for number in range(count)]
    other = SoundCache(directory)
    for number, key in enumerate(keys):
        age(other.put(key, SECOND).path, 7200 - number)
    return keys


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def test_what_was_put_is_there_and_any_program_reads_it(cache: SoundCache) -> None:
    stored = cache.put("ab01", SECOND)
    assert stored.ms == 1000
    assert cache.get("ab01") == stored
    samples, rate = read_wav(stored.path)
    assert (rate, samples.tolist()) == (8000, SECOND.tolist())
    with wave.open(str(stored.path)) as file:
        assert file.getparams()[:4] == (1, 2, 8000, 8000)


def test_keys_tell_everything_apart() -> None:
    units = [Unit("a", 0), Unit("b", 0), Unit("a", 1), Unit("a,", 0)]
    keys = {SoundCache.key(engine, unit) for engine in ("x", "y") for unit in units}
    assert len(keys) == 8
    assert SoundCache.key("x", Unit("a", 0)) == SoundCache.key("x", Unit("a", 0))


@pytest.mark.parametrize("harm", ["truncate", "flip", "empty", "other", "longer"])
def test_a_damaged_file_is_noticed_and_removed(cache: SoundCache, harm: str) -> None:
    path = cache.put("ab01", SECOND).path
    content = bytearray(path.read_bytes())
    if harm == "truncate":
        del content[-100:]
    elif harm == "flip":
        content[5000] ^= 1
    elif harm == "empty":
        content.clear()
    elif harm == "longer":
        content += b"\0\0"
    else:
        content[:] = b"not a wav file at all"
    path.write_bytes(content)
    assert cache.get("ab01") is None
    assert not path.exists()


def test_what_was_used_longest_ago_goes_first(cache: SoundCache, tmp_path: Path) -> None:
    keys = filled(tmp_path / "cache", 14)
    age(cache.path(keys[0]), 3600)
    assert cache.get(keys[1])  # used again just now
    assert cache.trim() == 5
    left = {key for key in keys if cache.get(key)}
    assert {keys[0], keys[1]} <= left
    assert not {*keys[2:7]} & left


def test_what_is_needed_stays_and_what_was_just_used_too(cache: SoundCache, tmp_path: Path) -> None:
    keys = filled(tmp_path / "cache", 20)
    cache.pin(keys[:8])
    for key in keys[8:12]:
        cache.get(key)
    assert cache.trim() == 8
    assert all(cache.get(key) for key in keys[:12])


PINNER = """
import sys, time
from pathlib import Path
from ivr.prompts.cache import SoundCache
cache = SoundCache(Path(sys.argv[1]))
cache.pin(sys.argv[2:])
print("pinned", flush=True)
time.sleep(600)
"""


def test_another_process_needs_are_kept_until_it_ends(cache: SoundCache, tmp_path: Path) -> None:
    keys = filled(tmp_path / "cache", 20)
    command = [sys.executable, "-c", PINNER, str(tmp_path / "cache"), *keys]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout
        try:
            assert other.stdout.readline() == b"pinned\n"
            assert cache.trim() == 0
        finally:
            other.send_signal(signal.SIGKILL)
    assert cache.trim() == 11
    assert not list((tmp_path / "cache" / "pins").iterdir())


WRITER = """
import sys
from pathlib import Path
import numpy as np
from ivr.prompts.cache import SoundCache
cache = SoundCache(Path(sys.argv[1]), limit=10**12)
samples = np.random.default_rng(1).integers(-9999, 9999, 100_000).astype(np.int16)
print("writing", flush=True)
for number in range(10**6):
    cache.put(f"{number % 10:02}aa", np.roll(samples, number))
"""


def test_a_writer_that_is_killed_leaves_no_half_file(cache: SoundCache, tmp_path: Path) -> None:
    for _ in range(2):
        command = [sys.executable, "-c", WRITER, str(tmp_path / "cache")]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout
            assert writer.stdout.readline() == b"writing\n"
            while not any((tmp_path / "cache").glob("sounds/*/*.wav")):
                time.sleep(0.01)
            time.sleep(0.05)
            writer.send_signal(signal.SIGKILL)
        files = list((tmp_path / "cache").glob("sounds/*/*.wav"))
        assert files
        assert all(check_sound(path) == 12_500 for path in files)


def test_what_a_killed_writer_left_is_swept(cache: SoundCache, tmp_path: Path) -> None:
    cache.put("ab01", SECOND)
    left = tmp_path / "cache" / "sounds" / "ab" / "ab02.1234.part"
    secret = cache.private("0" * 32, SECOND).path
    left.write_bytes(b"half")
    cache.trim()
    assert left.exists()  # its writer may be at it still
    age(left, 7200)
    age(secret, 7200)
    assert cache.trim() == 2
    assert not left.exists()
    assert not secret.exists()


def test_the_bound_holds_by_itself(tmp_path: Path) -> None:
    cache = SoundCache(tmp_path / "cache", limit=20 * 16_056)
    for number in range(100):
        age(cache.put(f"{number:02}aa", SECOND).path, 7200 - number)
    size = sum(path.stat().st_size for path in tmp_path.glob("cache/sounds/*/*.wav"))
    assert size <= 21 * 16_056


def test_two_writers_of_one_sound_do_not_disturb_each_other(tmp_path: Path) -> None:
    one, two = (SoundCache(tmp_path / "cache") for _ in range(2))
    one.put("ab01", SECOND)
    two.put("ab01", SECOND)
    assert one.get("ab01") == two.get("ab01") is not None


@pytest.mark.parametrize("name", ["a&b", "a,b", "it's", "a|b", "$(x)"])
def test_a_place_asterisk_cannot_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadSetting, match="rename"):
        SoundCache(tmp_path / name)
