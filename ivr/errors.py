"""Every exception Santral raises. The first line of a class's docstring is its default message.

SantralError
├── CallerHungUp              the caller is gone; ends a conversation, never an error
├── BadInput                  somebody outside gave us something wrong: what, where, what to do
│   ├── FlowRefused           a flow file with findings; nothing of it was loaded
│   ├── QueriesRefused        the file of named queries, likewise
│   ├── BadSetting            a setting in the environment
│   ├── RequestRefused        an HTTP request, with the status and the problem of its answer
│   └── CannotInstall         a program is missing and cannot be unpacked here
└── Fault                     something of ours, or of the world, broke during a call
    ├── ExpressionFault       an expression failed on the values it met
    │   └── CannotSay         a value has no words: wrong kind, too long, not in this language
    ├── StepBudgetExceeded    a flow ran in circles
    ├── PromptUnavailable     no audio for a prompt
    ├── JournalUnavailable    what was written of a call cannot be read at the moment
    ├── LookupFailed          a query had no answer in time
    ├── ServiceFailed         an outside service had no answer in time
    ├── RecogniserFailed      a speech engine broke, hung or could not be reached
    ├── TelephonyFault        Asterisk did not do what it was asked
    │   ├── BadAgi            bytes that are not AGI
    │   ├── BadAeap           a message that is not AEAP
    │   ├── CommandRefused    510, 520, or a value that must not be sent
    │   ├── ReplyOverdue      no reply within the deadline
    │   ├── LineLost          Asterisk closed the socket without a hang-up
    │   ├── AsteriskDown      Asterisk did not start, or is not running
    │   ├── BadAmi            bytes that are not the Manager protocol
    │   ├── ActionRefused     the Manager said no, in its own words
    │   └── ActionNotSent     there is no Manager connection: nothing was done
    ├── EngineDown            the engine did not start, or is not running
    └── SoftphoneFault        our own SIP caller could not do what it was asked
        ├── BadSip            bytes that are not SIP, or a session we cannot use
        ├── NotRegistered     the server does not take our registration
        ├── CallOver          the call ended before it was done
        └── NotInTime         what was waited for did not happen within the deadline
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any


class SantralError(Exception):
    """Something went wrong in Santral."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (inspect.getdoc(type(self)) or "").partition("\n")[0])


class CallerHungUp(SantralError):
    """The caller hung up."""


class BadInput(SantralError):
    """What was given cannot be used."""


class FlowRefused(BadInput):
    """The flow has errors and was not loaded."""

    findings: tuple[Any, ...] = ()  # of ivr.flow.finding.Finding


class QueriesRefused(BadInput):
    """The named queries have errors and were not loaded."""


class BadSetting(BadInput):
    """A setting is missing or wrong."""


class RequestRefused(BadInput):
    """The request cannot be carried out as it is."""

    def __init__(
        self,
        kind: str,
        message: str | None = None,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind  # one of `cti.web.api.problems.PROBLEMS`
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


class CannotInstall(BadInput):
    """A program is missing and cannot be unpacked on this machine."""


class Fault(SantralError):
    """Something broke during the call."""


class ExpressionFault(Fault):
    """An expression could not be evaluated."""


class CannotSay(ExpressionFault, ValueError):
    """The value cannot be read out."""


class StepBudgetExceeded(Fault):
    """The flow took more steps than one call may take."""


class PromptUnavailable(Fault):
    """There is no audio for the prompt."""


class JournalUnavailable(Fault):
    """The record of the call cannot be read at the moment."""


class LookupFailed(Fault):
    """The lookup had no answer in time."""


class ServiceFailed(Fault):
    """The service had no answer in time."""


class RecogniserFailed(Fault):
    """The speech recogniser broke."""


class TelephonyFault(Fault):
    """Asterisk did not do what it was asked."""


class BadAgi(TelephonyFault):
    """The other side does not speak AGI."""


class BadAeap(TelephonyFault):
    """The other side does not speak AEAP."""


class CommandRefused(TelephonyFault):
    """The AGI command was refused."""


class ReplyOverdue(TelephonyFault):
    """Asterisk did not reply within the deadline."""


class LineLost(TelephonyFault):
    """Asterisk closed the connection."""


class AsteriskDown(TelephonyFault):
    """Asterisk is not running."""


class BadAmi(TelephonyFault):
    """The other side does not speak the Manager protocol."""


class ActionRefused(TelephonyFault):
    """The Manager refused the action."""


class ActionNotSent(TelephonyFault):
    """There is no connection to the Manager: nothing was sent."""


class EngineDown(Fault):
    """The engine is not running."""


class SoftphoneFault(Fault):
    """The softphone could not do what it was asked."""


class BadSip(SoftphoneFault):
    """The other side does not speak SIP."""


class NotRegistered(SoftphoneFault):
    """The server did not take the registration."""


class CallOver(SoftphoneFault):
    """The call is over."""


class NotInTime(SoftphoneFault):
    """It did not happen within the deadline."""
