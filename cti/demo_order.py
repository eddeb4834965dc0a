"""One scripted order against the demo: the shop tells of it over HTTP, the customer is really
called, listens and presses keys, and the shop gets a signed webhook.

What the customer heard is measured: the sound that came in is compared with the prompts' own.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from cti.accounts import Accounts, Passwords, Trail
from cti.asterisk import Progress, Trunk
from cti.db.engine import open_engine
from cti.db.store.audit import AuditStore
from cti.db.store.outbound import OPEN, Job, OutboundStore
from cti.db.store.people import PeopleStore
from cti.db.store.shop import Order, ShopStore
from cti.demo import Demo, demo_running
from cti.services.webhooks import is_genuine
from cti.settings import Settings
from cti.softphone import Call, IncomingCall, OnCall, Phone, Prompt, in_order, until
from cti.softphone.callees import Machine, answers, never_answers, refuses, says, waits
from cti.softphone.correlation import Recording
from ivr.audio import TELEPHONE_RATE, Samples, read_wav, resample
from ivr.call import Utterance
from ivr.errors import BadInput
from ivr.flow.loader import load_flow
from ivr.prompts.opening import PromptSettings, open_prompts

NAME: Final = "Ayşe Yılmaz"
TOTAL: Final = Decimal("1459.90")
LANGUAGE: Final = "tr"
TRUNK: Final = "main"
KNOWN: Final = 0.95  # a prompt is known by so much of it; then the customer presses
LONGEST: Final = 90.0
ACCEPTED: Final = 202
HEARD: Final = 0.7  # of a prompt that was said; of one that was not, at most half is found
SCENES: Final = ("confirm", "cancel", "note", "busy", "no_answer", "machine")
Tell = Callable[[str], None]


@dataclass(slots=True)
class Result:
    """What came of an order. `heard` tells of each prompt how much of it the customer heard."""

    scene: str
    order: str
    decision: Mapping[str, Any] = field(default_factory=dict)
    heard: dict[str, float] = field(default_factory=dict)
    calls: int = 0
    attempts: list[dict[str, Any]] = field(default_factory=list)
    job: Job | None = None
    status: str = ""
    webhooks: list[dict[str, Any]] = field(default_factory=list)
    forged: int = 0
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether everything went as this scene has to go."""
        wanted = EXPECTED[self.scene]
        told = [hook["data"].get("result") for hook in self.webhooks]
        outcomes = [one["outcome"] for one in self.attempts if one["outcome"]]
        heard = all(self.heard.get(name, 0.0) > HEARD for name in wanted["heard"])
        return (
            self.status == wanted["status"]
            and outcomes[:1] == [wanted["outcome"]]
            and (not wanted["result"] or wanted["result"] in told)
            and heard
            and self.calls == 1
            and not self.forged
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "scene": self.scene, "good": self.good, "order": self.order, "decision": self.decision,
            "heard": self.heard, "calls": self.calls, "attempts": self.attempts,
            "result": self.job.result if self.job else "", "status": self.status,
            "webhooks": self.webhooks, "forged": self.forged, "seconds": round(self.seconds, 2),
        }  # fmt: skip


def _expected(
    outcome: str, result: str, status: str = "awaiting", heard: Sequence[str] = ()
) -> dict[str, Any]:
    return {"outcome": outcome, "result": result, "status": status, "heard": heard}


ASKED: Final = ("who", "choice")
EXPECTED: Final[Mapping[str, dict[str, Any]]] = {
    "confirm": _expected("answered", "confirmed", "confirmed", (*ASKED, "confirmed")),
    "cancel": _expected("answered", "cancelled", "cancelled", (*ASKED, "cancelled")),
    "note": _expected("answered", "noted", heard=(*ASKED, "note_kept")),
    "busy": _expected("busy", ""),
    "no_answer": _expected("no_answer", ""),
    "machine": _expected("message_left", "message_left", heard=("message",)),
}


