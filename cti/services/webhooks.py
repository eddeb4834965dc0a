"""Signed requests to a shop's own systems.

The signature is that of Standard Webhooks (standardwebhooks.com, v1): the headers `webhook-id`,
`webhook-timestamp` and `webhook-signature: v1,<base64>`, where the last is HMAC-SHA256 over
`id.timestamp.body`. The id stays the same over retries, so the other side can drop a second copy.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
from pydantic import Field, SecretStr

from cti.services.outside import Allowed, checked, told
from ivr.errors import BadSetting, ServiceFailed
from ivr.steps.base import Model, Name

DEADLINE: Final = 10.0  # seconds for one try
GONE: Final = 410
MOST_READ: Final = 4096  # bytes of an answer that is thrown away
TOLERANCE: Final = 300.0  # seconds a request may be old


class Webhook(Model):
    """`url` is told of `events`; none listed = of every event."""

    url: str = Field(pattern=r"^https?://")
    events: tuple[Name, ...] = ()

    def wants(self, event: str) -> bool:
        return not self.events or event in self.events


class RegisteredWebhook(Webhook):
    """A webhook that the shop registered over the API: signed with secrets of its own. For a while
    after a change there are two, and the signature is made with each."""

    secrets: tuple[SecretStr, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """How one try went. `over`: the other side does not want it any more."""

    done: bool
    status: int | None = None
    error: str = ""
    over: bool = False


def signature(secret: str, message: str, timestamp: int, body: bytes) -> str:
    """What `webhook-signature` has to be."""
    signed = f"{message}.{timestamp}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def is_genuine(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Whether a request was signed with our secret, not too long ago. For receivers, and tests."""
    try:
        stamp = int(headers["webhook-timestamp"])
        wanted = signature(secret, headers["webhook-id"], stamp, body)
        given = headers["webhook-signature"].split()
    except (KeyError, ValueError):
        return False
    fits = any(hmac.compare_digest(wanted.encode(), one.encode()) for one in given)
    return fits and abs(now - stamp) <= TOLERANCE


class Sender:
    """Sends messages to webhooks on a session of `open_session`."""

    def __init__(self, session: aiohttp.ClientSession, allowed: Allowed, secret: str) -> None:
        if len(secret) < 16:
            raise BadSetting("the webhook secret has 16 characters or more")
        self._session, self._allowed, self._secret = session, allowed, secret

    async def send(
        self, url: str, message: str, event: Mapping[str, Any], secrets: Sequence[str] = ()
    ) -> Told:
        """One try. Never raises; a redirect counts as a failure. `secrets`: instead of the
        installation's own."""
        body = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        stamp = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message,
            "webhook-timestamp": str(stamp),
            "webhook-signature": " ".join(
                signature(secret, message, stamp, body) for secret in secrets or (self._secret,)
            ),
        }
        try:
            address = checked(url, self._allowed, listed=False)
            async with (
                asyncio.timeout(DEADLINE),
                self._session.post(
                    address, data=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                await response.content.read(MOST_READ)
                good = 200 <= response.status < 300
                error = "" if good else f"status {response.status}"
                return Told(good, response.status, error, over=response.status == GONE)
        except TimeoutError:
            return Told(False, error="no answer in time")
        except ServiceFailed as refused:
            return Told(False, error=str(refused))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Told(False, error=told(error))


def kept_secret(path: Path) -> str:
    """The secret of this installation, made at its first use; only its owner can read it."""
    try:
        return path.read_text("utf-8").strip()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    made = secrets.token_urlsafe(32)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:  # another process made it at the same moment
        return path.read_text("utf-8").strip()
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(made + "\n")
    return made
