"""`pip install .` gives the same command, with the flows and the Asterisk configuration in it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest

from cti.settings import CHECKOUT

pytestmark = pytest.mark.asterisk


async def run(*command: str, directory: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=directory,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 240)
    assert process.returncode == 0, output.decode()
    return output.decode()


async def test_the_wheel_carries_what_the_command_needs(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "installed"
    kept = shutil.ignore_patterns(".git", ".venv*", ".santral", "__pycache__", ".mypy_cache")
    await asyncio.to_thread(shutil.copytree, CHECKOUT, source, ignore=kept)
    # The libraries are those of this environment; only our own package is built and installed.
    pip = (str(Path(sys.executable).parent / "uv"), "pip", "install", "--no-deps", "--quiet")
    await run(
        str(pip[0]), "venv", "--quiet", "--python", sys.executable, str(target), directory=tmp_path
    )
    await run(*pip, "--python", str(target / "bin" / "python"), str(source), directory=tmp_path)
    packages = next(target.glob("lib/python3*/site-packages"))
    ours = next(p for p in sys.path if p.endswith("site-packages"))
    (packages / "santral-test.pth").write_text(ours + "\n")
    command = str(target / "bin" / "santral")
    assert "demo" in await run(command, "--help", directory=tmp_path)
    checked = await run(command, "check", directory=tmp_path)
    assert "nothing found" in checked
    assert str(target) in await run(
        str(target / "bin" / "python"),
        *("-c", "from cti.asterisk.instance import templates; print(templates())"),
        directory=tmp_path,
    )
