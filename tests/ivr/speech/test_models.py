"""Models: listed, explained, tried on a wav, added from anywhere; and everything that is none."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
import wave
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web

from ivr.audio import write_wav
from ivr.errors import BadInput
from ivr.speech import models
from ivr.speech.adding import Offer, add, offer, unpack
from ivr.speech.engines import SHIPPED_MODELS, EngineChoice
from tests.ivr.speech import voices

TURKISH = SHIPPED_MODELS / "tr"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Turkish model as its publisher would pack it."""
    base = tmp_path_factory.mktemp("packed")
    shutil.copytree(TURKISH, base / "in" / "vosk-model-small-tr-0.3")
    made = shutil.make_archive(str(base / "vosk-model-small-tr-0.3"), "zip", base / "in")
    return Path(made)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_ships_is_listed_with_size_words_and_licence() -> None:
    english, turkish = models.list_models()
    assert (turkish.language, turkish.words, turkish.ships) == ("tr", 45, True)
    assert english.words == 46
    assert 1_000_000 < turkish.size < 2_000_000
    assert "espeak-ng is GPL-3.0-or-later" in turkish.licence
    assert "CC BY-SA 4.0" in english.licence


def test_each_language_is_explained() -> None:
    lines = models.explain(models.choices())
    assert lines == [
        "en: vosk with the model en that ships with Santral (a shop's words and numbers only): "
        "1.6 MB, 46 words",
        "en: behind it: pocketsphinx",
        "tr: vosk with the model tr that ships with Santral (a shop's words and numbers only): "
        "1.6 MB, 45 words",
    ]
    broken = models.explain({"de": (EngineChoice("vosk", "/nowhere"),)})
    assert broken == ["de: vosk, but /nowhere is not a folder"]


async def test_a_model_is_tried_on_a_wav(tmp_path: Path) -> None:
    path = tmp_path / "said.wav"
    write_wav(path, voices.spoken("sipariş durumu").astype(np.int16))
    heard = await models.try_wav(EngineChoice(), "tr", path, ("sipariş durumu", "iptal"))
    assert heard.final.best is not None
    assert heard.final.best.text == "sipariş durumu"
    assert heard.audio_ms > 800
    assert (await models.try_wav(EngineChoice(), "tr", path)).final.best is not None


@pytest.mark.parametrize(
    ("rate", "width", "channels", "said"),
    [
        (16000, 2, 1, "16000 samples a second, 16 bit, 1 channel"),
        (8000, 1, 1, "8 bit"),
        (8000, 2, 2, r"2 channel\(s\)"),
    ],
)
async def test_sound_that_is_not_the_telephones_is_told(
    tmp_path: Path, rate: int, width: int, channels: int, said: str
) -> None:
    path = tmp_path / "music.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(bytes(800 * width * channels))
    with pytest.raises(BadInput, match=said) as told:
        await models.try_wav(EngineChoice(), "tr", path)
    assert "sox music.wav -r 8000" in str(told.value)


