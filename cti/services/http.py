"""`http` steps: one JSON request to an allowed host, within a deadline and a size."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import aiohttp
from yarl import URL

from cti.services.outside import Allowed, body_of, checked, told
from ivr.errors import ServiceFailed
from ivr.events import to_json
from ivr.services import HttpAnswer

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
MOST_REDIRECTS: Final = 3


class JsonHttp:
    """`ivr.services.Http` on a session of `open_session`, which belongs to who opened it."""

    def __init__(self, session: aiohttp.ClientSession, allowed: Allowed) -> None:
        self._session, self._allowed = session, allowed

    async def send(
        self, method: str, url: str, body: Any, headers: Mapping[str, str], deadline: float
    ) -> HttpAnswer:
        """`ServiceFailed` when the host is not allowed or there is no whole answer in time.

        A GET follows redirects within the same host; what leads elsewhere is not followed.
        """
        address = checked(url, self._allowed)
        try:
            async with asyncio.timeout(deadline):
                return await self._follow(method, address, body, dict(headers))
        except TimeoutError:
            raise ServiceFailed(f"{address.host}: no answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            raise ServiceFailed(f"{address.host}: {told(error)}") from None
        except ValueError:  # a line break in a header, say
            raise ServiceFailed(f"{address.host}: the request cannot be sent") from None

    async def _follow(
        self, method: str, address: URL, body: Any, headers: dict[str, str]
    ) -> HttpAnswer:
        data = None
        if body is not None:
            data = json.dumps(to_json_plain(body), ensure_ascii=False).encode()
            headers = {"Content-Type": "application/json", **headers}
        headers.setdefault("Accept", "application/json")
        for _ in range(MOST_REDIRECTS + 1):
            async with self._session.request(
                method, address, data=data, headers=headers, allow_redirects=False
            ) as response:
                onward = response.headers.get("Location")
                if method != "GET" or response.status not in REDIRECTS or not onward:
                    return _answer(response.status, await body_of(response))
            target = address.join(URL(onward))
            if target.origin() != address.origin():
                raise ServiceFailed(f"{address.host} redirects to another host")
            address = target
        raise ServiceFailed(f"{address.host} redirects in circles")


def _answer(status: int, content: bytes) -> HttpAnswer:
    if not content.strip():
        return HttpAnswer(status)
    try:
        return HttpAnswer(status, json.loads(content, parse_float=Decimal))
    except (ValueError, RecursionError):
        if 200 <= status < 300:
            raise ServiceFailed("the answer is not JSON") from None
        return HttpAnswer(status)


def to_json_plain(value: Any) -> Any:
    """A flow's values as another system expects them: amounts and times as text."""
    plain = to_json(value)
    return _unmarked(plain)


def _unmarked(value: Any) -> Any:
    if isinstance(value, dict):
        if len(value) == 1:
            ((mark, text),) = value.items()
            if mark.startswith("$"):
                return text
        return {name: _unmarked(part) for name, part in value.items()}
    return [_unmarked(part) for part in value] if isinstance(value, list) else value
