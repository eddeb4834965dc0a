"""What Santral asks of Asterisk, as frozen actions: their headers, and how long an answer may take.

Actions are never sent twice: see `bridge.py`. Times in fields are seconds unless a name says `ms`.
Source: the XML documentation of Asterisk 22 (`core-en_US.xml`); each was run against 22.10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from cti.ami.framing import Headers
from ivr.errors import BadInput

DEADLINE = 5.0


@dataclass(frozen=True, slots=True)
class Action:
    """`deadline` is how long Asterisk may take to answer; `empty` is an error that means "none"."""

    name: ClassVar[str] = ""
    deadline: ClassVar[float] = DEADLINE
    empty: ClassVar[str] = ""

    def headers(self) -> Headers:
        """Name and value pairs without Action and ActionID; pure."""
        return ()


def _given(*pairs: tuple[str, str]) -> Headers:
    return tuple(pair for pair in pairs if pair[1] != "")


def _yes(value: bool) -> str:
    return "true" if value else "false"


# --- calls


@dataclass(frozen=True, slots=True)
class Originate(Action):
    """Dial `channel`; when it answers it runs `application`, or the dialplan from `exten` on.

    `id` becomes the leg's Uniqueid (use the attempt's id), so that its events are known by it.
    Always asynchronous: the answer only says that it was queued, `OriginateResponse` says the end.
    A variable whose name begins with `__` reaches every leg made from this one.
    """

    name: ClassVar[str] = "Originate"
    channel: str
    context: str = ""
    exten: str = ""
    application: str = ""
    data: str = ""
    id: str = ""
    other_id: str = ""
    caller_id: str = ""
    ring_for: float = 30.0
    variables: Mapping[str, str] = field(default_factory=dict)
    early_media: bool = False
    account: str = ""

    def headers(self) -> Headers:
        if bool(self.application) == bool(self.exten):
            raise BadInput("Originate needs either an application or an extension.")
        where = (("Application", self.application), ("Data", self.data))
        if self.exten:
            where = (("Context", self.context), ("Exten", self.exten))
        return (
            ("Channel", self.channel),
            *_given(*where, ("Priority", "1" if self.exten else "")),
            ("Timeout", str(round(self.ring_for * 1000))),
            ("Async", "true"),
            *_given(
                ("ChannelId", self.id),
                ("OtherChannelId", self.other_id),
                ("CallerID", self.caller_id),
                ("Account", self.account),
                ("EarlyMedia", "true" if self.early_media else ""),
            ),
            *(("Variable", f"{name}={value}") for name, value in self.variables.items()),
        )


class Listening:
    """How a supervisor is on a call: unheard, heard by the agent, or heard by both."""

    LISTEN = "q"
    WHISPER = "qw"
    BARGE = "qB"


def spy(supervisor: str, target: str, how: str, *, id: str = "", ring_for: float = 20) -> Originate:
    """Ring the supervisor's phone; when it is picked up, it hears the leg `target`.

    Options: `q` no announcement, `w` whisper, `B` barge, `S` end when the leg ends, `E` end when
    the leg hangs up, so that the supervisor never stays on a line without a call.
    """
    if how not in (Listening.LISTEN, Listening.WHISPER, Listening.BARGE):
        raise BadInput(f"{how!r} is not a way to listen.")
    if "," in target or "&" in target:
        raise BadInput(f"{target!r} is not the name of one channel.")
    return Originate(
        supervisor, application="ChanSpy", data=f"{target},{how}ES", id=id, ring_for=ring_for
    )


@dataclass(frozen=True, slots=True)
class Hangup(Action):
    """`channel` may be a Uniqueid. `cause` is a Q.850 code."""

    name: ClassVar[str] = "Hangup"
    channel: str
    cause: int = 16

    def headers(self) -> Headers:
        return (("Channel", self.channel), ("Cause", str(self.cause)))


@dataclass(frozen=True, slots=True)
class Redirect(Action):
    """Send a leg, and with it perhaps a second one, somewhere else in the dialplan."""

    name: ClassVar[str] = "Redirect"
    channel: str
    context: str
    exten: str
    extra_channel: str = ""
    extra_context: str = ""
    extra_exten: str = ""

    def headers(self) -> Headers:
        return (
            ("Channel", self.channel),
            ("Context", self.context),
            ("Exten", self.exten),
            ("Priority", "1"),
            *_given(
                ("ExtraChannel", self.extra_channel),
                ("ExtraContext", self.extra_context),
                ("ExtraExten", self.extra_exten),
                ("ExtraPriority", "1" if self.extra_exten else ""),
            ),
        )


@dataclass(frozen=True, slots=True)
class BlindTransfer(Action):
    """`channel` is the leg that lets go. Asterisk says "succeeded" for an extension that is not
    there and drops the caller: ask `ShowDialPlan` first.
    """

    name: ClassVar[str] = "BlindTransfer"
    channel: str
    context: str
    exten: str

    def headers(self) -> Headers:
        return (("Channel", self.channel), ("Context", self.context), ("Exten", self.exten))


@dataclass(frozen=True, slots=True)
class Atxfer(Action):
    """Begin an attended transfer: the caller hears music, the agent's leg dials `exten`.

    It presses the feature codes of features.conf on the leg, so `channel` must be in a bridge with
    the `t` or `T` option, and must send frames (a phone on hold sends none).
    """

    name: ClassVar[str] = "Atxfer"
    channel: str
    context: str
    exten: str

    def headers(self) -> Headers:
        return (("Channel", self.channel), ("Context", self.context), ("Exten", self.exten))


@dataclass(frozen=True, slots=True)
class CancelAtxfer(Action):
    """Back to the caller; needs `atxferabort` in features.conf."""

    name: ClassVar[str] = "CancelAtxfer"
    channel: str

    def headers(self) -> Headers:
        return (("Channel", self.channel),)


@dataclass(frozen=True, slots=True)
class MixMonitorMute(Action):
    """Silence in the recording, for card numbers. `direction`: read, write or both."""

    name: ClassVar[str] = "MixMonitorMute"
    channel: str
    on: bool
    direction: str = "both"

    def headers(self) -> Headers:
        return (
            ("Channel", self.channel),
            ("Direction", self.direction),
            ("State", "1" if self.on else "0"),
        )


@dataclass(frozen=True, slots=True)
class PlayDTMF(Action):
    """A key on a leg. `receive`: as if the phone had pressed it, otherwise it is sent to it."""

    name: ClassVar[str] = "PlayDTMF"
    channel: str
    digit: str
    receive: bool = False

    def headers(self) -> Headers:
        return (
            ("Channel", self.channel),
            ("Digit", self.digit),
            *_given(("Receive", "true" if self.receive else "")),
        )


@dataclass(frozen=True, slots=True)
class Setvar(Action):
    """Set a variable of a leg, or a global one."""

    name: ClassVar[str] = "Setvar"
    variable: str
    value: str
    channel: str = ""

    def headers(self) -> Headers:
        return (
            *_given(("Channel", self.channel)),
            ("Variable", self.variable),
            ("Value", self.value),
        )


@dataclass(frozen=True, slots=True)
class Getvar(Action):
    """Read a variable or a dialplan function; `Value` of the answer has it."""

    name: ClassVar[str] = "Getvar"
    variable: str
    channel: str = ""

    def headers(self) -> Headers:
        return (*_given(("Channel", self.channel)), ("Variable", self.variable))


@dataclass(frozen=True, slots=True)
class PJSIPNotify(Action):
    """A NOTIFY inside a call (`channel`) or to a phone; `talk` makes many phones pick up."""

    name: ClassVar[str] = "PJSIPNotify"
    event: str
    channel: str = ""
    endpoint: str = ""
    content: str = ""

    def headers(self) -> Headers:
        return (
            *_given(("Channel", self.channel), ("Endpoint", self.endpoint)),
            ("Variable", f"Event={self.event}"),
            *_given(("Variable", f"Content={self.content}" if self.content else "")),
        )


# --- queues


@dataclass(frozen=True, slots=True)
class QueueAdd(Action):
    """`penalty` 0 is called first. `member` is the name that queue events carry."""

    name: ClassVar[str] = "QueueAdd"
    queue: str
    interface: str
    member: str = ""
    penalty: int = 0
    paused: bool = False
    reason: str = ""

    def headers(self) -> Headers:
        return (
            ("Queue", self.queue),
            ("Interface", self.interface),
            ("Penalty", str(self.penalty)),
            ("Paused", _yes(self.paused)),
            *_given(("MemberName", self.member), ("Reason", self.reason if self.paused else "")),
        )


@dataclass(frozen=True, slots=True)
class QueueRemove(Action):
    name: ClassVar[str] = "QueueRemove"
    queue: str
    interface: str

    def headers(self) -> Headers:
        return (("Queue", self.queue), ("Interface", self.interface))


@dataclass(frozen=True, slots=True)
class QueuePause(Action):
    """In one queue, or in every one when `queue` is empty."""

    name: ClassVar[str] = "QueuePause"
    interface: str
    paused: bool
    queue: str = ""
    reason: str = ""

    def headers(self) -> Headers:
        return (
            ("Interface", self.interface),
            ("Paused", _yes(self.paused)),
            *_given(("Queue", self.queue), ("Reason", self.reason)),
        )


@dataclass(frozen=True, slots=True)
class QueuePenalty(Action):
    name: ClassVar[str] = "QueuePenalty"
    interface: str
    penalty: int
    queue: str = ""

    def headers(self) -> Headers:
        return (
            ("Interface", self.interface),
            ("Penalty", str(self.penalty)),
            *_given(("Queue", self.queue)),
        )


@dataclass(frozen=True, slots=True)
class QueueWithdrawCaller(Action):
    """Take a waiting caller out of the queue, back to the dialplan (QUEUESTATUS=WITHDRAW)."""

    name: ClassVar[str] = "QueueWithdrawCaller"
    queue: str
    channel: str
    info: str = ""

    def headers(self) -> Headers:
        return (
            ("Queue", self.queue),
            ("Caller", self.channel),
            *_given(("WithdrawInfo", self.info)),
        )


@dataclass(frozen=True, slots=True)
class QueueChangePriorityCaller(Action):
    name: ClassVar[str] = "QueueChangePriorityCaller"
    queue: str
    channel: str
    priority: int

    def headers(self) -> Headers:
        return (
            ("Queue", self.queue),
            ("Caller", self.channel),
            ("Priority", str(self.priority)),
            ("Immediate", "true"),
        )


@dataclass(frozen=True, slots=True)
class QueueReload(Action):
    """Read queues.conf and queuerules.conf again; dynamic members and callers stay."""

    name: ClassVar[str] = "QueueReload"
    deadline: ClassVar[float] = 15.0
    queue: str = ""

    def headers(self) -> Headers:
        return (
            *_given(("Queue", self.queue)),
            ("Members", "no"),
            ("Rules", "yes"),
            ("Parameters", "yes"),
        )


@dataclass(frozen=True, slots=True)
class Reload(Action):
    """Reload a module (`app_queue.so`), or everything when `module` is empty."""

    name: ClassVar[str] = "Reload"
    deadline: ClassVar[float] = 15.0
    module: str = ""

    def headers(self) -> Headers:
        return _given(("Module", self.module))


# --- reading state; the answers are lists


@dataclass(frozen=True, slots=True)
class CoreShowChannels(Action):
    name: ClassVar[str] = "CoreShowChannels"
    deadline: ClassVar[float] = 15.0


@dataclass(frozen=True, slots=True)
class DBGetTree(Action):
    """Everything that AstDB keeps in a family: `Key` (`/family/...`) and `Val` of each."""

    name: ClassVar[str] = "DBGetTree"
    deadline: ClassVar[float] = 15.0
    empty: ClassVar[str] = "Database entry not found"
    family: str

    def headers(self) -> Headers:
        return (("Family", self.family),)


@dataclass(frozen=True, slots=True)
class QueueStatus(Action):
    """Never poll it (asterisk#1215): it is read once after each connect."""

    name: ClassVar[str] = "QueueStatus"
    deadline: ClassVar[float] = 15.0
    queue: str = ""

    def headers(self) -> Headers:
        return _given(("Queue", self.queue))


@dataclass(frozen=True, slots=True)
class DeviceStateList(Action):
    """Every phone and whether it can be reached; needs the module res_manager_devicestate.

    (What PJSIP itself lists needs `system` in `write=`, which would also let Originate run
    programs.)
    """

    name: ClassVar[str] = "DeviceStateList"
    deadline: ClassVar[float] = 15.0


@dataclass(frozen=True, slots=True)
class ShowDialPlan(Action):
    """What an extension would run, patterns included; an empty list when there is no such one."""

    name: ClassVar[str] = "ShowDialPlan"
    empty: ClassVar[str] = "Did not find"
    context: str
    exten: str

    def headers(self) -> Headers:
        return (("Context", self.context), ("Extension", self.exten))


# --- the session


@dataclass(frozen=True, slots=True)
class Ping(Action):
    name: ClassVar[str] = "Ping"


@dataclass(frozen=True, slots=True)
class Challenge(Action):
    """Ask for a number to log in with, so that the secret itself is never sent."""

    name: ClassVar[str] = "Challenge"

    def headers(self) -> Headers:
        return (("AuthType", "MD5"),)


@dataclass(frozen=True, slots=True, repr=False)
class Login(Action):
    """`events` is the mask: the classes of events wanted, out of those `read=` allows."""

    name: ClassVar[str] = "Login"
    user: str
    key: str
    events: str

    def headers(self) -> Headers:
        return (
            ("AuthType", "MD5"),
            ("Username", self.user),
            ("Key", self.key),
            ("Events", self.events),
        )


@dataclass(frozen=True, slots=True)
class Filter(Action):
    """Drop events of one name before they are sent (Asterisk 20.11 and 22.1 or newer)."""

    name: ClassVar[str] = "Filter"
    event: str

    def headers(self) -> Headers:
        return (
            ("Operation", "Add"),
            ("MatchCriteria", f"name({self.event}),action(exclude)"),
        )


@dataclass(frozen=True, slots=True)
class SendUserEvent(Action):
    name: ClassVar[str] = "UserEvent"
    event: str
    said: Mapping[str, str] = field(default_factory=dict)

    def headers(self) -> Headers:
        return (("UserEvent", self.event), *self.said.items())
