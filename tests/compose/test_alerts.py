"""Alert rules and the dashboard: tried with promtool, and made of metrics that the engine tells."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cti.asterisk.prefix import Recipe, unpacked
from cti.health.counts import Counts, LoopLag
from cti.health.exposition import DIALLER, exposition
from cti.health.readiness import Reason
from cti.settings import CHECKOUT, Settings
from ivr.errors import CannotInstall

FOLDER = CHECKOUT / "containers/monitoring"
PROMETHEUS = Recipe(
    name="prometheus", title="promtool", suite="", packages=("prometheus",), libraries_of={},
    version=r"[23]\.", remedy="Install prometheus.",
)  # fmt: skip
STATUS = {"calls": 0, "started": 0.0, "journal": {
    "spooled_bytes": 0, "waiting_in_memory": 0, "stored": 0, "lost": 0, "refused": 0,
    "database_away": 0.0,
}}  # fmt: skip
# For each alert, series that are ill from the tenth minute on (15 s apart).
ILL = {
    "SantralDown": {'up{job="santral"}': "1x40 0x40"},
    "SantralNotReady": {'santral_up{part="disk"}': "1x40 0x40"},
    "SantralManagerAway": {'santral_up{part="manager"}': "1x40 0x40"},
    "SantralRecogniserAway": {'santral_up{part="speech"}': "1x40 0x40"},
    "SantralDatabaseAway": {"santral_journal_database_away_seconds": "0x40 100x40"},
    "SantralSpoolGrows": {"santral_journal_spool_bytes": "0x40 2000000000x40"},
    "SantralEventsLost": {"santral_journal_lost_total": "0x40 3x40"},
    "SantralFaults": {"santral_faults_total": "0x40 0+5x40"},
    "SantralLoopLate": {
        'santral_loop_lag_seconds_bucket{le="0.1"}': "0x80",
        'santral_loop_lag_seconds_bucket{le="0.25"}': "0+60x80",
        'santral_loop_lag_seconds_bucket{le="+Inf"}': "0+60x80",
    },
    "SantralLoopFroze": {"santral_loop_frozen_total": "0x40 1x40"},
    "SantralFilesLeak": {"santral_file_descriptors": "5000x80", "santral_calls": "10x80"},
    "SantralCallersGiveUp": {
        'santral_queue_calls_total{how="answered"}': "0+1x80",
        'santral_queue_calls_total{how="abandoned"}': "0+9x80",
    },
}


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    return list(group["rules"])


def told() -> set[str]:
    """The names of every series that the engine's page has."""
    loop = asyncio.new_event_loop()

    async def page() -> bytes:
        return exposition(Counts(), LoopLag(), [Reason("loop", True, "")], STATUS)

    text = loop.run_until_complete(page()).decode()
    loop.close()
    families = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    return families | {f"{name}{end}" for name in families for end in ("_bucket", "_sum", "_count")}


def used(expression: str) -> set[str]:
    return set(re.findall(r"\bsantral_\w+", expression))


def test_alerts_are_made_of_what_the_engine_tells() -> None:
    for rule in rules():
        assert used(rule["expr"]) <= told(), rule["alert"]


def test_the_dashboard_is_made_of_what_the_engine_tells() -> None:
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(asked) > 12
    for expression in asked:
        assert used(expression), expression
        assert used(expression) <= told(), expression


def test_the_dashboard_shows_the_dialler_and_the_tasks() -> None:
    text = (FOLDER / "dashboard.json").read_text()
    counters = {f"santral_dialler_{what}_total" for what, _, _ in DIALLER}
    assert {"santral_tasks", "santral_dialler_attempts", *counters} <= used(text)


async def test_what_the_dashboard_sums_by_is_a_label_of_that_metric() -> None:
    counts = Counts()
    for what, label, _ in DIALLER:
        counts.on_dialler(what, f"some {label}")
    page = exposition(counts, LoopLag(), [Reason("loop", True, "")], STATUS).decode()
    panels = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
    for target in (target for panel in panels for target in panel["targets"]):
        for label, metric in re.findall(
            r"by \((\w+)\) \(\w+\((santral_dialler_\w+)", target["expr"]
        ):
            assert f"{metric}{{{label}=" in page, target["expr"]


@pytest.fixture(scope="module")
def promtool() -> str:
    if there := shutil.which("promtool"):
        return there
    try:
        prefix = asyncio.run(unpacked(PROMETHEUS, Settings.from_environment().state, print))
    except CannotInstall as reason:
        pytest.skip(str(reason))
    return str(prefix / "usr/bin/promtool")


@pytest.mark.compose
def test_no_alert_fires_while_all_is_well(promtool: str) -> None:
    run(promtool, "check", "rules", str(FOLDER / "alerts.yml"))
    run(promtool, "test", "rules", str(FOLDER / "alerts.test.yml"))


@pytest.mark.compose
def test_every_alert_fires_on_its_fault(promtool: str, tmp_path: Path) -> None:
    by_name = {rule["alert"]: rule for rule in rules()}
    assert set(by_name) == set(ILL)
    shutil.copy(FOLDER / "alerts.yml", tmp_path)
    for name, series in ILL.items():
        test = {
            "interval": "15s",
            "input_series": [{"series": one, "values": values} for one, values in series.items()],
            # Nobody expects it: promtool's complaint shows that it fires.
            "alert_rule_test": [{"eval_time": "19m", "alertname": name, "exp_alerts": []}],
        }
        file = tmp_path / f"{name}.yml"
        told = {"rule_files": ["alerts.yml"], "evaluation_interval": "15s", "tests": [test]}
        file.write_text(yaml.safe_dump(told))
        done = run(promtool, "test", "rules", str(file), check=False)
        assert done.returncode == 1, f"{name} does not fire"
        assert f'alertname="{name}"' in done.stdout + done.stderr


def run(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return done
