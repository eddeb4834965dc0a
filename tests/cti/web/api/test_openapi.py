"""The document is true: schemathesis asks what it promises, and the server answers so.

Bounded and repeatable: a fixed number of examples of each operation, the same every time.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi import checks

from cti.db.engine import open_engine
from cti.web.api.app import OPERATIONS
from cti.web.api.openapi import document
from tests.cti.web.api.serving import serving_api

schema = schemathesis.openapi.from_dict(json.loads(json.dumps(document(OPERATIONS))))
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "3"))  # of each operation
# A value may be of the right form and yet be refused with 422: a number that is no telephone.
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
    checks.ignored_auth,
]


@pytest.fixture(scope="module")
def address(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API, served from a thread of its own."""
    folder = tmp_path_factory.mktemp("api")
    database = folder / "santral.db"
    database.write_bytes(sqlite_template.read_bytes())
    ready: list[str] = []
    up, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        engine = open_engine(f"sqlite+aiosqlite:///{database}")
        async with serving_api(engine, folder / "spool") as shop:
            ready.append(shop.url)
            up.set()
            await stop.wait()
        await engine.dispose()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert up.wait(20)
    yield ready[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(20)


@schema.parametrize()
@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
def test_the_server_does_what_the_document_says(case: Any, address: str) -> None:
    headers = {"Authorization": "Bearer all"}
    case.call_and_validate(base_url=address, headers=headers, checks=CHECKS, timeout=20)


def test_the_document_is_openapi_3_1() -> None:
    made = document(OPERATIONS)
    assert made["openapi"].startswith("3.1")
    schema.validate()
    names = [one.name for one in OPERATIONS]
    assert len(names) == len(set(names))
