"""Calls had again: the same flow gives the same call, an edited one tells where it parts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any

import pytest
import yaml

from cti.commands.trying import around_of, read_tests
from ivr.events import CallStarted, Entry
from ivr.flow.folder import check_folder
from ivr.lab.coverage import Coverage
from ivr.lab.proposals import proposals
from ivr.lab.replay import Replay, as_trial, replay
from ivr.lab.trial import Around, Trial, run_trial

HOME = Path(__file__).parents[3]
SHOP = HOME / "tests" / "ivr" / "flow" / "defects" / "good"


@pytest.fixture(scope="module")
def shop() -> Around:
    return around_of(check_folder(SHOP))


def edited(folder: Path, *changes: tuple[str, str]) -> Around:
    for path in SHOP.glob("*.yaml"):
        text = path.read_text("utf-8")
        for change in changes:
            text = text.replace(*change)
        (folder / path.name).write_text(text, "utf-8")
    checked = check_folder(folder)
    assert "shop" in checked.library, [str(found) for found in checked.findings]
    return around_of(checked)


async def had(around: Around, text: str) -> Sequence[Entry]:
    talked = await run_trial(Trial.model_validate(yaml.safe_load(text)), around)
    # What a journal gives back has been through JSON.
    return [Entry.from_dict(json.loads(json.dumps(e.to_dict()))) for e in talked.entries]


async def again(history: Sequence[Entry], around: Around, zone: tzinfo | None = None) -> Replay:
    started = next(e.event for e in history if isinstance(e.event, CallStarted))
    return await replay(history, around.library.get(started.flow), around, zone or UTC)


ORDER = """
name: an order
flow: shop
language: en
given:
  query.customer_by_phone: {name: Ayşe, city: İzmir}
  query.order_by_number: [not_found, {number: "1234", status: shipped, total: 10}]
talk: [{presses: 1}, {presses: "99#"}, {presses: "9999#"}, {presses: "1234#"}, {presses: 5}]
"""


async def test_the_same_flow_gives_the_same_call(shop: Around) -> None:
    made = await again(await had(shop, ORDER), shop)
    assert not made.diverges, list(made.told())
    assert made.ended == ("hangup", "hangup")
    assert not made.said
    assert not made.notes


async def test_every_call_that_can_be_proposed_replays_the_same(shop: Around) -> None:
    trials = await asyncio.to_thread(proposals, shop.library.get("shop"), shop, Coverage())
    parted = []
    for trial in trials:
        history = (await run_trial(trial, shop)).entries
        made = await again(history, shop)
        if made.diverges and not any("secret" in note for note in made.notes):
            parted.append((trial.name, list(made.told())))
    assert not parted
    assert len(trials) > 10


async def test_an_edited_flow_tells_where_it_parts(shop: Around, tmp_path: Path) -> None:
    history = await had(shop, ORDER)
    made = await again(
        history, edited(tmp_path, ("visits.ask_number >= 3", "visits.ask_number >= 1"))
    )
    assert made.diverges
    assert str(made.before[made.same]) == "shop.not_there (otherwise)"
    assert str(made.now[made.same]) == "shop.to_support (case 1)"
    told = "\n".join(made.told())
    assert "here it goes another way" in told


async def test_other_words_are_told_where_the_steps_are_the_same(
    shop: Around, tmp_path: Path
) -> None:
    history = await had(shop, ORDER)
    made = await again(history, edited(tmp_path, ("Welcome to the shop.", "Good day.")))
    assert not made.diverges
    assert made.said == [("Welcome to the shop.", "Good day.")]


@pytest.mark.parametrize(
    ("talk", "given", "note"),
    [
        ('[{presses: 4}, {presses: "4111111111111111#"}]', {"update.pay": "done"}, "secret"),
        ("[{presses: 2}, {presses: 2}]",
         {"update.open_return": "done", "http.shop.example/stock": {"body": {"left": 3}}}, ""),
        ("[{presses: 2}, {presses: 2}]", {"update.open_return": "error"}, ""),
        ("[{presses: 0}, {says: a message of some length}]", {"transfer.support": ["timeout", ""]}, ""),
        ("[{presses: 1}, {hangs up: true}]", {}, ""),
    ],
)  # fmt: skip
async def test_effects_returns_and_hang_ups_are_had_again(
    shop: Around, talk: str, given: dict[str, Any], note: str
) -> None:
    trial = yaml.safe_load(ORDER) | {"talk": yaml.safe_load(talk)}
    trial["given"] |= given
    made = await again(await had(shop, yaml.safe_dump(trial)), shop)
    if note:
        assert any(note in told for told in made.notes)
    else:
        assert not made.diverges, list(made.told())


async def test_a_call_becomes_a_test_that_passes(shop: Around) -> None:
    history = await had(shop, ORDER)
    trial = as_trial(history, "as it was")
    talked = await run_trial(trial, shop)
    assert talked.passed
    assert [e.event for e in talked.entries if "Entered" in e.kind] == [
        e.event for e in history if "Entered" in e.kind
    ]


async def test_the_shipped_tests_replay_the_same() -> None:
    around = around_of(check_folder(HOME / "scenarios"))
    for trial, _, _ in read_tests(HOME / "scenarios", None, ""):
        zone = trial.now.tzinfo if trial.now else None
        made = await again((await run_trial(trial, around)).entries, around, zone)
        if not made.notes and not any(name.startswith("switch.") for name in trial.given):
            assert not made.diverges, (trial.name, list(made.told()))
