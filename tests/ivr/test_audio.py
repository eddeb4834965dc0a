from __future__ import annotations

import struct
import wave
from pathlib import Path

import numpy as np
import pytest

from ivr import audio
from ivr.errors import BadInput

EVERY_SAMPLE = np.arange(-32768, 32768).astype(np.int16)


def tone(hertz: float, rate: int, seconds: float = 0.5, peak: float = 10000) -> audio.Samples:
    t = np.arange(int(rate * seconds)) / rate
    return (peak * np.sin(2 * np.pi * hertz * t)).astype(np.int16)


def test_a_wav_comes_back_as_it_was_written(tmp_path: Path) -> None:
    audio.write_wav(tmp_path / "a.wav", EVERY_SAMPLE, 16000)
    samples, rate = audio.read_wav(tmp_path / "a.wav")
    assert rate == 16000
    assert samples.dtype == np.int16
    assert np.array_equal(samples, EVERY_SAMPLE)


@pytest.mark.parametrize(
    ("width", "frame", "value"),
    [
        (1, b"\xc0", 0x4000),
        (2, b"\x34\x12", 0x1234),
        (3, b"\x99\x34\xf2", -0x0DCC),
        (4, b"\x99\x99\x34\x12", 0x1234),
    ],
)
def test_every_width_becomes_sixteen_bit(
    tmp_path: Path, width: int, frame: bytes, value: int
) -> None:
    with wave.open(str(tmp_path / "w.wav"), "wb") as file:
        file.setparams((1, width, 8000, 0, "NONE", ""))
        file.writeframes(frame * 5)
    assert audio.read_wav(tmp_path / "w.wav")[0].tolist() == [value] * 5


def test_channels_are_averaged(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "w.wav"), "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
        file.writeframes(struct.pack("<4h", 100, 300, -32768, 32767))
    assert audio.read_wav(tmp_path / "w.wav")[0].tolist() == [200, 0]


def test_a_header_that_promises_too_much_gives_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "w.wav"
    audio.write_wav(path, EVERY_SAMPLE[:100])
    raw = bytearray(path.read_bytes())
    raw[40:44] = struct.pack("<I", 0x7FFFF000)
    path.write_bytes(raw + b"\x01")
    assert np.array_equal(audio.read_wav(path)[0], EVERY_SAMPLE[:100])


@pytest.mark.parametrize("content", [b"", b"RIFF", b"\0" * 100, b"ID3 this is music"])
def test_what_is_no_wav_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.wav").write_bytes(content)
    with pytest.raises(BadInput, match=r"x\.wav"):
        audio.read_wav(tmp_path / "x.wav")


def test_resampling_keeps_the_tone_and_drops_what_would_alias() -> None:
    kept = audio.resample(tone(1000, 22050), 22050, 8000)
    assert kept.dtype == np.int16
    assert abs(len(kept) - 4000) <= 1
    spectrum = np.abs(np.fft.rfft(kept[1000:3000].astype(float)))
    assert spectrum.argmax() == 250  # 1000 Hz in bins of 4 Hz
    gone = audio.resample(tone(6000, 22050), 22050, 8000)
    assert np.abs(gone[1000:3000]).max() < 20


def test_resampling_to_the_same_rate_is_the_same_array() -> None:
    samples = tone(440, 8000)
    assert audio.resample(samples, 8000, 8000) is samples


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
class TestG711:
    def test_every_code_survives_a_round_trip(self, law: str) -> None:
        encode, decode = getattr(audio, f"{law}_encode"), getattr(audio, f"{law}_decode")
        codes = bytes(range(256))
        again = encode(decode(codes))
        wrong = [code for code in codes if again[code] != code]
        assert wrong == ([0x7F] if law == "ulaw" else [])  # mu-law has two zeros

    def test_every_sample_goes_to_the_nearest_code(self, law: str) -> None:
        encode, decode = getattr(audio, f"{law}_encode"), getattr(audio, f"{law}_decode")
        error = np.abs(decode(encode(EVERY_SAMPLE)).astype(int) - EVERY_SAMPLE)
        values = np.unique(decode(bytes(range(256)))).astype(int)
        at = np.clip(np.searchsorted(values, EVERY_SAMPLE), 1, len(values) - 1)
        nearest = np.minimum(
            np.abs(values[at] - EVERY_SAMPLE), np.abs(values[at - 1] - EVERY_SAMPLE)
        )
        assert np.array_equal(error, nearest)

    def test_decoding_is_what_python_had(self, law: str) -> None:
        audioop = pytest.importorskip("audioop", reason="gone from Python 3.13")
        theirs = getattr(audioop, f"{law}2lin")(bytes(range(256)), 2)
        assert getattr(audio, f"{law}_decode")(bytes(range(256))).tobytes() == theirs


def test_known_g711_values() -> None:
    assert audio.ulaw_decode(b"\x00\x80\xff\x7f").tolist() == [-32124, 32124, 0, 0]
    assert audio.alaw_decode(b"\xaa\x2a\xd5\x55").tolist() == [32256, -32256, 8, -8]
    assert audio.ulaw_encode(np.array([0, 32767, -32768], np.int16)) == b"\xff\x80\x00"
    assert audio.alaw_encode(np.array([0, 32767, -32768], np.int16)) == b"\xd5\xaa\x2a"


def extensible(path: Path, samples: np.ndarray, inside: int) -> None:
    """A wav file with the header that recording programs write for 24 bits or many channels."""
    sound = samples.astype("<i2").tobytes()
    plain = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 8000, 16000, 2, 16, 22, 16, 4)
    fmt = plain + struct.pack("<H", inside) + bytes.fromhex("000000001000800000aa00389b71")
    body = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt
    body += b"data" + struct.pack("<I", len(sound)) + sound
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)


def test_an_extensible_header_is_read_and_told_apart(tmp_path: Path) -> None:
    samples = np.arange(800, dtype=np.int16)
    extensible(tmp_path / "pcm.wav", samples, inside=1)
    assert audio.read_wav(tmp_path / "pcm.wav")[0].tolist() == samples.tolist()
    assert audio.wav_format(tmp_path / "pcm.wav") == audio.WavFormat(8000, 16, 1, 800, plain=False)
    audio.write_wav(tmp_path / "plain.wav", samples)
    assert audio.wav_format(tmp_path / "plain.wav") == audio.WavFormat(8000, 16, 1, 800, plain=True)
    extensible(tmp_path / "float.wav", samples, inside=3)
    with pytest.raises(BadInput, match="not a PCM wav"):
        audio.wav_format(tmp_path / "float.wav")
