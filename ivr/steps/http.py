"""`http`: ask or tell another system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ivr.errors import ServiceFailed
from ivr.expressions import Template
from ivr.steps.base import Duration, Name, Outcome, Step, Target

if TYPE_CHECKING:
    from ivr.conversation import Conversation

OK, ERROR = "ok", "error"
SAFE = frozenset({"GET", "PUT", "DELETE"})  # RFC 9110, 9.2.2: may be sent again
StatusPattern = Annotated[str, Field(pattern=r"^[1-5](\d\d|xx)$")]


class Http(Step):
    """Send a JSON request to an allowed host and keep the answer.

    Ways go by status: `on: {404: unknown, 4xx: sorry}`, else `ok` (200-299) or `error`. It is sent
    again after a failure only where that is safe: GET, PUT, DELETE, or with `idempotent: true`,
    which promises that the other side honours the Idempotency-Key header.
    """

    type: Literal["http"]
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    url: Template
    headers: Mapping[str, Template] = Field(default_factory=dict)
    body: Mapping[str, Template] | None = None
    deadline: Duration = 5.0
    retries: Annotated[int, Field(ge=0, le=5)] = 1
    idempotent: bool = False
    save: Name | None = None
    on: Mapping[StatusPattern, Target] = Field(default_factory=dict)
    ok: Target
    error: Target

    def exits(self) -> Mapping[Outcome, Target]:
        return {OK: self.ok, ERROR: self.error} | dict(self.on)

    def sets(self) -> Mapping[str, frozenset[Outcome] | None]:
        return {self.save: frozenset({OK})} if self.save else {}

    def takes_seconds(self) -> float:
        return self.deadline

    async def run(self, talk: Conversation) -> Outcome:
        known = talk.variables
        url = self.url.text(known)
        headers = {name: template.text(known) for name, template in self.headers.items()}
        body = talk.values(self.body) if self.body is not None else None

        async def send(key: str) -> tuple[Outcome, Any]:
            work = self._tries(talk, url, body, {**headers, "Idempotency-Key": key})
            answer = await talk.while_holding(work, self.deadline)
            return self._outcome(answer.status), answer.body

        try:
            outcome, answer = await talk.once("http", self.url.source, send)
        except (ServiceFailed, TimeoutError):
            return ERROR
        if outcome == OK and self.save:
            talk.set(self.save, answer)
        return outcome

    async def _tries(
        self, talk: Conversation, url: str, body: Any, headers: Mapping[str, str]
    ) -> Any:
        again = self.retries if self.method in SAFE or self.idempotent else 0
        each = self.deadline / (again + 1)
        while True:
            try:
                answer = await talk.services.http.send(self.method, url, body, headers, each)
                if answer.status < 500 or not again:
                    return answer
            except ServiceFailed:
                if not again:
                    raise
            again -= 1

    def _outcome(self, status: int) -> Outcome:
        for pattern in (str(status), f"{status // 100}xx"):
            if pattern in self.on:
                return pattern
        return OK if 200 <= status < 300 else ERROR
