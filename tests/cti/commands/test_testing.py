"""`santral test`: who fails for bad luck gets another chance, who is broken does not pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from cti.commands import testing

# Passes from its n-th run on; its runs are the lines of a file.
LATE = """
from pathlib import Path
def test_late():
    runs = Path(__file__).with_name("runs")
    with runs.open("a") as file:
        file.write("run\\n")
    assert len(runs.read_text().splitlines()) >= {passes_at}
def test_fine():
    pass
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    monkeypatch.setattr(testing, "HOME", tmp_path)
    monkeypatch.setattr(testing, "PAUSE", 0.0)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return tmp_path


@pytest.mark.parametrize(("passes_at", "code", "runs"), [(3, 0, 3), (99, 1, 3)])
def test_what_fails_has_two_more_chances(home: Path, passes_at: int, code: int, runs: int) -> None:
    (home / "test_it.py").write_text(LATE.format(passes_at=passes_at))
    assert testing._with_chances() == code
    assert len((home / "runs").read_text().splitlines()) == runs


def test_many_failures_are_no_bad_luck(home: Path) -> None:
    more = "".join(f"def test_{n}(): assert False\n" for n in range(testing.MOST_AGAIN))
    (home / "test_it.py").write_text(LATE.format(passes_at=2) + more)
    assert testing._with_chances() == testing.FAILED
    assert (home / "runs").read_text().splitlines() == ["run"]


def test_what_failed_in_an_earlier_run_is_not_this_ones(home: Path) -> None:
    (home / "test_old.py").write_text("def test_old(): assert False\n")
    assert testing._with_chances() == testing.FAILED
    (home / "test_it.py").write_text(LATE.format(passes_at=2))
    assert testing._with_chances("test_it.py") == 0


def test_every_test_is_in_one_part() -> None:
    """Whatever marks a test has, exactly one part runs it."""
    marks = ("asterisk", "browser", "postgres", "compose")
    for number in range(2 ** len(marks)):
        has = {mark: bool(number >> place & 1) for place, mark in enumerate(marks)}
        parts = (testing.UNIT, testing.DIALS, testing.BROWSER, "compose")
        assert sum(bool(eval(part, {}, has)) for part in parts) == 1, has
