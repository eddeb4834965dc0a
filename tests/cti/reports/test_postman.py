"""Report mails, handed in at a real SMTP server: what is in them, and each only once."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from zoneinfo import ZoneInfo

import openpyxl
import pytest
import trustme
from sqlalchemy.ext.asyncio import AsyncEngine

from cti import demo_history
from cti.reports.letter import Sender
from cti.reports.mails import Mails, last_due
from cti.reports.postman import LEASE, Post, Postman
from cti.reports.rollups import Rollups
from ivr.errors import BadInput
from tests.cti.reports.receiver import Receiver, receiving

ZONE = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 10, 26, 7, 31, tzinfo=ZONE)  # the day before had twenty-five hours
SCALE = demo_history.Scale(days=2, per_day=40, zone="Europe/Berlin", agents=("ayse", "burak"))
DAILY = {
    "every": "day", "to": ["a@example.com", "b@example.com"], "reports": ["calls", "queues"],
    "language": "en",
}  # fmt: skip


def mails(**changes: object) -> Mails:
    return Mails.model_validate({"mails": {"daily": DAILY | changes}})


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


class Office:
    """A postman at a time of day that the test says."""

    def __init__(
        self, engine: AsyncEngine, receiver: Receiver, which: Mails, url: str = ""
    ) -> None:
        self.now = NOW
        sender = Sender("santral@shop.example", "https://desk.shop.example/")
        post = Post(url or receiver.url, sender)
        self.engine, self.which, self.post = engine, which, post
        self.man = self.another()

    def another(self) -> Postman:
        return Postman(self.engine, self.which, ZONE, self.post, now=lambda: self.now)

    async def states(self) -> dict[str, str]:
        return {row["recipient"]: row["state"] for row in await self.man.states()}


@pytest.fixture
async def office(sqlite_engine: AsyncEngine, receiver: Receiver) -> Office:
    return Office(sqlite_engine, receiver, mails())


def html(made: EmailMessage) -> str:
    body = made.get_body(("html",))
    assert body is not None
    return str(body.get_content())


async def test_what_is_in_it(office: Office, receiver: Receiver) -> None:
    await demo_history.write(office.engine, SCALE, date(2026, 10, 26))
    await Rollups(office.engine).rebuild()
    assert await office.man.deliver() == 2
    assert [to for to, _ in receiver.mails] == ["a@example.com", "b@example.com"]
    made = receiver.mails[0][1]
    assert made["Subject"] == "Daily report: 25 October 2026"
    assert (made["From"], made["To"]) == ("santral@shop.example", "a@example.com")
    assert made["Auto-Submitted"] == "auto-generated"
    plain = made.get_body(("plain",))
    assert plain is not None
    due = last_due("daily", office.which.mails["daily"], NOW, ZONE)
    calls, queues = await office.man.tables(due)
    assert calls.total is not None
    assert f"Offered: {calls.total.values['offered']}" in plain.get_content()
    assert "2026-10-25T02:00+02:00" in str([row.values["slot"] for row in calls.rows]) or calls.rows
    assert "demo" in html(made)
    link = "https://desk.shop.example/reports/calls?from=2026-10-25&amp;to=2026-10-25&amp;by=hour"
    assert link in html(made)
    files = {part.get_filename(): part for part in made.iter_attachments()}
    assert set(files) == {"calls-2026-10-25.xlsx", "queues-2026-10-25.xlsx"}
    book = openpyxl.load_workbook(io.BytesIO(files["queues-2026-10-25.xlsx"].get_content()))
    assert book.active is not None
    rows = list(book.active.iter_rows(values_only=True))
    assert queues.total is not None
    assert rows[-1][2] == queues.total.values["offered"] > 0
    assert len(rows) == len(queues.rows) + 2


async def test_each_once_however_often_one_looks(office: Office, receiver: Receiver) -> None:
    for _ in range(3):
        await office.man.deliver()
    await asyncio.gather(*(office.another().deliver() for _ in range(4)))
    assert len(receiver.mails) == 2
    office.now += timedelta(days=1)
    assert await office.man.deliver() == 2
    assert len({made["Message-ID"] for _, made in receiver.mails}) == 4


async def test_two_engines_at_the_same_moment_send_it_once(
    engine: AsyncEngine, receiver: Receiver
) -> None:
    office = Office(engine, receiver, mails(to=[f"p{n}@example.com" for n in range(8)]))
    sent = await asyncio.gather(*(office.another().deliver() for _ in range(3)))
    assert sum(sent) == len(receiver.mails) == 8
    assert len({to for to, _ in receiver.mails}) == 8


async def test_a_server_that_is_busy_gets_it_later_and_one_address_does_not_stop_the_other(
    office: Office, receiver: Receiver
) -> None:
    receiver.refuse_rcpt = ["450 later"]
    assert await office.man.deliver() == 1
    assert await office.states() == {"a@example.com": "waiting", "b@example.com": "sent"}
    assert await office.man.deliver() == 0
    office.now += timedelta(minutes=2)
    receiver.refuse_rcpt, receiver.refuse_data = [], ["452 disk full"]
    assert await office.man.deliver() == 0
    office.now += timedelta(minutes=6)
    assert await office.man.deliver() == 1
    assert [to for to, _ in receiver.mails] == ["b@example.com", "a@example.com"]


async def test_an_address_that_there_is_not_is_not_tried_again(
    office: Office, receiver: Receiver
) -> None:
    receiver.refuse_rcpt = ["550 no such user"]
    assert await office.man.deliver() == 1
    office.now += timedelta(hours=2)
    assert await office.man.deliver() == 0
    assert (await office.states())["a@example.com"] == "failed"
    row = next(row for row in await office.man.states() if row["recipient"] == "a@example.com")
    assert "no such user" in row["error"]


async def test_no_server_there_is_tried_again(sqlite_engine: AsyncEngine) -> None:
    office = Office(sqlite_engine, Receiver(), mails(), url="smtp://127.0.0.1:1")
    assert await office.man.deliver() == 0
    assert set((await office.states()).values()) == {"waiting"}


async def test_yesterdays_mail_does_not_come_the_day_after(
    office: Office, receiver: Receiver
) -> None:
    office.now = NOW + timedelta(hours=21)  # the engine was down all day
    assert await office.man.deliver() == 0
    assert receiver.mails == []


def worker(engine: AsyncEngine, folder: Path, url: str, at: str) -> subprocess.Popen[bytes]:
    """A real worker in a process of its own."""
    file = folder / "mails.yaml"
    file.write_text(json.dumps({"mails": {"daily": DAILY | {"at": at}}}))
    mailing = {"file": str(file), "zone": "UTC", "url": url, "sender": "santral@shop.example"}
    told = {"url": engine.url.render_as_string(hide_password=False), "mailing": mailing}
    process = subprocess.Popen(
        [sys.executable, "-m", "cti.reports.worker", "0.2"], stdin=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(told).encode() + b"\n")
    process.stdin.flush()
    return process


def a_moment_ago() -> str:
    return f"{datetime.now(UTC) - timedelta(minutes=10):%H:%M}"


@pytest.mark.parametrize("where", ["rcpt", "data"])
async def test_killed_in_the_middle_it_is_never_sent_twice(
    sqlite_engine: AsyncEngine, receiver: Receiver, tmp_path: Path, where: str
) -> None:
    """Before the message goes, another one sends it later; when it went and the server has not
    answered yet, nobody does."""
    at = a_moment_ago()
    process = worker(sqlite_engine, tmp_path, receiver.url, at)

    def kill() -> None:
        os.kill(process.pid, signal.SIGKILL)
        receiver.on_rcpt = receiver.on_data = lambda: None

    setattr(receiver, f"on_{where}", kill)
    assert await asyncio.to_thread(process.wait, 30) == -signal.SIGKILL
    office = Office(sqlite_engine, receiver, mails(at=at))
    office.man = Postman(
        sqlite_engine, office.which, ZoneInfo("UTC"), office.post,
        now=lambda: datetime.now(UTC) + LEASE + timedelta(seconds=1),
    )  # fmt: skip
    for _ in range(3):
        await office.man.deliver()
    got = [to for to, _ in receiver.mails]
    assert sorted(got) == ["a@example.com", "b@example.com"]
    states = await office.states()
    assert states["b@example.com"] == "sent"
    assert states["a@example.com"] == ("sent" if where == "rcpt" else "unknown")


async def test_a_worker_sends_by_itself_and_its_password_is_not_in_its_arguments(
    sqlite_engine: AsyncEngine, receiver: Receiver, tmp_path: Path
) -> None:
    process = worker(sqlite_engine, tmp_path, receiver.url, a_moment_ago())
    try:
        async with asyncio.timeout(30):
            while len(receiver.mails) < 2:
                await asyncio.sleep(0.05)
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert b"shop.example" not in arguments
    finally:
        assert process.stdin is not None
        process.stdin.close()
        assert await asyncio.to_thread(process.wait, 20) == 0


async def test_with_a_login_only_over_tls(
    sqlite_engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with receiving(context, login=True) as receiver:
        url = f"smtp://report%40shop@127.0.0.1:{receiver.port}"
        office = Office(sqlite_engine, receiver, mails(), url=url)
        assert await office.man.deliver() == 0  # nobody vouches for its certificate
        assert receiver.logins == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        office.now += timedelta(minutes=2)
        office.post = Post(url, Sender("santral@shop.example"), "wrong")
        office.man = office.another()
        assert await office.man.deliver() == 0
        office.now += timedelta(minutes=10)
        office.post = Post(url, Sender("santral@shop.example"), "geheim")
        office.man = office.another()
        assert await office.man.deliver() == 2
        assert set(receiver.logins) == {"report@shop"}
        assert receiver.safe == [True, True]
        assert "geheim" not in repr(office.post)


async def test_a_file_that_asks_for_what_cannot_be_answered_is_told_of(
    sqlite_engine: AsyncEngine, receiver: Receiver
) -> None:
    office = Office(sqlite_engine, receiver, mails(reports=["agents"], filters={"flow": "x"}))
    assert await office.man.deliver() == 0
    assert set((await office.states()).values()) == {"failed"}


@pytest.mark.parametrize(
    ("url", "sender"), [("mail.example.com", "a@b.c"), ("http://x", "a@b.c"), ("smtp://x", "")]
)
def test_a_wrong_server_or_sender_is_refused(url: str, sender: str) -> None:
    with pytest.raises(BadInput):
        Post(url, Sender(sender))