@pytest.mark.parametrize("data", [b"", b"RIFF", b"ID3 a song", b"RIFF\x10\0\0\0WAVEfmt "])
async def test_what_is_no_wav_is_told(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "song.wav"
    path.write_bytes(data)
    with pytest.raises(BadInput, match="is not a PCM wav file"):
        await models.try_wav(EngineChoice(), "tr", path)
    with pytest.raises(BadInput, match="cannot be read"):
        models.read_telephone_wav(tmp_path / "gone.wav")


async def test_a_model_is_added_from_an_archive_and_used(tmp_path: Path, archive: Path) -> None:
    offered = await offer(str(archive))
    assert offered == Offer(
        str(archive), "vosk-model-small-tr-0.3", archive.stat().st_size, "Apache 2.0"
    )
    assert "licence: Apache 2.0" in str(offered)
    added = await add(str(archive), tmp_path, "tr", sha256=digest(archive).upper())
    assert (added.language, added.name) == ("tr", "vosk-model-small-tr-0.3")
    assert added.licence == "Apache 2.0"
    assert added.source == str(archive)
    chosen = models.choices(tmp_path)
    assert chosen["tr"] == (EngineChoice("vosk", str(added.folder)),)
    assert chosen["en"][0] == EngineChoice("vosk")
    assert added in models.list_models(tmp_path)
    with pytest.raises(BadInput, match="is there already"):
        await add(str(archive), tmp_path, "tr")
    assert [one.name for one in tmp_path.iterdir()] == ["tr"]


async def test_a_model_is_added_from_a_folder_for_a_new_language(tmp_path: Path) -> None:
    source = tmp_path / "my model"
    shutil.copytree(TURKISH, source)
    added = await add(str(source), tmp_path / "root", "az")
    assert models.choices(tmp_path / "root")["az"][0].model == str(added.folder)
    with pytest.raises(BadInput, match="belongs to an archive"):
        await add(str(source), tmp_path / "other", "az", sha256="0" * 64)


@pytest.fixture
async def publisher(archive: Path) -> AsyncIterator[str]:
    """A web server with the archive whole, cut off in the middle, and missing."""
    data = archive.read_bytes()

    async def whole(request: web.Request) -> web.Response:
        return web.Response(body=data)

    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(data))})
        await response.prepare(request)
        await response.write(data[: len(data) // 2])
        assert request.transport is not None
        request.transport.abort()
        return response

    app = web.Application()
    app.router.add_get("/vosk-model-small-tr-0.3.zip", whole)
    app.router.add_get("/broken.zip", broken)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_model_is_added_from_a_url(tmp_path: Path, archive: Path, publisher: str) -> None:
    url = f"{publisher}/vosk-model-small-tr-0.3.zip"
    assert (await offer(url)).size == archive.stat().st_size
    added = await add(url, tmp_path, "tr", sha256=digest(archive))
    assert added.source == url
    for bad, why in {
        f"{publisher}/gone.zip": "404",
        f"{publisher}/broken.zip": "cannot be fetched",
        "http://127.0.0.1:1/model.zip": "cannot be fetched",
        f"{publisher}/model.exe": "not the name of an archive",
    }.items():
        with pytest.raises(BadInput, match=why):
            await add(bad, tmp_path / "more", "tr")
    assert not list((tmp_path / "more").rglob("*.mdl"))


async def test_the_wrong_sum_is_refused(tmp_path: Path, archive: Path) -> None:
    with pytest.raises(BadInput, match=f"its sha256 is {digest(archive)}"):
        await add(str(archive), tmp_path, "tr", sha256="0" * 64)
    with pytest.raises(BadInput, match="64 hexadecimal digits"):
        await add(str(archive), tmp_path, "tr", sha256="abc")
    assert not list(tmp_path.rglob("*.mdl"))


async def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=r"no am/final\.mdl\. Give the folder"):
        await add(str(tmp_path / "empty"), tmp_path / "root", "tr")
    with pytest.raises(BadInput, match="neither a folder, nor an archive"):
        await add(str(tmp_path / "gone"), tmp_path / "root", "tr")
    with pytest.raises(BadInput, match="is not a language"):
        await add(str(TURKISH), tmp_path / "root", "../tr")
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(BadInput, match="holds no Vosk model"):
        await add(str(other), tmp_path / "root", "tr")


@pytest.mark.parametrize("part", ["am/final.mdl", "graph/HCLr.fst"])
async def test_a_damaged_model_is_refused_and_harms_nobody(tmp_path: Path, part: str) -> None:
    """libvosk may end the process that loads it: that is another one."""
    broken = tmp_path / "broken"
    shutil.copytree(TURKISH, broken)
    data = (broken / part).read_bytes()
    (broken / part).write_bytes(data[: len(data) // 3])
    with pytest.raises(BadInput, match="damaged or incomplete"):
        await add(str(broken), tmp_path / "root", "tr")
    assert not list((tmp_path / "root").rglob("*.mdl"))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_archive_is_refused(tmp_path: Path, archive: Path, share: float) -> None:
    for number, form in enumerate(("zip", "tar.gz")):
        whole = archive
        if form == "tar.gz":
            whole = tmp_path / "whole.tar.gz"
            with tarfile.open(whole, "w:gz") as file:
                file.add(TURKISH, "model")
        data = whole.read_bytes()
        cut = tmp_path / f"cut.{form}"
        cut.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(BadInput, match="cut off"):
            unpack(cut, tmp_path / f"out-{number}")


def zipped(path: Path, name: str, data: bytes = b"x", mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = mode << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        file.writestr(entry, data)
    return path


def tarred(path: Path, name: str, kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w") as file:
        entry = tarfile.TarInfo(name)
        entry.type = kind
        entry.linkname = "/etc/passwd"
        entry.size = 1 if kind == tarfile.REGTYPE else 0
        file.addfile(entry, io.BytesIO(b"x"))
    return path


@pytest.mark.parametrize("name", ["../out", "/etc/out", "a/../../out", "..\\out", "C:\\out"])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    for number, made in enumerate(
        (zipped(tmp_path / "a.zip", name), tarred(tmp_path / "a.tar", name))
    ):
        with pytest.raises(BadInput, match="leads out of it"):
            unpack(made, tmp_path / f"deep{number}")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(BadInput, match="no plain file"):
        unpack(tarred(tmp_path / "a.tar", "am", kind), tmp_path / "out")


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    made = zipped(tmp_path / "a.zip", "am", b"/etc/passwd", mode=0o120777)
    with pytest.raises(BadInput, match="no plain file"):
        unpack(made, tmp_path / "out")


def test_bombs_are_not_unpacked(tmp_path: Path) -> None:
    bomb = zipped(tmp_path / "bomb.zip", "zeros", bytes(5_000_000))
    with pytest.raises(BadInput, match="far more than it is"):
        unpack(bomb, tmp_path / "out")
    many = tmp_path / "many.zip"
    with zipfile.ZipFile(many, "w") as file:
        for number in range(5001):
            file.writestr(f"{number}", b"")
    with pytest.raises(BadInput, match="more than 5000 files"):
        unpack(many, tmp_path / "out2")


def test_the_same_name_twice_is_refused(tmp_path: Path) -> None:
    made = tmp_path / "twice.tar"
    with tarfile.open(made, "w") as file:
        for _ in range(2):
            entry = tarfile.TarInfo("am/final.mdl")
            entry.size = 1
            file.addfile(entry, io.BytesIO(b"x"))
    with pytest.raises(BadInput, match="damaged"):
        unpack(made, tmp_path / "out")
