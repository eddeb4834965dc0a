"""A card number that is keyed into a `secret` question is nowhere afterwards.

Everything that the engine, Asterisk and the journal have left on disk is searched, with the logs as
talkative as they can be. An order's number that is keyed in the same call has to be found there:
otherwise the search would show nothing.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
from pathlib import Path

import pytest
from sqlalchemy import select

from cti.db.engine import open_engine
from cti.db.models import call_events
from cti.demo import Demo, demo_running
from cti.settings import HOME
from cti.softphone import Phone, tone
from ivr import events
from ivr.errors import CannotInstall
from ivr.events import Entry

pytestmark = pytest.mark.asterisk

FLOW = """
flow: pay
languages: [en]
start: ask_number
fallback: support
no_input: {tries: 2, next: bye}
no_match: {tries: 2, next: bye}
prompts:
  number: {en: "Your order."}
  card: {en: "Your card."}
  back: {en: "It is {{ card | digits }}. One if it is right."}
  told: {en: "Card {{ card | digits }} has failed."}
  note: {en: "Speak."}
steps:
  ask_number: {type: collect, prompt: number, digits: {min: 8, max: 8}, save: number, next: ask_card}
  ask_card:
    type: collect
    prompt: card
    secret: true
    digits: {min: 16, max: 16}
    confirm: {prompt: back}
    save: card
    next: derive
  derive: {type: set, values: {masked: "card {{ card }}"}, next: find}
  find:
    type: lookup
    query: order_by_number
    with: {number: "{{ card }}", phone: "{{ call.caller }}"}
    save: order
    found: bye
    not_found: confirm
    error: confirm
  confirm:
    type: update
    query: confirm_order
    with: {number: "{{ card }}", phone: "{{ call.caller }}"}
    done: told
    unchanged: told
    error: told
  told: {type: say, prompt: told, next: record}
  record: {type: record, prompt: note, limit: 5s, silence: 2s, save: message, next: bye}
  bye: {type: hangup}
"""


def found(folder: Path, text: str) -> list[str]:
    """The files under a folder with a text in them or in their name."""
    wanted = text.encode()
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if text in path.name or (path.is_file() and wanted in path.read_bytes())
    )


async def story(demo: Demo) -> list[Entry]:
    engine = open_engine(demo.settings.journal_database)
    try:
        async with asyncio.timeout(20):
            while True:
                async with engine.connect() as connection:
                    query = select(call_events).order_by(call_events.c.sequence)
                    rows = (await connection.execute(query)).mappings().all()
                entries = [Entry.from_dict(dict(row)) for row in rows]
                if entries and isinstance(entries[-1].event, events.CallEnded):
                    return entries
                await asyncio.sleep(0.1)
    finally:
        await engine.dispose()


async def test_a_card_number_is_nowhere(tmp_path: Path) -> None:
    card = "4" + "".join(secrets.choice("0123456789") for _ in range(15))
    order = "7" + "".join(secrets.choice("0123456789") for _ in range(7))
    state, home = HOME / ".santral", tmp_path / "demo"
    folder = tmp_path / "scenarios"
    folder.mkdir()
    (folder / "pay.yaml").write_text(FLOW, "utf-8")
    (folder / "lines.yaml").write_text("lines: {}\ndefault: {flow: pay}\n", "utf-8")
    shutil.copy(HOME / "scenarios" / "queries.yaml", folder)
    try:
        async with demo_running(
            state, print, home=home, scenarios=folder, drain=1.0, log_level="debug"
        ) as demo:  # fmt: skip
            await demo.asterisk.command("core set verbose 9")
            await demo.asterisk.command("core set debug 9")
            await demo.asterisk.command(
                "logger add channel everything.log debug,verbose,notice,warning,error"
            )
            account = demo.account
            async with Phone(account.name, server=demo.sip, password=account.password) as phone:
                call = await phone.dial("1")
                await call.pause(1.5)
                await call.press(f"{order}#")
                await call.pause(1.5)
                await call.press(f"{card}#")
                await call.pause(1.0)
                early = found(tmp_path, card), found(tmp_path, order)
                # The engine dies with the number in its head, and is told it once more.
                demo.engine.kill_worker()
                await demo.engine.returned(2, 60)
                await call.pause(8.0)
                await call.press(f"{card}#")
                await call.pause(1.0)
                await call.press("1")
                await call.pause(9.0)  # the card is told, and the tone of the recording
                await call.play(tone(440.0, 1.0))
                await call.until_over(60)
            entries = await story(demo)
            before = found(tmp_path, card), found(tmp_path, order)
        after = found(tmp_path, card), found(tmp_path, order)
    except CannotInstall as reason:
        pytest.skip(str(reason))
    kinds = [entry.kind for entry in entries]
    assert {"CallResumed", "LookupDone", "EffectDone", "RecordingMade"} <= {*kinds}, kinds
    assert any("santral.db" in name for name in before[1]), "the search finds what is there"
    assert any(name.endswith(".spool") for name in early[1])
    assert early[0] == before[0] == after[0] == []
    heard = [e.event for e in entries if isinstance(e.event, events.Heard) and e.event.secret]
    assert heard
    assert {one.text for one in heard} == {None}
    # Read out, the number is words: the texts of what was said with it are not kept at all.
    told = [e.event for e in entries if isinstance(e.event, events.PromptPlayed)]
    said = [one for one in told if one.prompt in {"back", "told"}]
    assert {one.prompt for one in said} == {"back", "told"}
    assert {one.text for one in said} == {None}
