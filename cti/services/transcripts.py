"""What callers left on tape becomes text, after the call: in its row, and in a file beside it.

A recording that has no text yet is one whose row says so; so a restart, a crash in the middle or
an engine that was away for a day loses nothing, and what is done is not done again. Two engines
that take the same one write the same.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.models import calls, recordings
from ivr.errors import SantralError
from ivr.speech.engines import EngineChoice
from ivr.speech.transcribing import Transcript, transcribe

LOOK_EVERY: Final = 5.0  # seconds
AT_A_TIME: Final = 20
FORGOTTEN: Final = timedelta(hours=2)  # a call whose end was never told is over by then
PARTIAL: Final = "only words of a small model"
log = logging.getLogger(__name__)

Choices = Callable[[], Mapping[str, Sequence[EngineChoice]]]


class Transcripts:
    """`run` transcribes whatever is there, one after the other, until it is cancelled.

    `choices` is asked anew for each, so that a large model that was added is used from then on;
    `language` stands in for a call that had none.
    """

    def __init__(self, engine: AsyncEngine, folder: Path, choices: Choices, language: str) -> None:
        self._engine, self._folder = engine, folder.resolve()
        self._choices, self._language = choices, language

    async def run(self) -> None:
        while True:
            try:
                done = await self.once()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("recordings wait to be transcribed: %s", type(error).__name__)
                done = 0
            if not done:
                await asyncio.sleep(LOOK_EVERY)

    async def once(self) -> int:
        """Transcribe what there is now; how many were done."""
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_waiting(datetime.now(UTC)))).all()
        for row in rows:
            await self._one(row)
        return len(rows)

    async def _one(self, row: Any) -> None:
        language = row.language or self._language
        file = (self._folder / row.path).resolve()
        try:
            if not row.path or not file.is_relative_to(self._folder):
                raise SantralError("its file is not among the recordings")
            engines = self._choices().get(language, ())
            made = await transcribe(file, language, engines)
        except (SantralError, TimeoutError, ValueError) as error:
            why = str(error) or type(error).__name__
            log.warning("recording %s of call %s: no text: %s", row.name, row.call, why)
            await self._keep(row.id, "", f"failed: {why}"[:300])
            return
        # The file first: a row with a text says that it is there.
        await asyncio.to_thread(_write_beside, file, made)
        await self._keep(row.id, made.text, _told(made))

    async def _keep(self, number: int, text: str, by: str) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(
                update(recordings)
                .where(
                    recordings.c.id == number,
                    recordings.c.transcribed_by == "",
                    recordings.c.deleted_at.is_(None),
                )
                .values(transcript=text, transcribed_by=by)
            )


def _waiting(now: datetime) -> Any:
    columns = (
        recordings.c.id, recordings.c.call, recordings.c.name, recordings.c.path, calls.c.language,
    )  # fmt: skip
    over = or_(calls.c.ended_at.is_not(None), recordings.c.made_at < now - FORGOTTEN)
    return (
        select(*columns)
        .join(calls, calls.c.id == recordings.c.call)
        .where(
            recordings.c.transcribed_by == "",
            recordings.c.transcript.is_(None),
            recordings.c.deleted_at.is_(None),
            recordings.c.ended_by != "",  # the recording of a whole call
            over,
        )
        .order_by(recordings.c.made_at)
        .limit(AT_A_TIME)
    )


def _told(made: Transcript) -> str:
    return f"{made.engine}; {PARTIAL}" if made.partial else made.engine


def text_file(recording: Path) -> Path:
    """Where the text of a recording is."""
    return recording.with_suffix(".txt")


def _write_beside(recording: Path, made: Transcript) -> None:
    """Text, then by whom: whoever reads it should know how far to trust it. Whole or not at all."""
    note = f"[{_told(made)}; confidence {made.confidence:.0%}]"
    target = text_file(recording)
    draft = target.with_suffix(".txt.new")
    draft.write_text(f"{made.text or '(nothing was understood)'}\n\n{note}\n", "utf-8")
    os.replace(draft, target)
