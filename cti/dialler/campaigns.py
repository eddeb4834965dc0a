"""`scenarios/outbound.yaml` as frozen models. What is wrong in it is refused with its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from cti.dialler.places import country_of, is_premium
from cti.dialler.window import Window
from cti.phone import e164
from ivr.errors import BadInput
from ivr.expressions import Expression
from ivr.flow.finding import Finding, meant
from ivr.flow.model_file import read_model
from ivr.flow.reader import Document
from ivr.steps.base import Duration, Model, Name

EVENTS = ("order.created", "order.shipped", "order.delivered", "payment.failed")
FACTS = ("event", "order", "payment", "customer")  # what `when` may speak of


class Outcome(StrEnum):
    """How a dialled call ended. The first five may be tried again, the others never are."""

    BUSY = "busy"
    NO_ANSWER = "no_answer"
    MACHINE = "machine"
    FAILED = "failed"  # the network could not reach them now
    HUNG_UP_EARLY = "hung_up_early"
    INVALID = "invalid"  # there is no such number
    ANSWERED = "answered"
    MESSAGE_LEFT = "message_left"
    UNKNOWN = "unknown"  # dialled, and whoever dialled died: rather not called than called twice


class Again(Model):
    """After such an outcome: again `gap` after the dialling, up to `times` times."""

    gap: Annotated[Duration, Field(ge=60)]
    times: Annotated[int, Field(ge=1, le=20)] = 1


class Attempts(Model):
    """`most` calls for one event in all. An outcome that is not named is not tried again."""

    most: Annotated[int, Field(ge=1, le=20)] = 3
    busy: Again | None = None
    no_answer: Again | None = None
    machine: Again | None = None
    failed: Again | None = None
    hung_up_early: Again | None = None

    def again(self, outcome: Outcome) -> Again | None:
        found = getattr(self, outcome.value, None)
        return found if isinstance(found, Again) else None


class Caps(Model):
    """Dialled calls in a day: to one number by all campaigns together (the customer's day), and of
    this campaign (the day of its window's zone)."""

    number_per_day: Annotated[int, Field(ge=1, le=50)] = 2
    campaign_per_day: Annotated[int, Field(ge=1)] = 100_000


class Pace(Model):
    """How fast: calls at once, calls a second, and the trunk they go out by."""

    at_once: Annotated[int, Field(ge=1, le=10_000)] = 10
    per_second: Annotated[float, Field(gt=0, le=1000)] = 1.0
    trunk: Name = "main"


def _event(name: object) -> object:
    if name not in EVENTS:
        raise ValueError(f"there is no event '{name}'{meant(str(name), EVENTS)}")
    return name


class Campaign(Model):
    """Which event leads to which call. `priority`: the higher, the earlier.

    `delay` and `expires` count from the event. It rings for `ring`. An answering machine is looked
    for unless `machine` says otherwise; `message` is the flow that is said after its beep.
    `do_not_call` names lists that hold besides the
    shop's own, which always does; with `consent: required` only those who said yes are called.
    """

    event: Annotated[str, BeforeValidator(_event)]
    flow: Name
    when: Expression = Expression("true")
    delay: Duration = 0.0
    window: Window
    attempts: Attempts = Attempts()
    caps: Caps = Caps()
    caller_id: str
    ring: Annotated[Duration, Field(ge=5, le=120)] = 30.0
    machine: Literal["hang_up", "leave_message", "not_looked_for"] = "hang_up"
    message: Name | None = None
    consent: Literal["required", "not_needed"] = "required"
    do_not_call: tuple[Name, ...] = ()
    pace: Pace = Pace()
    priority: Annotated[int, Field(ge=0, le=100)] = 0
    expires: Annotated[Duration, Field(ge=60)] = 2 * 86400.0

    @field_validator("caller_id")
    @classmethod
    def _number(cls, number: str) -> str:
        try:
            return e164(number)
        except BadInput as error:
            raise ValueError(str(error)) from error

    @field_validator("when")
    @classmethod
    def _known_facts(cls, when: Expression) -> Expression:
        for name in sorted(when.names - set(FACTS)):
            raise ValueError(
                f"'{name}' is not known here{meant(name, FACTS)} (there are {', '.join(FACTS)})"
            )
        return when


class Trunk(Model):
    """A line that calls go out by, whatever the campaign: calls at once and a second.

    Only numbers of `countries` are dialled, and those that begin with one of `prefixes`; nowhere
    else, whatever somebody puts into an order. Premium-rate numbers are dialled only by a prefix.
    """

    at_once: Annotated[int, Field(ge=1, le=10_000)] = 10
    per_second: Annotated[float, Field(gt=0, le=1000)] = 1.0
    countries: tuple[Annotated[str, Field(pattern=r"^[A-Z]{2}$")], ...] = ("TR",)
    prefixes: tuple[Annotated[str, Field(pattern=r"^\+[1-9][0-9]{0,14}$")], ...] = ()

    def refuses(self, phone: str) -> str:
        """Why a number must not be dialled; empty when it may be."""
        if any(phone.startswith(prefix) for prefix in self.prefixes):
            return ""
        country = country_of(phone)
        if country not in self.countries:
            return f"numbers of {country or 'no country'} are not dialled"
        return "it costs whoever calls it" if is_premium(phone) else ""


class Campaigns(Model):
    """Every campaign, by name, and the trunks. A trunk that is not here has the defaults."""

    campaigns: Annotated[Mapping[Name, Campaign], Field(min_length=1, max_length=500)]
    trunks: Mapping[Name, Trunk] = Field(default_factory=dict)

    def trunk(self, name: str) -> Trunk:
        return self.trunks.get(name) or Trunk()

    @property
    def by_priority(self) -> list[tuple[str, Campaign]]:
        """The most urgent first."""
        return sorted(self.campaigns.items(), key=lambda one: -one[1].priority)

    def of(self, event: str) -> Mapping[str, Campaign]:
        """The campaigns that an event may lead to."""
        return {name: one for name, one in self.campaigns.items() if one.event == event}


def load_campaigns(path: Path) -> Campaigns:
    """Read the file; `FlowRefused` with every mistake in it, each with its line."""
    return read_model(path, Campaigns, "bad-campaign", _mistakes)


def _mistakes(campaigns: Campaigns, document: Document) -> Iterator[Finding]:
    for name, one in campaigns.campaigns.items():
        if (one.machine == "leave_message") != (one.message is not None):
            told = "`message` names the flow that is said to a machine; `machine: leave_message`"
            where = ("campaigns", name, "message" if one.message else "machine")
            yield document.finding(where, "bad-message", f"{told} takes one, nothing else does")
        if one.delay >= one.expires:
            message = "nobody is ever called: it expires before the delay is over"
            yield document.finding(("campaigns", name, "delay"), "never-calls", message)
        for outcome in Outcome:
            again = one.attempts.again(outcome)
            if again and again.gap >= one.expires:
                place = ("campaigns", name, "attempts", outcome.value, "gap")
                yield document.finding(place, "never-again", "it expires before the gap is over")
