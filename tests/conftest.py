"""What every test has in common."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples every time, so that a commit is green or red whoever runs it; set
# HYPOTHESIS_PROFILE=explore to look for new ones.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, max_examples=1_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

IN_A_NETWORK_OF_THEIR_OWN = Path(__file__).parent / "browser"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser tests come last: they leave the world's network, for the rest of the process."""
    items.sort(key=lambda item: IN_A_NETWORK_OF_THEIR_OWN in item.path.parents)
