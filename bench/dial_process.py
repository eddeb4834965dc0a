"""A dialler in a process of its own, which may kill itself (SIGKILL) at a step of an attempt.

    python -m bench.dial_process < ORDERS

One line of JSON on standard input says everything (see `main`). The steps: claim (an attempt was
claimed), begin (the intent is in the database), send (Asterisk was asked), ring (it calls), answer,
over (the channel is gone), end (the end is in the database).
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import uvloop
from pydantic import SecretStr

from cti.ami import events as ami
from cti.ami.bridge import Account
from cti.db.engine import open_engine
from cti.db.store.dialling import DiallingStore
from cti.db.store.outbound import OutboundStore
from cti.dialler import following
from cti.dialler.dialler import Dialler, new_owner
from cti.dialler.lines import Lines
from cti.dialler.placing import Trunks
from cti.dialler.rules import RuleFile

STEPS: Final = ("claim", "begin", "send", "ring", "answer", "over", "end")


class Killer:
    """Ends this process without a word at the `count`-th time a step is reached."""

    def __init__(self, step: str, count: int) -> None:
        self.step, self.left, self.shares = step, count, count > 0

    def at(self, step: str) -> None:
        if step == self.step:
            self.left -= 1
            if self.left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)


class Fragile(DiallingStore):
    killer: Killer

    async def claim(self, lane: Any, now: Any, most: int, ahead: Any) -> Any:
        if self.killer.step or self.killer.shares:
            most = 2  # so that both diallers get their share of few jobs
        made = await super().claim(lane, now, most, ahead)
        for _ in made:
            self.killer.at("claim")
        return made

    async def begin(self, *arguments: Any) -> bool:
        done = await super().begin(*arguments)
        self.killer.at("begin")
        return done

    async def finish(self, *arguments: Any) -> bool:
        done = await super().finish(*arguments)
        self.killer.at("end")
        return done


class Listening(Lines):
    killer: Killer

    def on_event(self, event: ami.Event) -> None:
        if isinstance(event, ami.DialBegin):
            self.killer.at("ring")
        if isinstance(event, ami.DialEnd) and event.dial_status == "ANSWER":
            self.killer.at("answer")
        if isinstance(event, ami.Hangup) and event.channel.name.startswith("PJSIP"):
            self.killer.at("over")
        super().on_event(event)


class Quiet:
    async def notify(self, event: str, data: Any, key: str) -> None:
        """Nobody listens."""


async def _nothing(call: str) -> Sequence[Any]:
    return ()


async def dial(orders: dict[str, Any]) -> None:
    killer = Killer(orders["kill_at"], orders["kill_count"])
    following.JOURNAL = timedelta(seconds=2)  # type: ignore[misc]
    database = open_engine(orders["database"])
    store = Fragile(database, new_owner(), orders["lease"])
    store.killer = killer
    account = Account("santral", SecretStr(orders["secret"]), port=orders["port"])
    dialler = Dialler(
        store, OutboundStore(database), RuleFile(Path(orders["folder"])),
        Trunks.read("main=PJSIP/{number}@main"), account, Quiet(), _nothing,
    )  # fmt: skip
    place = dialler._place

    async def sent(*arguments: Any) -> bool:
        done = await place(*arguments)
        killer.at("send")
        return done

    dialler._place = sent  # type: ignore[method-assign]
    dialler.lines = Listening()
    dialler.lines.killer = killer
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asyncio.current_task().cancel)  # type: ignore[union-attr]
    print("ready", flush=True)
    try:
        await dialler.run()
    except asyncio.CancelledError:
        pass
    finally:
        await database.dispose()


def main() -> None:
    uvloop.run(dial(json.loads(sys.stdin.readline())))


if __name__ == "__main__":
    main()
