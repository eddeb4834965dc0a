"""The log: plain lines, or one JSON object a line, each with the call it is about."""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final, TextIO

CALL: Final[ContextVar[str]] = ContextVar("santral_call", default="")
"""The call that the running task serves; every line it logs carries it."""
PLAIN: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_OURS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "call"}


class WithCall(logging.Filter):
    """Puts the call into each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "call"):
            record.call = CALL.get()
        return True


class JsonLines(logging.Formatter):
    """`{"at", "level", "logger", "call", "message"}`, and whatever `extra` was given."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC)
        told: dict[str, object] = {
            "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "call": getattr(record, "call", ""),
            "message": record.getMessage(),
        }
        told.update({k: v for k, v in vars(record).items() if k not in _OURS})
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False, default=str)


class PlainLines(logging.Formatter):
    """As people read it; the call stands before the message where there is one."""

    def __init__(self) -> None:
        super().__init__(PLAIN)

    def formatMessage(self, record: logging.LogRecord) -> str:
        if call := getattr(record, "call", ""):
            record.message = f"[{call}] {record.message}"
        return super().formatMessage(record)


def set_up(level: str, form: str, stream: TextIO | None = None) -> None:
    """Send the log of this process to `stream` (standard error); `form` is plain or json."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(WithCall())
    handler.setFormatter(JsonLines() if form == "json" else PlainLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
