"""A call at the keyboard: what is typed, what is shown, and that it is the same engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cti.commands.trying import around_of
from ivr.call import CallInfo, Utterance
from ivr.flow.folder import check_folder
from ivr.lab.console import Keyboard, at_keyboard
from ivr.lab.script import ListJournal, VirtualClock
from ivr.lab.trial import Around

SHOP = Path(__file__).parents[1] / "flow" / "defects" / "good"
ORDER = {"query.order_by_number": {"number": "1234", "status": "shipped", "total": 10},
         "query.customer_by_phone": {"name": "Ayşe", "city": "İzmir"}}  # fmt: skip


@pytest.fixture(scope="module")
def shop() -> Around:
    return around_of(check_folder(SHOP))


async def typed(
    around: Around, *lines: str, given: dict[str, Any] | None = None, **options: Any
) -> tuple[list[str], ListJournal]:
    """What is shown when these lines are typed, and the journal; then the input ends."""
    shown: list[str] = []
    left = list(lines)

    async def read(prompt: str) -> str | None:
        return left.pop(0) if left else None

    journal = await at_keyboard(
        around.library.get("shop"), around, Keyboard(read, shown.append, options.pop("speak", None)),
        CallInfo("k", caller="+905321112233"), language="en", given=given or dict(ORDER), **options,
    )  # fmt: skip
    return [line.strip() for line in shown], journal


async def test_prompts_are_printed_and_keys_and_words_typed(shop: Around) -> None:
    shown, _ = await typed(shop, "order", "1234#", "5")
    assert "Hello Ayşe" in shown
    assert "Order one two three four is shipped, ten lira" in shown
    assert shown[-1] == "-> hangup"


async def test_an_empty_line_is_silence_and_the_end_of_input_a_hang_up(shop: Around) -> None:
    shown, journal = await typed(shop, "")
    assert sum(line.startswith("For an order") for line in shown) == 2, "asked again"
    assert shown[-1] == "-> the caller hung up"
    assert journal.ended == "caller_hung_up"


async def test_a_quote_makes_digits_spoken(shop: Around) -> None:
    shown, _ = await typed(shop, '"order', "1234#", ":hangup")
    assert any("is shipped" in line for line in shown)


async def test_commands_show_what_the_caller_does_not_see(shop: Around) -> None:
    shown, _ = await typed(shop, ":asked", "1", "1234#", ":vars", ":path", ":wait 2h", ":help")
    assert any(line.startswith("words: ") and "order" in line for line in shown)
    assert "number = '1234'" in shown
    assert "shop.find" in shown
    assert "identify.keep  (found)" in shown
    assert any(line.startswith("it is 2026-11-23 12:") for line in shown)
    assert any("Ctrl-D" in line for line in shown)


async def test_a_secret_is_not_shown(shop: Around) -> None:
    shown, _ = await typed(shop, "4", "4111111111111111#", ":vars")
    assert "card = (secret)" in shown
    assert not any("4111" in line and "update.pay" not in line for line in shown)


async def test_the_way_back_from_a_queue_is_asked_for(shop: Around) -> None:
    shown, _ = await typed(shop, "0", "timeout", "a message of some length, please", "")
    assert any(line.startswith("-> queue support. How") for line in shown)
    assert "All lines are busy." in shown
    assert shown[-1] == "-> hangup"


async def test_prompts_are_spoken_where_that_is_wanted(shop: Around) -> None:
    heard: list[str] = []

    async def speak(utterance: Utterance) -> None:
        heard.append(f"{utterance.language}: {utterance.text}")

    await typed(shop, speak=speak)
    assert heard[0] == "en: Welcome to the shop."


async def test_lookups_that_are_not_given_go_to_the_database(shop: Around) -> None:
    asked = []

    class Database:
        async def find(self, query: str, parameters: Any, deadline: float) -> Any:
            asked.append((query, dict(parameters)))
            return {"number": "7", "status": "late", "total": 1}

    given = {"query.customer_by_phone": "error"}
    shown, _ = await typed(shop, "1", "7777#", given=given, lookup=Database())
    assert asked == [("order_by_number", {"number": "7777"})]
    assert any("Order seven is late" in line for line in shown)


async def test_the_clock_may_be_set(shop: Around) -> None:
    clock = VirtualClock()
    clock.passed = 12 * 3600.0
    shown, _ = await typed(shop, clock=clock)
    assert shown[0] == "We are closed now."
