from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db import models
from cti.db.models import metadata
from cti.db.store.audit import AuditStore
from cti.db.store.privacy import PrivacyStore, is_receipt_of
from cti.db.store.retention import Retention, retire
from cti.db.store.scrub import KEPT, scrub
from cti.demo_shop import CALLER, seed_shop
from cti.journal import Options, open_journal, read_call
from cti.journal.line import dumps
from ivr import events
from ivr.errors import BadInput
from ivr.events import KINDS, Entry
from tests.cti.journal.samples import EVERY_KIND, START

QUICK = Options(sync_after=0.01, drain_after=0.01)
NAME = "Ayşe Yılmaz"
OTHER = "+905551112233"
NOW = datetime.fromtimestamp(START, UTC) + timedelta(days=1)


@dataclass
class House:
    """A database with two people's calls in it, and everything else we may hold of them."""

    engine: AsyncEngine
    recordings: Path
    spool: Path

    @property
    def store(self) -> PrivacyStore:
        return PrivacyStore(self.engine, self.recordings, self.spool)

    async def dump(self) -> str:
        """Every row of every table as text."""
        text = []
        async with self.engine.connect() as connection:
            for table in metadata.sorted_tables:
                for row in await connection.execute(select(table)):
                    text.append(f"{table.name} {row._mapping!s}")
        return "\n".join(text)

    async def count(self, name: str) -> int:
        async with self.engine.connect() as connection:
            return len((await connection.execute(select(metadata.tables[name]))).all())


def story(call: str, caller: str, at: float, says: Any = None) -> list[Entry]:
    told = [
        events.CallStarted("shop", "v1", "tr", caller, "1000", "inbound", f"PJSIP/{caller}", {"from": caller}),
        events.StepEntered("shop", "main", "menu", "start"),
        events.PromptPlayed("status", "tr", f"Merhaba {NAME}", 900),
        events.Heard("speech", f"ben {NAME}", 0.8, NAME),
        events.VariableSet("order", {"customer": NAME, "phone": caller, "says": says}),
        events.EffectDone("http", "crm", f"{call}:x:1", "done", 2.0, {"name": NAME}),
        events.RecordingMade("note", 900, "silence", f"{call}.wav"),
        events.Transferred(caller, "number", "asked"),
        events.Rated("service", "1-5", 5),
        events.Failed("Odd", f"no {NAME}", "shop", "main"),
        events.CallEnded("hangup", "shop", "bye"),
    ]  # fmt: skip
    return [Entry(call, place, at + place, event) for place, event in enumerate(told, start=1)]


@pytest.fixture
async def house(engine: AsyncEngine, url: str, tmp_path: Path) -> AsyncIterator[House]:
    house = House(engine, tmp_path / "recordings", tmp_path / "spool")
    house.recordings.mkdir()
    await seed_shop(engine)
    async with open_journal(url, house.spool, QUICK) as journal:
        for call, caller, says in (
            ("hers", CALLER, None),
            ("his", OTHER, None),
            ("of her", OTHER, "0532 111 22 33".replace(" ", "")),
        ):
            (house.recordings / f"{call}.wav").write_bytes(b"RIFF")
            for entry in story(call, caller, START, says):
                journal.write(entry)
    now = datetime.now(UTC)
    async with engine.begin() as connection:
        for phone in (CALLER, OTHER):
            await connection.execute(
                insert(models.notes), {"phone": phone, "text": f"{phone} asked", "at": now}
            )
            await connection.execute(
                insert(models.survey_people), {"phone": phone, "asked_at": now, "survey": "talk"}
            )
            await connection.execute(
                insert(models.outbound_jobs),
                {
                    "key": f"k{phone[3:6]}", "event_key": "e", "event": "order.created", "campaign": "confirm",
                    "flow": "confirm", "phone": phone, "zones": [], "country": "TR", "consent": True,
                    "language": "tr", "order_number": "1", "customer": {"name": NAME, "phone": phone},
                    "facts": {"name": NAME}, "state": "done", "verdict": "call", "reasons": [NAME],
                    "decided_at": now, "details": {"said": NAME}, "event_at": now, "expires_at": now,
                    "created_at": now,
                },
            )  # fmt: skip
            await connection.execute(
                insert(models.journal_gaps),
                {
                    "id": phone[3:6], "engine": "e", "reason": "collision", "events": 1,
                    "first_at": now, "last_at": now, "detail": f"caller {phone}", "noted_at": now,
                },
            )  # fmt: skip
        await connection.execute(
            insert(models.do_not_call),
            {"phone": CALLER, "reason": "asked", "source": "caller", "added_at": now},
        )
    await AuditStore(engine).note("ayse", "call", CALLER, phone=CALLER)
    (house.spool / "refused.lines").write_text(f"1 {CALLER}\n2 {OTHER}\n")
    return house


async def test_a_forgotten_person_is_nowhere(house: House) -> None:
    assert CALLER in await house.dump()
    receipt = await house.store.forget("0532 111 22 33", "emily")
    left = (await house.dump()).replace(f"do_not_call {{'phone': '{CALLER}'", "")
    assert "5321112233" not in left
    assert "musteri1@" not in left
    his = [line for line in left.splitlines() if NAME in line]
    assert his
    assert all("his" in line or "k555" in line or OTHER in line for line in his), his
    assert sorted(path.name for path in house.recordings.iterdir()) == ["his.wav"]
    assert (house.spool / "refused.lines").read_text() == f"2 {OTHER}\n"
    assert receipt.counts["calls"] == 2
    assert receipt.counts["customers"] == 1
    assert receipt.counts["do_not_call_kept"] == 1