class Receiver:
    """The shop's own end of the webhooks: checks each signature and keeps what was genuine."""

    def __init__(self) -> None:
        self.secret = ""
        self.got: list[dict[str, Any]] = []
        self.forged = 0
        self.port = 0

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if not is_genuine(self.secret, request.headers, body, time.time()):
            self.forged += 1
            return web.Response(status=401)
        self.got.append(await request.json())
        return web.Response(status=204)

    def of(self, order: str) -> list[dict[str, Any]]:
        return [hook for hook in self.got if hook["data"].get("number") == order]

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Receiver]:
        app = web.Application()
        app.router.add_post("/hook", self.take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            await runner.cleanup()


@dataclass(slots=True)
class OrderDemo:
    """A demo with a customer on the other end of its trunk, and a shop that listens."""

    demo: Demo
    customers: Phone
    receiver: Receiver
    callees: dict[str, OnCall]
    outbound: OutboundStore
    shop: ShopStore
    token: str
    hello: Samples


@contextlib.asynccontextmanager
async def order_demo(
    state: Path, progress: Progress, *, home: Path | None = None, **changes: Any
) -> AsyncIterator[OrderDemo]:
    """Everything up: the demo, its customers' telephones, the shop's receiver."""
    home = home or state / "demo"
    receiver = Receiver()
    callees: dict[str, OnCall] = {}

    async def pick_up(call: IncomingCall) -> None:
        await callees.get(call.number, refuses(404))(call)

    async with receiver.open(), Phone(on_call=pick_up) as customers:
        folder = await asyncio.to_thread(
            demo_rules, Settings.from_environment().scenarios, home / "order-scenarios",
            receiver.port,
        )  # fmt: skip
        trunk = Trunk(TRUNK, f"sip:127.0.0.1:{customers.address[1]}")
        given = {"scenarios": folder, "http_private": "127.0.0.1", **changes}
        async with demo_running(state, progress, home=home, trunks=(trunk,), **given) as demo:
            receiver.secret = demo.settings.webhook_secret.get_secret_value() or (
                (home / "webhook-secret").read_text("utf-8").strip()
            )
            database = open_engine(demo.settings.journal_database)
            try:
                shop, outbound = ShopStore(database), OutboundStore(database)
                yield OrderDemo(
                    demo, customers, receiver, callees, outbound, shop, await shop_token(database),
                    await _hello(demo),
                )  # fmt: skip
            finally:
                await database.dispose()


def demo_rules(shipped: Path, folder: Path, port: int) -> Path:
    """The shipped scenarios with rules by which the demo calls at any hour, at once, and a webhook
    to the demo's own receiver."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(shipped, folder)
    rules = yaml.safe_load((folder / "outbound.yaml").read_text("utf-8"))
    for campaign in rules["campaigns"].values():
        campaign |= {"delay": "0s", "ring": "6s"}
        campaign["window"] |= {"weekly": {"mon-sun": "00:00-24:00"}, "holidays": False}
        campaign["caps"] = {"number_per_day": 50, "campaign_per_day": 100_000}
    (folder / "outbound.yaml").write_text(yaml.safe_dump(rules, allow_unicode=True), "utf-8")
    hook = {"webhooks": {"shop": {"url": f"http://127.0.0.1:{port}/hook"}}}
    (folder / "demo_webhooks.yaml").write_text(yaml.safe_dump(hook), "utf-8")
    return folder


async def play_order(there: OrderDemo, scene: str, tell: Tell) -> Result:
    """One order, from what the shop tells to what it is told."""
    number = f"{7000 + int(time.time() * 10) % 2_000_000}"
    phone = f"+90532{int(time.time() * 1000) % 10_000_000:07d}"
    sounds = await _sounds(there, number)
    result, begun = Result(scene, number), time.monotonic()
    calls: list[Call] = []
    script = _customer(there, scene, sounds)

    async def pick_up(call: IncomingCall) -> None:
        calls.append(call)
        tell(f"{time.monotonic() - begun:6.2f}  {phone} is called by {call.caller}")
        await script(call)

    there.callees[phone] = pick_up
    result.decision = await _post(there, number, phone)
    tell(f"{time.monotonic() - begun:6.2f}  order {number} is posted: {result.decision['decision']}"
         f" ({result.decision['why']})")  # fmt: skip
    job = await _until_done(there, result, begun, tell)
    result.calls, result.seconds = len(calls), time.monotonic() - begun
    if calls:
        for name, fraction in (await asyncio.to_thread(_heard, calls[0].heard, sounds)).items():
            result.heard[name] = fraction
            tell(f"        heard {fraction:.0%} of {name}")
    order = await there.shop.order(number)
    result.status = order.status if isinstance(order, Order) else ""
    result.job, result.webhooks = job, there.receiver.of(number)
    result.forged = there.receiver.forged
    tell(f"{result.seconds:6.2f}  order {number} is {result.status};"
         f" {len(result.webhooks)} webhooks, {result.forged} forged")  # fmt: skip
    return result


async def _post(there: OrderDemo, number: str, phone: str) -> Mapping[str, Any]:
    """As a shop's own system tells it: over HTTP, with a token. The decision with its reasons."""
    order = {
        "number": number, "total": str(TOTAL), "currency": "TRY", "categories": ["kitchen"],
        "items": [{"sku": "CZV-1", "name": "Bakır cezve", "unit_price": str(TOTAL)}],
    }  # fmt: skip
    customer = {
        "phone": phone, "name": NAME, "language": LANGUAGE, "tier": "gold", "consent": True,
    }  # fmt: skip
    event = {"id": f"demo-{number}", "event": "order.created", "customer": customer,
             "order": order}  # fmt: skip
    url = f"http://127.0.0.1:{there.demo.settings.web_port}/api/v1/orders"
    headers = {"Authorization": f"Bearer {there.token}"}
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10)) as session,
        session.post(url, json=event, headers=headers) as answer,
    ):
        body: Mapping[str, Any] = await answer.json(content_type=None)
        if answer.status != ACCEPTED:
            raise BadInput(f"the order was not taken: {answer.status} {body}")
        return body


