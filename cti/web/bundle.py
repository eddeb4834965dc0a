"""Finds the pages: those the wheel carries, else a bundle made from the sources and kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from cti.web import bundling
from ivr.errors import CannotInstall

CARRIED = Path(__file__).resolve().parent / "bundle"


async def find_pages(state: Path, progress: Callable[[str], None]) -> Path:
    """The folder with `index.html` and everything it names, to be served at `/static/`.

    Raises `CannotInstall`, with what to do about it, where they cannot be had.
    """
    if (CARRIED / "index.html").is_file():
        return CARRIED
    try:
        return await asyncio.to_thread(bundling.bundle, state / "pages", progress)
    except bundling.CannotBundle as reason:
        raise CannotInstall(str(reason)) from None
