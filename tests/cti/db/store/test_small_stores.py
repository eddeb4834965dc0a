from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from cti.db.store.audit import AuditStore
from cti.db.store.flows import FlowStore


async def test_every_version_of_a_flow_is_kept(engine: AsyncEngine) -> None:
    store = FlowStore(engine)
    await store.keep("shop", "v1", "flow: shop # ğ")
    await store.keep("shop", "v2", "flow: shop # 2")
    await store.keep("shop", "v1", "something else")
    first = await store.get("shop", "v1")
    assert first is not None
    assert first.source == "flow: shop # ğ", "a version's text never changes"
    assert first.last_seen_at > first.first_seen_at
    assert [one.version for one in await store.versions("shop")] == ["v2", "v1"]
    assert await store.get("shop", "v3") is None
    assert await store.versions("none") == []


async def test_what_was_done_is_noted_and_found(engine: AsyncEngine) -> None:
    store = AuditStore(engine)
    await store.note("ayse", "login", address="127.0.0.1")
    await store.note("ayse", "pause", "agent 7", why="mola", minutes=5)
    await store.note("emily", "login")
    found = await store.find(actor="ayse")
    assert [one.action for one in found] == ["pause", "login"]
    assert found[0].detail == {"why": "mola", "minutes": 5}
    assert found[0].at.tzinfo is not None
    assert [one.actor for one in await store.find(action="login", limit=1)] == ["emily"]
    assert await store.find(subject="nobody") == []
