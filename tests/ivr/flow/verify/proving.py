"""A folder of flows in memory's place: written, checked, its findings given back."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ivr.flow.finding import Finding
from ivr.flow.folder import Checked, check_folder


def check(flow: str, **others: str) -> Checked:
    """Check a flow (YAML text) with other files beside it, by name without suffix."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "flow.yaml").write_text(flow, "utf-8")
        for name, text in others.items():
            Path(folder, f"{name}.yaml").write_text(text, "utf-8")
        return check_folder(Path(folder))


def findings(flow: str, **others: str) -> tuple[Finding, ...]:
    return check(flow, **others).findings


def codes(flow: str, **others: str) -> list[str]:
    return [finding.code for finding in findings(flow, **others)]