async def _until_done(there: OrderDemo, result: Result, begun: float, tell: Tell) -> Job | None:
    """Until the job is over and told, or its first call is and the next one is planned."""
    shown = ""
    while time.monotonic() - begun < LONGEST:
        await asyncio.sleep(0.1)
        jobs = await there.outbound.of_order(result.order)
        if not jobs:
            return None
        job = jobs[0]
        attempts = await there.outbound.attempts(job.id)
        result.attempts = [
            {"call": a.id, "state": a.state, "outcome": a.outcome, "cause": a.cause,
             "due_at": a.due_at.isoformat()}
            for a in attempts
        ]  # fmt: skip
        now = ", ".join(f"{a.state} {a.outcome}".strip() for a in attempts)
        if now != shown:
            tell(f"{time.monotonic() - begun:6.2f}  attempts: {now}")
        shown = now
        if job.state != OPEN and job.told_at and _told(there, job):
            return job
        if job.state == OPEN and len(attempts) > 1:
            return job
    return None


def _told(there: OrderDemo, job: Job) -> bool:
    hooks = there.receiver.of(job.order_number or "")
    return any(hook["event"] == "outbound_result" for hook in hooks)


def _customer(there: OrderDemo, scene: str, sounds: Mapping[str, Sequence[Prompt]]) -> Any:
    """Who picks up in a scene."""
    hello = [waits(0.3), says(there.hello)]

    def hears(name: str, keys: str) -> list[Any]:
        async def act(call: Call) -> None:
            look = until.prompt(sounds[name][-1], least=KNOWN, after=max(0.0, call.clock() - 1))
            await call.wait_for(look, 40, f"prompt {name}")
            await call.press(keys)

        return [act]

    if scene == "busy":
        return refuses(486)
    if scene == "no_answer":
        return never_answers()
    if scene == "machine":
        greeting = _words(there.hello, 5)
        return Machine(greeting, after=0.5)
    ends = {"confirm": [("choice", "1")], "cancel": [("choice", "2"), ("sure", "1")]}
    steps = [*hello, *hears("who", "1")]
    if scene == "note":

        async def speak(call: Call) -> None:
            look = until.prompt(sounds["note"][-1], least=KNOWN)
            await call.wait_for(look, 40, "prompt note")
            await call.pause(1.5)  # the rest of it, and the beep
            await call.play(_words(there.hello, 3))
            await call.press("#")

        steps += [*hears("choice", "3"), speak, *hears("note_review", "3")]
    for name, keys in ends.get(scene, ()):
        steps += hears(name, keys)
    return answers(*steps, after=0.5)


