"""Who is asked to take part in a survey: decided in one transaction, so that no two calls of a
person, on whatever engines, are both asked."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cti.db.engine import BEGIN
from cti.db.models import survey_invitations, survey_people
from cti.phone import e164
from ivr.errors import BadInput, ServiceFailed

ASKED, NOT_CHOSEN, LATELY, UNKNOWN = "asked", "not_chosen", "lately", "unknown"
OPEN: Final = ""  # within the transaction only
DICE: Final = random.SystemRandom()


class SurveyStore:
    """`ivr.services.Surveys`. `draw` gives a number from 0 to below 1."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        draw: Callable[[], float] = DICE.random,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine.execution_options(**{BEGIN: "IMMEDIATE"})
        self._insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert
        self._draw, self._now = draw, now

    async def invite(
        self, survey: str, call: str, phone: str, key: str, percent: float, every: float
    ) -> str:
        """`asked`; or why not: `not_chosen` by the draw, asked `lately`, `unknown` who it is.

        The same `key` gets the same answer again. `every` is in seconds. `ServiceFailed` when the
        database does not answer.
        """
        try:
            number = e164(phone)
        except BadInput:
            number = ""
        try:
            async with self._engine.begin() as connection:
                return await self._decide(connection, survey, call, number, key, percent, every)
        except (SQLAlchemyError, OSError) as error:
            raise ServiceFailed(f"the survey: {type(error).__name__}") from None

    async def _decide(
        self,
        connection: AsyncConnection,
        survey: str,
        call: str,
        number: str,
        key: str,
        percent: float,
        every: float,
    ) -> str:
        i, now = survey_invitations.c, self._now()
        row = {"key": key, "survey": survey, "call": call, "at": now, "verdict": OPEN}
        claim = self._insert(survey_invitations).values(row).on_conflict_do_nothing()
        if not (await connection.execute(claim)).rowcount:
            before = select(i.verdict).where(i.key == key)
            return str((await connection.execute(before)).scalar_one())
        if not number:
            verdict = UNKNOWN
        elif self._draw() * 100 >= percent:
            verdict = NOT_CHOSEN
        else:
            since = now - timedelta(seconds=every)
            asking = self._insert(survey_people).values(phone=number, asked_at=now, survey=survey)
            asking = asking.on_conflict_do_update(
                index_elements=["phone"],
                set_={"asked_at": now, "survey": survey},
                where=survey_people.c.asked_at <= since,
            )
            verdict = ASKED if (await connection.execute(asking)).rowcount else LATELY
        await connection.execute(
            update(survey_invitations).where(i.key == key).values(verdict=verdict)
        )
        return verdict
