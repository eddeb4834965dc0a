"""A speech listener that only gives signs of life: `python tests/fakes/speech_listener.py`."""

from __future__ import annotations

import json
import select
import sys

sys.stdin.readline()
while True:
    line = {"ready": True, "port": 9, "workers": 1, "calls": 0, "languages": {"tr": "fake"}}
    print(json.dumps(line), flush=True)
    if select.select([sys.stdin], [], [], 0.05)[0]:  # it ended: so do we
        break
