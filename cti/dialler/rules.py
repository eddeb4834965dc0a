"""The rules as they are now: `scenarios/outbound.yaml`, read again when it was saved."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from cti.dialler.campaigns import Campaigns, load_campaigns
from ivr.errors import FlowRefused

FILE: Final = "outbound.yaml"
log = logging.getLogger(__name__)


class RuleFile:
    """`rules()` gives the campaigns; None where there is no file. What is saved with a mistake is
    told in the log, and the last good rules stay."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._read: tuple[int, int, int] | None = None
        self._campaigns: Campaigns | None = None

    def __call__(self) -> Campaigns | None:
        try:
            stat = self._path.stat()
        except OSError:
            return self._campaigns
        now = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if now != self._read:
            self._read = now
            try:
                self._campaigns = load_campaigns(self._path)
            except FlowRefused as error:
                log.error("the rules of outbound calls stay as they were: %s", error)
        return self._campaigns
