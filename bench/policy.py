"""100,000 random histories: how many plans a second, and whether any breaks a rule.

    PYTHONPATH=. .venv/bin/python bench/policy.py [HISTORIES] [SEED]

The judge shares no code with the policy. The exit code is 1 when a plan is wrong.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from random import Random

from tests.cti.dialler.histories import world, wrong


def main(histories: int = 100_000, seed: int = 1) -> int:
    verdicts, mistakes, spent = Counter[str](), 0, 0.0
    for number in range(histories):
        one = world(Random(f"{seed} {number}"))
        begun = time.perf_counter()
        decision = one.plan()
        spent += time.perf_counter() - begun
        verdicts[decision.verdict] += 1
        if found := wrong(one, decision):
            mistakes += 1
            print(f"seed '{seed} {number}': {', '.join(found)}")
    print(f"{histories} histories, {mistakes} wrong; {histories / spent:.0f} plans a second")
    print(", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items())))
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