async def test_the_receipt_tells_whom_to_who_knows(house: House) -> None:
    receipt = await house.store.forget(CALLER, "emily")
    assert is_receipt_of(receipt, "05321112233")
    assert not is_receipt_of(receipt, OTHER)
    assert "5321112233" not in json.dumps(receipt.subject)
    assert await house.count("erasures") == 1


async def test_a_forgotten_call_still_counts(house: House) -> None:
    await house.store.forget(CALLER, "emily")
    left = await read_call(house.engine, house.spool.parent / "elsewhere", "hers")
    assert [entry.kind for entry in left] == [e.kind for e in story("hers", CALLER, START)]
    steps = [entry.event for entry in left if isinstance(entry.event, events.StepEntered)]
    assert steps == [events.StepEntered("shop", "main", "menu", "start")]
    assert await house.count("survey_answers") == 3


async def test_an_unknown_person_is_forgotten_too_and_no_number_is_refused(house: House) -> None:
    before = await house.dump()
    receipt = await house.store.forget("+905559999999", "emily")
    assert not any(receipt.counts.values())
    left = await house.dump()
    assert [
        line for line in left.splitlines() if not line.startswith("erasures")
    ] == before.splitlines()
    with pytest.raises(BadInput):
        await house.store.forget("1001", "emily")


async def test_a_person_gets_what_we_hold_and_nobody_elses(house: House) -> None:
    held = json.loads(json.dumps(await house.store.export("0532 111 22 33")))
    assert held["phone"] == CALLER
    assert [customer["name"] for customer in held["customers"]] == [NAME]
    assert "459.90" in {order["total"] for order in held["orders"]}
    assert {line["order_id"] for line in held["order_lines"]} == {o["id"] for o in held["orders"]}
    assert [call["id"] for call in held["calls"]] == ["hers"]
    assert [event["sequence"] for event in held["events"]] == list(range(1, 12))
    for kind in ("recordings", "answers", "notes", "contacts", "outbound_jobs", "do_not_call"):
        assert len(held[kind]) == 1, kind
    assert OTHER not in json.dumps(held)


async def test_each_kind_of_record_has_its_age(house: House) -> None:
    at = NOW + timedelta(days=100)
    keep = Retention(recordings=90, personal=180, events=730, audit=730)
    counts = await retire(house.engine, house.recordings, keep, at)
    assert counts == {"recordings": 3, "personal": 0, "events": 0, "audit": 0, "requests": 0}
    assert list(house.recordings.iterdir()) == []
    assert await retire(house.engine, house.recordings, keep, at) == dict.fromkeys(counts, 0)

    at = NOW + timedelta(days=200)
    counts = await retire(house.engine, house.recordings, keep, at)
    assert counts["personal"] == 3
    async with house.engine.connect() as connection:
        stored = str((await connection.execute(select(models.call_events.c.data))).all())
        lines = (await connection.execute(select(models.calls.c.caller))).all()
    assert NAME not in stored
    assert set(lines) == {("",)}
    assert await house.count("contacts") == 0

    counts = await retire(house.engine, house.recordings, keep, NOW + timedelta(days=800))
    assert counts["events"] == 33
    assert await house.count("call_events") == 0
    assert await house.count("calls") == 3, "the list of calls stays"
    assert await house.count("customers") > 1, "accounts are the shop's"


async def test_what_is_younger_or_kept_for_ever_stays(house: House) -> None:
    before = await house.dump()
    await retire(house.engine, house.recordings, Retention(), NOW)
    forever = Retention(None, None, None, None)
    await retire(house.engine, house.recordings, forever, NOW + timedelta(days=9999))
    assert await house.dump() == before


async def test_more_calls_than_one_batch(house: House, url: str) -> None:
    async with open_journal(url, house.spool, QUICK) as journal:
        for number in range(450):
            for entry in story(f"n{number}", CALLER, START)[:5]:
                journal.write(entry)
    counts = await retire(house.engine, house.recordings, Retention(), NOW + timedelta(days=200))
    assert counts["personal"] == 453
    assert (await house.store.forget(CALLER, "x")).counts["calls"] == 0


async def test_a_path_out_of_the_folder_is_left_alone(house: House) -> None:
    outside = house.recordings.parent / "precious"
    outside.write_text("x")
    async with house.engine.begin() as connection:
        await connection.execute(models.recordings.update().values(path="../precious"))
    await house.store.forget(CALLER, "emily")
    assert outside.exists()


def test_what_is_kept_of_every_kind_is_still_that_kind() -> None:
    assert set(KEPT) == set(KINDS)
    for place, event in enumerate(EVERY_KIND, start=1):
        kind = type(event).__name__
        data = json.loads(dumps({name: getattr(event, name) for name in event.__slots__}))
        left = Entry.from_dict(
            {"call": "c", "sequence": place, "at": 0.0, "kind": kind, "data": scrub(kind, data)}
        )
        assert left.kind == kind
