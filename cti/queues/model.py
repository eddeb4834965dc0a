"""`scenarios/queues.yaml` as frozen models. What is wrong in it is refused with its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from ivr.flow.finding import Finding, meant
from ivr.flow.model_file import read_model
from ivr.flow.reader import Document
from ivr.steps.base import Duration, Model, Name

MOST_QUEUES = 500
PERSONAL = "santral-agent-"
URL_FIELDS = (
    "call", "caller", "queue", "agent", "dialled", "language", "customer", "intent", "order",
)  # fmt: skip

Level = Annotated[int, Field(ge=0, le=10)]


class Announce(Model):
    """What a waiting caller is told, by recordings in their language; `every` is how often."""

    every: Duration = 45.0
    position: bool = True
    expected_wait: bool = False


class CallbackOffer(Model):
    """The key by which a waiting caller asks to be called back; the place in the queue is kept."""

    key: Annotated[str, Field(pattern="^[0-9]$")] = "1"
    remind: Duration = 60.0
    tries: Annotated[int, Field(ge=1, le=10)] = 3
    retry: Duration = 300.0


class Overflow(Model):
    """After `after` of waiting, or when the queue is full or empty, on to the queue `to`."""

    to: Name
    after: Duration = 0.0


class Relax(Model):
    """After `after`, agents whose level falls short by up to `by` are asked, too."""

    after: Duration
    by: Level


class LastAgent(Model):
    """Whom the caller spoke with last (within `within`) is tried first, for `wait`, if free."""

    within: Duration = 7 * 86400.0
    wait: Duration = 15.0


class Crm(Model):
    """`open`: a page shown with each pop, with {caller} and the like in it, each URL-encoded.

    `tell`: the webhooks that listen for `pop` are told of each pop of this queue, signed.
    """

    open: str = ""
    tell: bool = False

    @field_validator("open")
    @classmethod
    def _web_address(cls, url: str) -> str:
        if url and (urlsplit(url).scheme not in ("https", "http") or not urlsplit(url).hostname):
            raise ValueError("not a web address; begin with https://")
        try:
            fields = [field for field in Formatter().parse(url) if field[1] is not None]
        except ValueError as error:
            raise ValueError(f"the braces do not pair: {error}") from error
        for _, name, how, conversion in fields:
            if name not in URL_FIELDS or how or conversion:
                raise ValueError(f"there is no {{{name}}}{meant(str(name), URL_FIELDS)}")
        if "{" in url.split("://", 1)[-1].partition("/")[0]:
            raise ValueError("the host is fixed; use {…} in what follows it")
        return url


class Queue(Model):
    """One queue. `weight`: of two queues that ask for the same agent, the heavier gets them.

    `script` is what the desk shows its agents; `dispositions` those of the whole that fit here
    (none: all).
    """

    title: Mapping[str, str] = Field(default_factory=dict)
    strategy: Literal[
        "ring_all", "least_recent", "fewest_calls", "random", "round_robin", "linear",
        "weighted_random",
    ] = "least_recent"  # fmt: skip
    ring: Annotated[Duration, Field(gt=0, le=300)] = 20.0
    wrap_up: Annotated[Duration, Field(le=3600)] = 0.0
    service_level: Annotated[Duration, Field(gt=0)] = 20.0
    limit: Annotated[int, Field(ge=0, le=10_000)] = 0
    weight: Annotated[int, Field(ge=0, le=100)] = 0
    when_empty: Literal["wait", "leave"] = "wait"
    announce: Announce | None = None
    callback: CallbackOffer | None = None
    overflow: Overflow | None = None
    priority: Mapping[str, Annotated[int, Field(ge=0, le=100)]] = Field(default_factory=dict)
    skills: Mapping[Name, Level] = Field(default_factory=dict)
    relax: tuple[Relax, ...] = ()
    last_agent: LastAgent | None = None
    crm: Crm | None = None
    script: str = ""
    dispositions: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _relaxes_in_order(self) -> Self:
        if self.relax and not self.skills:
            raise ValueError("'relax' without 'skills': there is nothing to relax")
        steps = [(step.after, step.by) for step in self.relax]
        if any(b[0] <= a[0] or b[1] <= a[1] for a, b in pairwise(steps)):
            raise ValueError("each step of 'relax' comes later and allows more than the one before")
        if any(step.by < 1 or step.after <= 0 for step in self.relax):
            raise ValueError("a step of 'relax' needs some time after the start, and 1 or more")
        return self


Words = Annotated[Mapping[str, str], Field(min_length=1)]
"""A name by language."""


class Queues(Model):
    """Every queue, by name; `pauses` and `dispositions` are what agents choose from, with their
    names by language."""

    queues: Annotated[Mapping[Name, Queue], Field(min_length=1, max_length=MOST_QUEUES)]
    pauses: Mapping[Name, Words] = Field(default_factory=dict)
    dispositions: Mapping[Name, Words] = Field(default_factory=dict)

    def get(self, name: str) -> Queue | None:
        return self.queues.get(name)


def load_queues(path: Path) -> Queues:
    """Read the file; `FlowRefused` with every mistake in it, each with its line."""
    return read_model(path, Queues, "bad-queue", _mistakes)


def _mistakes(queues: Queues, document: Document) -> Iterator[Finding]:
    for name, queue in queues.queues.items():
        place = ("queues", name)
        if queue.overflow:
            to = queue.overflow.to
            if to not in queues.queues:
                message = f"there is no queue '{to}'{meant(to, queues.queues)}"
                yield document.finding((*place, "overflow", "to"), "no-such-queue", message)
            elif _comes_back(queues, name):
                message = f"callers would go round in a circle: {name} overflows into itself"
                yield document.finding((*place, "overflow", "to"), "circle", message)
        for index, code in enumerate(queue.dispositions):
            if code not in queues.dispositions:
                message = f"there is no disposition '{code}'{meant(code, queues.dispositions)}"
                yield document.finding(
                    (*place, "dispositions", index), "no-such-disposition", message
                )
        if name.startswith("santral"):
            message = "names that begin with 'santral' are Santral's own"
            yield document.finding(place, "own-name", message)


def _comes_back(queues: Queues, name: str) -> bool:
    seen: set[str] = set()
    here: str | None = name
    while here is not None and here not in seen:
        seen.add(here)
        queue = queues.queues.get(here)
        here = queue.overflow.to if queue and queue.overflow else None
    return here == name
