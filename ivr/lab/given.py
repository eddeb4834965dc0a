"""The world of a test: what lookups, writes, other systems and switches answer is `given`.

    call.caller: "+905321112233"      call.dialled, call.direction, call.context.NAME as well
    query.order_by_number: {…}        a row; not_found, error, never; a list answers one by one
    update.cancel_order: done         done, unchanged, error, never, or a number of rows
    http.shop.example/stock: {status: 200, body: {…}}     or error, never; the longest name wins
    notify.order_told: error          what is handed on is taken, unless it says otherwise
    survey.service: asked             or not_chosen, lately, unknown, error
    queue.support: timeout            how the caller comes back from a queue or a transfer
    switch.fire_alarm: true

Anything may take its time: `{takes: 3s, gives: …}` passes it on the virtual clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ivr.errors import LookupFailed, ServiceFailed
from ivr.lab.script import VirtualClock
from ivr.services import HttpAnswer
from ivr.steps.base import DURATION, UNITS

AREAS: Final = (
    "call", "query", "update", "http", "notify", "survey", "queue", "transfer", "switch",
)  # fmt: skip
NEVER: Final = 10**9


class Given:
    """Implements the ports of `ivr.services` from a mapping. `asked` is what the flow asked for and
    was not given; `done` is every effect, in order."""

    def __init__(self, given: Mapping[str, Any], clock: VirtualClock) -> None:
        self._given = {name: _queue(value) for name, value in given.items()}
        self._clock = clock
        self.asked: list[str] = []
        self.done: list[tuple[str, Any]] = []

    def has(self, name: str) -> bool:
        return name in self._given

    def take(self, name: str, otherwise: Any) -> Any:
        """The answer that is next for a name; the last one is given again and again."""
        answers = self._given.get(name)
        if answers is None:
            return otherwise
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def _answer(self, name: str, otherwise: Any) -> Any:
        answer = self.take(name, otherwise)
        if isinstance(answer, dict) and "takes" in answer and "gives" in answer:
            await self._clock.sleep(_seconds(answer["takes"]))
            answer = answer["gives"]
        if answer == "never":
            await self._clock.sleep(NEVER)
        return answer

    async def find(
        self, query: str, parameters: Mapping[str, Any], deadline: float
    ) -> Mapping[str, Any] | None:
        if not self.has(f"query.{query}"):
            self.asked.append(f"query.{query}")
        answer = await self._answer(f"query.{query}", None)
        if answer == "error":
            raise LookupFailed
        return answer if isinstance(answer, Mapping) else None

    async def write(
        self, name: str, parameters: Mapping[str, Any], key: str, deadline: float
    ) -> int:
        answer = await self._answer(f"update.{name}", "done")
        if answer == "error":
            raise ServiceFailed
        self.done.append((f"update.{name}", dict(parameters)))
        return {"done": 1, "unchanged": 0}.get(answer, answer if isinstance(answer, int) else 1)

    async def send(
        self, method: str, url: str, body: Any, headers: Mapping[str, str], deadline: float
    ) -> HttpAnswer:
        bare = url.partition("://")[2] or url
        names = [name for name in self._given if name.startswith("http.") and name[5:]]
        fitting = [name for name in names if bare.startswith(name[5:]) or url == name[5:]]
        name = max(fitting, key=len, default=f"http.{bare}")
        if not fitting:
            self.asked.append(name)
        answer = await self._answer(name, {"status": 200, "body": {}})
        if answer == "error":
            raise ServiceFailed
        self.done.append((f"{method} {url}", body))
        if not isinstance(answer, Mapping):
            return HttpAnswer(200, answer)
        return HttpAnswer(int(answer.get("status", 200)), answer.get("body"))

    async def notify(self, event: str, data: Mapping[str, Any], key: str) -> None:
        if await self._answer(f"notify.{event}", "done") == "error":
            raise ServiceFailed
        self.done.append((f"notify.{event}", dict(data)))

    async def invite(
        self, survey: str, call: str, phone: str, key: str, percent: float, every: float
    ) -> str:
        verdict = str(await self._answer(f"survey.{survey}", "asked" if percent else "not_chosen"))
        if verdict == "error":
            raise ServiceFailed
        return verdict

    def place(self, call: str, name: str) -> str:
        return f"recordings/{call}/{name}"

    def on(self, name: str) -> bool:
        return bool(self.take(f"switch.{name}", False))

    def comes_back(self, kind: str, target: str) -> str:
        """How the caller comes back from a place, or "" when they do not."""
        for name in (f"{kind}.{target}", f"transfer.{target}"):
            if self.has(name):
                return str(self.take(name, "") or "")
        return ""


def _queue(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) and value else [value]


def _seconds(value: Any) -> float:
    match = DURATION.fullmatch(str(value))
    return float(match[1]) * UNITS[match[2]] if match else 0.0
