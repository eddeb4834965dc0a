"""Orders over HTTP, real calls, webhooks: each scene of `santral demo --order` as it has to go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from cti.asterisk import Installation
from cti.demo_order import SCENES, OrderDemo, order_demo, play_order
from cti.settings import Settings

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def there(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[OrderDemo]:
    state = Settings.from_environment().state
    prompts = state / "demo" / "prompts"
    prompts.mkdir(parents=True, exist_ok=True)
    home: Path = tmp_path_factory.mktemp("outbound")
    async with order_demo(state, print, home=home, prompt_cache=prompts, speech_port=0) as running:
        yield running


@pytest.mark.parametrize("scene", SCENES)
async def test_an_order_goes_its_way(there: OrderDemo, scene: str) -> None:
    result = await play_order(there, scene, print)
    assert result.good, result.to_dict()
    told = [hook for hook in result.webhooks if hook["event"] == "outbound_result"]
    if scene in {"busy", "no_answer"}:
        assert result.job is not None
        assert result.job.next_at is not None
        assert not told
    else:
        (hook,) = told
        assert hook["data"]["call"] == result.attempts[0]["call"]
    if scene == "note":
        recording = told[0]["data"]["recording"]
        path = there.demo.settings.recordings / recording["path"]
        assert path.exists() or Path(recording["path"]).exists()
        assert recording["ms"] > 1000
