from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from cti.crm import Crm, message, open_url
from cti.queues import Queues
from cti.queues.model import URL_FIELDS
from cti.screenpop import Card, Pop, PopState, Said, Story, pop, revised
from ivr.errors import ServiceFailed
from tests.cti.test_screenpop import called

QUEUES = Queues.model_validate(
    {
        "queues": {
            "support": {"crm": {"open": "https://crm.test/c?n={caller}&q={queue}", "tell": True}},
            "quiet": {},
        }
    }
)


def made(**fields: Any) -> Pop:
    story = Story("c1", caller="+905321112233", intent="a&b=c", language="tr")
    card = Card(True, {"id": 7}, "gold", ({"number": "12/34"},))
    return revised(pop(called(), story, card, 130.0), **fields)


def test_values_cannot_become_another_part_of_the_address() -> None:
    assert open_url("https://crm.test/c?n={caller}&q={queue}", made(caller="+90&x=1#/../\r\n")) == (
        "https://crm.test/c?n=%2B90%26x%3D1%23%2F..%2F%0D%0A&q=support"
    )
    every = "https://crm.test/" + "/".join(f"{{{name}}}" for name in URL_FIELDS)
    assert open_url(every, made()) == (
        "https://crm.test/c1/%2B905321112233/support/ayse/850/tr/7/a%26b%3Dc/12%2F34"
    )


def test_what_was_said_or_keyed_is_not_handed_out() -> None:
    said = (Said("pin", "keys", "987654", "987654", 1.0, 1.0),)
    assert "987654" not in repr(message(made(said=said, variables={"x": "987654"})))


class Outbox:
    def __init__(self) -> None:
        self.got: list[tuple[str, str, str]] = []
        self.broken = False

    async def notify(self, event: str, data: Mapping[str, Any], key: str) -> None:
        if self.broken:
            raise ServiceFailed
        self.got.append((event, data["state"], key))


async def test_each_state_is_told_once() -> None:
    outbox = Outbox()
    crm = Crm(lambda: QUEUES, outbox)
    ringing = made()
    for one in (
        ringing,
        revised(ringing, card=None),
        revised(ringing, state=PopState.ANSWERED),
        revised(ringing, state=PopState.OVER),
    ):
        crm.on_pop(one)
    await crm.close()
    assert [(event, state) for event, state, _ in outbox.got] == [
        ("pop", "ringing"),
        ("pop", "answered"),
        ("pop", "over"),
    ]
    assert len({key for _, _, key in outbox.got}) == 3
    assert crm.url(ringing).startswith("https://crm.test/c?n=%2B90")


async def test_a_queue_that_wants_none_has_none() -> None:
    outbox = Outbox()
    crm = Crm(lambda: QUEUES, outbox)
    crm.on_pop(made(queue="quiet"))
    crm.on_pop(made(queue="unknown"))
    await crm.close()
    assert outbox.got == []
    assert crm.url(made(queue="quiet")) == ""


async def test_a_broken_outbox_is_logged_and_harms_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outbox = Outbox()
    outbox.broken = True
    crm = Crm(lambda: QUEUES, outbox)
    crm.on_pop(made())
    await asyncio.sleep(0)
    await crm.close()
    assert "not handed on" in caplog.text