def _words(word: Samples, times: int) -> Samples:
    """Somebody who goes on talking."""
    import numpy as np

    gap = np.zeros(TELEPHONE_RATE // 8, np.int16)
    return np.concatenate([part for _ in range(times) for part in (word, gap)])


def _heard(heard: Samples, sounds: Mapping[str, Sequence[Prompt]]) -> dict[str, float]:
    """How much of each prompt came in."""
    recording = Recording(heard)
    found = {}
    for name, pieces in sounds.items():
        matches = in_order(recording, pieces)
        found[name] = round(sum(m.fraction for m in matches) / len(pieces), 3)
    return {name: fraction for name, fraction in found.items() if fraction > 0.3}


async def _sounds(there: OrderDemo, number: str) -> dict[str, Sequence[Prompt]]:
    """The prompts as this customer hears them: name, number and total included."""
    files = await flow_files(there.demo, number, ("confirm_order", "order_message"))
    return {
        name: [await asyncio.to_thread(Prompt, one) for one in pieces]
        for name, pieces in files.items()
    }


async def flow_files(demo: Demo, number: str, flows: Sequence[str]) -> dict[str, tuple[Path, ...]]:
    """The files of these flows' prompts with this customer's name, number and total."""
    settings = demo.settings
    order = {"number": number, "total": TOTAL, "currency": "TRY", "customer": NAME}
    known = {"order": order, "language": LANGUAGE}
    prompts = PromptSettings(settings.prompts, settings.sounds, espeak=demo.espeak)
    made: dict[str, tuple[Path, ...]] = {}
    async with open_prompts(prompts) as library:
        for file in flows:
            flow = load_flow(settings.scenarios / f"{file}.yaml")
            for name, prompt in flow.prompts.items():
                pieces = prompt.template(LANGUAGE).pieces(known)
                made[name] = tuple(
                    await library.files(Utterance(name, LANGUAGE, pieces, flow.name))
                )
    return made


async def shop_token(database: AsyncEngine) -> str:
    """A token for the shop's own system, as `santral user token create` makes one."""
    people = PeopleStore(database)
    passwords = Passwords()
    try:
        accounts = Accounts(people, Trail(AuditStore(database)), "", passwords)
        admin = next(user for user in await people.everybody() if user.role == "admin")
        _, token = await accounts.make_token(admin.id, "demo shop", ["orders:write"])
        return token
    finally:
        passwords.close()


async def _hello(demo: Demo) -> Samples:
    """A short word in a voice of their own."""
    import shlex
    import tempfile

    from ivr.prompts.process import run_program

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hello.wav"
        command = [*shlex.split(demo.espeak), "-v", "tr+f2", "-w", str(path), "--stdin"]
        await run_program(command, "Alo?", {})
        samples, rate = await asyncio.to_thread(read_wav, path)
    return resample(samples, rate, TELEPHONE_RATE)
