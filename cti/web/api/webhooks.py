"""Webhooks: where messages go to. Some stand in the scenarios; the others are registered here."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import Field
from yarl import URL

from cti.db.store.outbox import DONE, FAILED, WAITING
from cti.services.notifier import DESK
from cti.services.outside import checked, reachable
from cti.web.api.kinds import Model
from cti.web.api.operation import Answer, NoQuery, Operation, Request
from ivr.errors import RequestRefused, ServiceFailed

TAG = "webhooks"
OVERLAP: Final = timedelta(days=1)  # how long an old secret signs beside the new one
TEST_EVENT: Final = "test"
NAME = r"^[a-zA-Z_][a-zA-Z0-9_]{0,99}$"
WebhookName = Annotated[str, Field(pattern=NAME, examples=["shop"])]


class WebhookIn(Model):
    """`events` are those it is told of, as flows and campaigns name them; none: of every one."""

    url: Annotated[
        str,
        Field(
            max_length=1000,
            pattern=r"^https?://[!-~]+$",
            examples=["https://shop.example.com/hooks/santral"],
        ),
    ]
    events: Annotated[tuple[WebhookName, ...], Field(max_length=100)] = ()


class WebhookOut(Model):
    """A webhook, and how many messages wait for it, were delivered, and were given up. `source`:
    registered over the API, written in the scenarios, or gone."""

    name: str
    source: Literal["api", "scenarios", "gone"]
    url: str
    events: tuple[str, ...]
    waiting: int
    done: int
    failed: int


class Webhooks(Model):
    items: tuple[WebhookOut, ...]


class WebhookMade(WebhookOut):
    """`secret` signs what is sent. It is told here and never again; null when it stays."""

    secret: str | None


class SecretOut(Model):
    """The new secret. For a day the old one signs, too."""

    secret: str


class SentAgain(Model):
    webhook: str
    deliveries: int


class TestSent(Model):
    """`message` is the id that the webhook is sent with."""

    webhook: str
    message: str


async def list_webhooks(request: Request[None, NoQuery]) -> Answer:
    return Answer(Webhooks(items=tuple((await _known(request)).values())))


async def put_webhook(request: Request[WebhookIn, NoQuery]) -> Answer:
    api, name = request.api, request.path["name"]
    if name == DESK or name in api.notifier.written:
        raise RequestRefused("conflict", f"{name} stands in the scenarios; take another name")
    url = request.body.url
    await _acceptable(request, url)
    secret = new_secret()
    by = request.who.login if request.who else ""
    _, new = await api.webhooks.put(name, url, request.body.events, secret, by)
    api.notifier.use_registered(await api.webhooks.for_sending())
    shown = (await _known(request))[name]
    made = WebhookMade(**shown.model_dump(), secret=secret if new else None)
    return Answer(made, 201 if new else 200)


async def renew_secret(request: Request[None, NoQuery]) -> Answer:
    api, secret = request.api, new_secret()
    if not await api.webhooks.renew(request.path["name"], secret, OVERLAP):
        raise _unknown()
    api.notifier.use_registered(await api.webhooks.for_sending())
    return Answer(SecretOut(secret=secret))


async def delete_webhook(request: Request[None, NoQuery]) -> Answer:
    api = request.api
    if not await api.webhooks.remove(request.path["name"]):
        raise _unknown()
    api.notifier.use_registered(await api.webhooks.for_sending())
    return Answer(status=204)


async def send_test(request: Request[None, NoQuery]) -> Answer:
    api, name = request.api, request.path["name"]
    shown = (await _known(request)).get(name)
    if shown is None or shown.source == "gone":
        raise _unknown()
    message = f"test:{uuid.uuid4()}"
    await api.outbox.put(message, TEST_EVENT, {"webhook": name}, [name])
    api.notifier.wake(name)
    return Answer(TestSent(webhook=name, message=message), 202)


async def replay_failed(request: Request[None, NoQuery]) -> Answer:
    name = request.path["name"]
    if name not in await _known(request):
        raise _unknown()
    count = await request.api.outbox.replay_failed(name)
    request.api.notifier.wake(name)
    return Answer(SentAgain(webhook=name, deliveries=count), 202)


def new_secret() -> str:
    """256 bits, as Standard Webhooks writes them."""
    return f"whsec_{secrets.token_urlsafe(32)}"


async def _acceptable(request: Request[WebhookIn, NoQuery], url: str) -> None:
    """`RequestRefused` for an address that nothing may be sent to, or in the open."""
    outside = request.api.outside
    try:
        await reachable(url, outside)
        secure = checked(url, outside, listed=False).scheme == "https"
    except ServiceFailed as refused:
        raise _bad_url(str(refused)) from None
    if not secure and not outside.listed_private(URL(url).host or ""):
        raise _bad_url("send over https; http is for hosts that the settings list as private")


def _bad_url(detail: str) -> RequestRefused:
    errors = [{"pointer": "/url", "detail": detail}]
    return RequestRefused("bad-value", f"/url: {detail}", errors=errors)


def _unknown() -> RequestRefused:
    return RequestRefused("not-found", "no webhook of this name was registered")


async def _known(
    request: Request[WebhookIn, NoQuery] | Request[None, NoQuery],
) -> Mapping[str, WebhookOut]:
    """Every webhook that there is, or that something was sent to, by name."""
    api = request.api
    counts = await api.outbox.counts(but=DESK)
    places = {
        **{name: ("gone", "", ()) for name, _ in counts},
        **{one.name: ("api", one.url, one.events) for one in await api.webhooks.all()},
        **{name: ("scenarios", one.url, one.events) for name, one in api.notifier.written.items()},
    }
    return {
        name: WebhookOut(
            name=name, source=source, url=url, events=events,
            waiting=counts.get((name, WAITING), 0), done=counts.get((name, DONE), 0),
            failed=counts.get((name, FAILED), 0),
        )
        for name, (source, url, events) in sorted(places.items())
    }  # fmt: skip


_NAMED = {"name": WebhookName}
OPERATIONS = (
    Operation(
        "GET", "/webhooks", "listWebhooks", "Webhooks, and how it stands with their messages",
        list_webhooks, "webhooks:read", {200: Webhooks}, tag=TAG,
    ),
    Operation(
        "PUT", "/webhooks/{name}", "putWebhook", "Register a webhook, or change it", put_webhook,
        "webhooks:write", {200: WebhookMade, 201: WebhookMade}, body=WebhookIn, places=_NAMED,
        problems=("conflict",), tag=TAG, words={200: "Changed.", 201: "Made."},
        about="Messages are signed as Standard Webhooks says (`webhook-id`, `webhook-timestamp`, "
        "`webhook-signature`). An address that leads to a private network is refused.",
    ),
    Operation(
        "DELETE", "/webhooks/{name}", "deleteWebhook", "Forget a registered webhook",
        delete_webhook, "webhooks:write", {204: None}, places=_NAMED, tag=TAG,
    ),
    Operation(
        "POST", "/webhooks/{name}/secret", "renewSecret", "Sign with a new secret", renew_secret,
        "webhooks:write", {200: SecretOut}, places=_NAMED, tag=TAG,
    ),
    Operation(
        "POST", "/webhooks/{name}/test", "testWebhook", "Send a message to try it", send_test,
        "webhooks:write", {202: TestSent}, places=_NAMED, tag=TAG,
        words={202: "It is on its way."},
    ),
    Operation(
        "POST", "/webhooks/{name}/replay", "replayFailed", "Send again what was given up",
        replay_failed, "webhooks:write", {202: SentAgain}, places=_NAMED, tag=TAG,
        words={202: "They are on their way."},
    ),
)  # fmt: skip
