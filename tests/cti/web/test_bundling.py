"""The pages' bundle: what it is made of, and that it can be made without a Node on the machine."""

from __future__ import annotations

import json
import re
import shutil
import threading
from pathlib import Path

import pytest

from cti.web import bundling
from cti.web.bundle import find_pages
from cti.web.bundling import SOURCES
from ivr.errors import CannotInstall


def test_every_library_is_pinned_by_hash_and_no_address_is_written_down() -> None:
    text = (SOURCES / "package-lock.json").read_text()
    packages = {name: info for name, info in json.loads(text)["packages"].items() if name}
    assert len(packages) > 10
    assert [name for name, info in packages.items() if "integrity" not in info] == []
    assert "://" not in text
    assert "://" not in (SOURCES / "node.lock").read_text()
    wanted = json.loads((SOURCES / "package.json").read_text())
    for version in (wanted["dependencies"] | wanted["devDependencies"]).values():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), "exactly one version, no range"


def test_the_version_follows_the_sources_and_the_lock(tmp_path: Path) -> None:
    copy = tmp_path / "pages"
    shutil.copytree(SOURCES, copy, ignore=shutil.ignore_patterns("node_modules"))
    assert bundling.version(copy) == bundling.version(SOURCES)
    (copy / "node_modules").mkdir()
    (copy / "node_modules" / "stray.js").touch()
    assert bundling.version(copy) == bundling.version(SOURCES), "what npm leaves is no source"
    (copy / "src" / "main.js").write_text("// changed")
    changed = bundling.version(copy)
    assert changed != bundling.version(SOURCES)
    (copy / "package-lock.json").write_text("{}")
    assert bundling.version(copy) != changed


async def test_without_a_registry_the_message_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "node").write_text("#!/bin/sh\necho v22.0.0\n")
    (tools / "npm").write_text("#!/bin/sh\necho npm error network ENOTFOUND >&2; exit 1\n")
    for tool in tools.iterdir():
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    with pytest.raises(CannotInstall, match=r"ENOTFOUND.*connect this machine to a registry"):
        await find_pages(tmp_path, print)
    assert not list((tmp_path / "pages").glob("*/index.html"))


@pytest.mark.browser
def test_two_first_starts_make_one_whole_bundle_that_names_its_files(tmp_path: Path) -> None:
    told: list[str] = []
    threads = [
        threading.Thread(target=bundling.bundle, args=(tmp_path, told.append)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert [line for line in told if line.startswith("making")] == [told[0]]
    made = bundling.bundle(tmp_path, told.append)
    page = (made / "index.html").read_text()
    named = re.findall(r'/static/([^"]+)', page)
    assert len(named) >= 3
    assert all((made / name).is_file() for name in named)
    assert "<style" not in page
    assert "style=" not in page
    assert not re.search(r"<script(?! type=\"module\" src=)", page), "no inline script"


@pytest.mark.browser
def test_a_machine_without_node_gets_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    told: list[str] = []
    made = bundling.bundle(tmp_path, told.append)
    assert (made / "index.html").is_file()
    assert any("no Node here" in line for line in told)
