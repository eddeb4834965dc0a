"""Every version of a flow that was on the line: kept whole, found again, put back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from sqlalchemy.exc import SQLAlchemyError

from cti.db.store.flows import FlowStore, FlowVersion
from ivr import events
from ivr.errors import FlowRefused
from ivr.events import Entry
from ivr.flow.loader import Library, builtin_prompts, model_of
from ivr.flow.model import Flow, Prompt
from ivr.flow.reader import read_text

_PROMPTS: Final = TypeAdapter(dict[str, Prompt])
LONGEST_KEEP: Final = 2.0  # seconds
LONGEST_NEED: Final = 2.0  # seconds; a caller waits
log = logging.getLogger(__name__)


class Versions:
    """Keeps versions beside the library of the flows on the line."""

    def __init__(self, store: FlowStore, library: Library) -> None:
        self._store, self._library = store, library

    async def keep(self, flow: Flow, file: Path) -> bool:
        """Keep a version with the text it was made of; False when it could not be kept now."""
        try:
            text, author = await asyncio.to_thread(_read, file)
            prompts = said_of_others(flow)
            if _built(flow.name, text, prompts).version != flow.version:
                return False  # saved again in the meantime
            async with asyncio.timeout(LONGEST_KEEP):
                await self._store.keep(
                    flow.name, flow.version, text, author=author, prompts=prompts
                )
        except (OSError, FlowRefused, SQLAlchemyError, TimeoutError) as error:
            log.error("version %s of %s is not kept yet: %r", flow.version, flow.name, error)
            return False
        return True

    async def last(self, name: str) -> Flow | None:
        """The version of a flow that was on the line last, when its file cannot be used now."""
        return await self._read_kept(name, self._store.latest(name))

    async def find(self, name: str, version: str) -> Flow | None:
        """A version that was on the line some time; None when there is none, or it cannot be read
        any more."""
        found = await self._store.get(name, version)
        return _flow(found) if found else None

    async def need(self, history: Sequence[Entry]) -> None:
        """Have every version at hand that a conversation was in; one that is lost is logged."""
        for name, version in dict.fromkeys(_versions_in(history)):
            try:
                self._library.get(name, version)
            except KeyError:
                flow = await self._read_kept(name, self._store.get(name, version))
                if flow is None:
                    log.error("version %s of %s is needed, and lost", version, name)
                else:
                    self._library.keep(flow)

    async def _read_kept(self, name: str, asked: Awaitable[FlowVersion | None]) -> Flow | None:
        try:
            async with asyncio.timeout(LONGEST_NEED):
                found = await asked
        except (OSError, SQLAlchemyError, TimeoutError) as error:
            log.error("the versions of %s cannot be read: %s", name, type(error).__name__)
            return None
        return _flow(found) if found else None


def said_of_others(flow: Flow) -> dict[str, Any]:
    """The shared prompts that a flow says, which its own text does not hold."""
    builtin = builtin_prompts()
    return {
        name: flow.shared[name].model_dump(mode="json")
        for name in sorted({*flow.used_prompts()})
        if name not in flow.prompts and name in flow.shared
        if flow.shared[name] != builtin.get(name)
    }


def _read(file: Path) -> tuple[str, str]:
    text = file.read_bytes().decode("utf-8-sig")
    try:
        return text, file.owner()
    except KeyError:
        return text, str(file.stat().st_uid)


def _built(name: str, text: str, prompts: Any) -> Flow:
    return model_of(read_text(text, f"{name}.yaml"), _PROMPTS.validate_python(prompts))


def _flow(kept: FlowVersion) -> Flow | None:
    """The flow of a kept version; None when this engine cannot read it any more."""
    try:
        flow = _built(kept.name, kept.source, kept.prompts)
    except (FlowRefused, ValidationError) as error:
        log.error("version %s of %s cannot be read: %s", kept.version, kept.name, error)
        return None
    if flow.version != kept.version:
        log.warning("version %s of %s reads as %s now", kept.version, kept.name, flow.version)
        flow = flow.model_copy(update={"version": kept.version})
    return flow


def _versions_in(history: Sequence[Entry]) -> Sequence[tuple[str, str]]:
    found = []
    for entry in history:
        match entry.event:
            case events.CallStarted(flow=name, version=version):
                found.append((name, version))
            case events.StepEntered(flow=name, version=version) if version:
                found.append((name, version))
    return found
