"""The systemd units: read by systemd where it is, and their commands are commands of ours."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from cti.cli import build_parser
from cti.settings import CHECKOUT, Settings

UNITS = sorted((CHECKOUT / "systemd").glob("*.service"))


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_our_own_commands_are_understood(unit: object) -> None:
    text = unit.read_text()  # type: ignore[attr-defined]
    for line in re.findall(r"^Exec\w+=/opt/santral/.venv/bin/santral (.+)$", text, re.MULTILINE):
        assert build_parser().parse_args(line.split()).run
    names = re.findall(r"SANTRAL_(\w+)=", text)
    assert {name.lower() for name in names} <= set(Settings.model_fields)


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_the_service_has_few_rights(unit: object) -> None:
    text = unit.read_text()  # type: ignore[attr-defined]
    for line in ("User=santral", "NoNewPrivileges=yes", "ProtectSystem=strict",
                 "CapabilityBoundingSet=\n", "Restart=always"):  # fmt: skip
        assert line in text, line


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_reads_it(unit: object) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    told = [line for line in done.stderr.splitlines() if "is not executable" not in line]
    assert not [line for line in told if str(unit) in line], done.stderr
