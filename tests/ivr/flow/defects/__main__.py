"""The figures of the seeded-defect suite: `python -m tests.ivr.flow.defects`."""

from __future__ import annotations

from collections import Counter

from tests.ivr.flow.defects.test_defects import run

made: Counter[str] = Counter()
found: Counter[str] = Counter()
for defect, codes in run():
    kind, _, what = defect.what.partition(": ")
    made[kind] += 1
    found[kind] += bool(defect.codes & codes)
    if not defect.codes & codes:
        print(f"missed  {kind}: {what} (wanted {sorted(defect.codes)}, found {sorted(codes)})")
for kind, count in made.items():
    print(f"{found[kind]:4} of {count:4}  {kind.replace('_', ' ')}")
total = sum(made.values())
print(f"{sum(found.values())} of {total} found ({sum(found.values()) / total:.1%})")
