"""What is unpacked on this machine really runs: the libraries of every module, two voices."""

from __future__ import annotations

import sys
import wave
from pathlib import Path

import pytest

from cti.asterisk import Espeak
from cti.asterisk.commands import run
from cti.asterisk.install import unpacked_asterisk, unpacked_espeak
from cti.asterisk.prefix import Machine
from cti.settings import Settings
from ivr.errors import CannotInstall

pytestmark = pytest.mark.asterisk


@pytest.fixture
async def espeak() -> Espeak:
    """The unpacked espeak-ng, also where the machine has one of its own."""
    try:
        return await unpacked_espeak(Settings.from_environment().state, print)
    except CannotInstall as reason:
        pytest.skip(str(reason))


def test_this_machines_apt_names_a_mirror() -> None:
    machine = Machine.detect()
    if machine.distribution != "debian" or not machine.has_apt:
        pytest.skip(f"this is {machine.distribution or 'no Debian'}")
    assert machine.sources
    assert all(":" in source.uri for source in machine.sources)


async def test_the_unpacked_asterisk_is_a_22_and_is_found_again_at_once() -> None:
    told: list[str] = []
    state = Settings.from_environment().state
    try:
        first = await unpacked_asterisk(state, print)
    except CannotInstall as reason:
        pytest.skip(str(reason))
    assert first.version[0] == 22
    assert await unpacked_asterisk(state, told.append) == first
    assert told == []
    assert (first.data / "sounds/en/beep.wav").exists()


@pytest.mark.parametrize(
    ("voice", "text"), [("tr", "Siparişiniz yola çıktı."), ("en", "Your order is on its way.")]
)
async def test_the_unpacked_espeak_speaks(
    espeak: Espeak, voice: str, text: str, tmp_path: Path
) -> None:
    spoken = {}
    for words in (text, "a"):
        file = tmp_path / "said.wav"
        done = await run((*espeak.program, "-v", voice, "-w", str(file), "--", words), timeout=20)
        assert done.code == 0, done.output
        with wave.open(str(file)) as said:
            spoken[words] = said.getnframes() / said.getframerate()
    assert spoken[text] > 1.0 > spoken["a"] > 0


async def test_the_unpacked_espeaks_library_can_be_loaded_here(espeak: Espeak) -> None:
    """Not beside a library of the machine's own: `environment` names ours first."""
    code = (
        "import ctypes, pathlib; library = ctypes.CDLL('libespeak-ng.so.1');"
        "library.espeak_Info.restype = ctypes.c_char_p; where = ctypes.c_char_p();"
        "assert library.espeak_Initialize(2, 0, None, 0) > 0;"
        "library.espeak_Info(ctypes.byref(where)); print(where.value.decode())"
    )
    done = await run((sys.executable, "-c", code), timeout=20, environment=espeak.environment)
    assert done.code == 0, done.output
    assert Path(done.output.strip()).is_relative_to(Settings.from_environment().state.resolve())
