"""Known weaknesses of what we depend on: every pinned version of requirements.lock, by pip-audit.

    python -m tests.security.audit

Exit 0: none is known, or the advisories cannot be had here: then it says `skipped` and why (pip-audit
itself calls a package that it could not look up no finding, and everything "no known
vulnerabilities"). Exit 1: what is known, and the version that mends it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from cti.settings import CHECKOUT

LOCK: Final = CHECKOUT / "requirements.lock"
PROBE: Final = "jinja2"  # is asked for alone first: the rest only where there are answers
TIMEOUT: Final = 300.0
AUDITED, FOUND, NO_DATA = "audited", "found", "skipped"


def audit(requirements: Path) -> Mapping[str, Any]:
    """What pip-audit says of a file of pinned requirements. `ValueError` when that is no answer."""
    done = subprocess.run(
        [
            sys.executable, "-m", "pip_audit", "--disable-pip", "--progress-spinner", "off",
            "--format", "json", "--requirement", str(requirements),
        ],
        capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )  # fmt: skip
    try:
        return dict(json.loads(done.stdout))
    except ValueError:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ValueError(said) from None


def verdict(told: Mapping[str, Any]) -> tuple[str, Sequence[str]]:
    """What it comes to, and the lines that say why. A package that nobody knows advisories of is
    told of, and is no reason to trust the rest less; when it is every one, nothing was audited."""
    packages = told.get("dependencies", [])
    unknown = [f"{one['name']}: {one['skip_reason']}" for one in packages if "skip_reason" in one]
    found = [
        f"{one['name']} {one['version']}: {weak['id']}"
        f" (mended in {', '.join(weak.get('fix_versions') or ['no version yet'])})"
        for one in packages
        for weak in one.get("vulns", ())
    ]
    if found:
        return FOUND, found
    if not packages or len(unknown) == len(packages):
        return NO_DATA, unknown[:1] or ["no package was looked at"]
    return AUDITED, unknown


def one_of(lock: Path, name: str, into: Path) -> Path:
    """A file with this one package of the lock, hashes included."""
    lines = lock.read_text("utf-8").splitlines(keepends=True)
    start = next(n for n, line in enumerate(lines) if line.startswith(f"{name}=="))
    stop = next(
        (n for n in range(start + 1, len(lines)) if not lines[n].startswith(" ")), len(lines)
    )
    path = into / "one.lock"
    path.write_text("".join(lines[start:stop]), "utf-8")
    return path


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        try:
            what, why = verdict(audit(one_of(LOCK, PROBE, Path(folder))))
            if what != NO_DATA:
                what, why = verdict(audit(LOCK))
        except (ValueError, subprocess.TimeoutExpired) as error:
            what, why = NO_DATA, [str(error)]
    print(f"dependency audit: {what}", *why, sep="\n  ")
    return 1 if what == FOUND else 0


if __name__ == "__main__":
    sys.exit(main())
