"""The audit's verdict on what pip-audit tells, in the forms that it tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.security.audit import AUDITED, FOUND, LOCK, NO_DATA, PROBE, one_of, verdict

GOOD = {"name": "jinja2", "version": "3.1.6", "vulns": []}
WEAK = {
    "name": "jinja2", "version": "3.1.4",
    "vulns": [{"id": "PYSEC-2024-1", "fix_versions": ["3.1.5"], "aliases": ["CVE-2024-56201"]}],
}  # fmt: skip
UNKNOWN = {"name": "yarl", "skip_reason": "Dependency not found on PyPI and could not be audited"}


@pytest.mark.parametrize(
    ("packages", "what", "says"),
    [
        ([GOOD], AUDITED, ""),
        ([GOOD, UNKNOWN], AUDITED, "yarl"),
        ([GOOD, WEAK], FOUND, "PYSEC-2024-1 (mended in 3.1.5)"),
        ([UNKNOWN, WEAK], FOUND, "3.1.4"),
        ([UNKNOWN, UNKNOWN], NO_DATA, "could not be audited"),
        ([], NO_DATA, "no package"),
    ],
)
def test_what_it_comes_to(packages: list[object], what: str, says: str) -> None:
    found, why = verdict({"dependencies": packages})
    assert found == what
    assert says in " ".join(why)


def test_one_package_of_the_lock(tmp_path: Path) -> None:
    text = one_of(LOCK, PROBE, tmp_path).read_text()
    assert text.startswith(f"{PROBE}==")
    assert text.count("==") == 1
    assert text.count("--hash=sha256:") >= 1
