"""What Asterisk tells, as frozen events: the ones Santral uses, each with only what it uses.

`cti/ami/reading.py` makes them of messages. `at` is seconds since 1970 UTC: Asterisk's own
`Timestamp` where it sends one (`timestampevents=yes`), otherwise the time of arrival. A field is
read from the header of the same name without `_`, or from the one that `_of` names.
Source: the XML documentation of Asterisk 22 (`core-en_US.xml`) and the captures in the tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CALL_VARIABLE = "SANTRAL_CALL"


# Of the classes we read, what nobody here looks at: over a third of all bytes (measured on queue
# calls). asterisk-conf/manager.conf keeps it back; `Bridge(unread=)` asks for that elsewhere.
UNREAD = (
    "BridgeCreate", "BridgeDestroy", "BridgeMerge", "BridgeVideoSourceUpdate", "HangupRequest",
    "SoftHangupRequest", "LocalBridge", "LocalOptimizationBegin", "LocalOptimizationEnd",
    "PeerStatus", "DeviceStateChange", "NewAccountCode", "MusicOnHoldStart", "MusicOnHoldStop",
    "Registry",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Channel:
    """One leg as Asterisk saw it when the event was made; `<unknown>` becomes "".

    `state`: 0 down, 4 ring (it calls us), 5 ringing (we call it), 6 up. `linked_id` is the same on
    all legs of a call.
    """

    name: str
    unique_id: str
    linked_id: str
    state: int = 0
    caller: str = ""
    caller_name: str = ""
    connected: str = ""
    connected_name: str = ""
    language: str = ""
    context: str = ""
    exten: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def call(self) -> str:
        """Our call id; "" until the dialplan has set it on this leg."""
        return self.variables.get(CALL_VARIABLE, "")

    @property
    def endpoint(self) -> str:
        """`PJSIP/ayse` of `PJSIP/ayse-0000002a`; the number is what follows the last dash."""
        return self.name.rpartition("-")[0] or self.name


def _of(header: str) -> Mapping[str, str]:
    return {"header": header.lower()}


@dataclass(frozen=True, slots=True)
class Event:
    at: float


# --- the system


@dataclass(frozen=True, slots=True)
class FullyBooted(Event):
    uptime: int


@dataclass(frozen=True, slots=True)
class Shutdown(Event):
    restart: str


@dataclass(frozen=True, slots=True)
class ContactStatus(Event):
    """A phone came or went: `Created Removed Reachable Unreachable NonQualified Updated`."""

    uri: str
    status: str = field(metadata=_of("ContactStatus"))
    aor: str = field(metadata=_of("AOR"))
    endpoint: str = field(metadata=_of("EndpointName"))


@dataclass(frozen=True, slots=True)
class DeviceStateChange(Event):
    """`state`: NOT_INUSE INUSE BUSY RINGING RINGINUSE ONHOLD UNAVAILABLE INVALID UNKNOWN."""

    device: str
    state: str


# --- calls and their legs


@dataclass(frozen=True, slots=True)
class OnChannel(Event):
    channel: Channel


class Newchannel(OnChannel):
    __slots__ = ()


class Newstate(OnChannel):
    __slots__ = ()


class NewCallerid(OnChannel):
    __slots__ = ()


class NewConnectedLine(OnChannel):
    __slots__ = ()


class MusicOnHoldStart(OnChannel):
    __slots__ = ()


class MusicOnHoldStop(OnChannel):
    __slots__ = ()


class Unhold(OnChannel):
    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Hold(OnChannel):
    music: str = field(metadata=_of("MusicClass"))


@dataclass(frozen=True, slots=True)
class Rename(Event):
    channel: str
    unique_id: str = field(metadata=_of("Uniqueid"))
    new_name: str = field(metadata=_of("Newname"))


@dataclass(frozen=True, slots=True)
class Hangup(OnChannel):
    """`cause` is a Q.850 code: 16 normal, 17 busy, 19 no answer, 21 refused; 0 unknown."""

    cause: int
    cause_text: str = field(metadata=_of("Cause-txt"))


@dataclass(frozen=True, slots=True)
class DialBegin(Event):
    """`channel` is None when Originate dials."""

    channel: Channel | None
    dest: Channel
    dial_string: str


@dataclass(frozen=True, slots=True)
class DialState(Event):
    channel: Channel | None
    dest: Channel
    dial_status: str


@dataclass(frozen=True, slots=True)
class DialEnd(Event):
    """`dial_status`: ANSWER BUSY NOANSWER CANCEL CONGESTION CHANUNAVAIL …"""

    channel: Channel | None
    dest: Channel
    dial_status: str


@dataclass(frozen=True, slots=True)
class BridgeEnter(OnChannel):
    bridge: str = field(metadata=_of("BridgeUniqueid"))
    bridge_type: str = field(metadata=_of("BridgeType"))
    channels: int = field(metadata=_of("BridgeNumChannels"))


@dataclass(frozen=True, slots=True)
class BridgeLeave(OnChannel):
    bridge: str = field(metadata=_of("BridgeUniqueid"))
    bridge_type: str = field(metadata=_of("BridgeType"))
    channels: int = field(metadata=_of("BridgeNumChannels"))


@dataclass(frozen=True, slots=True)
class BlindTransfer(Event):
    """An agent sent the caller on. An `extension` that is not there gives Success all the same."""

    transferer: Channel
    transferee: Channel | None
    result: str
    context: str
    extension: str


@dataclass(frozen=True, slots=True)
class AttendedTransfer(Event):
    result: str
    transferer: Channel = field(metadata=_of("OrigTransferer"))
    second_transferer: Channel | None = field(metadata=_of("SecondTransferer"))
    transferee: Channel | None = field(metadata=_of("Transferee"))
    target: Channel | None = field(metadata=_of("TransferTarget"))


@dataclass(frozen=True, slots=True)
class OriginateResponse(Event):
    """How an Originate ended. `reason`: 4 answered, 3 no answer, 5 busy, 8 congestion, 0 or 1: ask
    DialEnd and Hangup, 0 is what busy gives over SIP.
    """

    action_id: str
    response: str
    reason: int
    channel: str
    unique_id: str = field(metadata=_of("Uniqueid"))


@dataclass(frozen=True, slots=True)
class DTMFBegin(Event):
    """A key is down; told once for each, whether Asterisk takes it or holds it back. There are many
    of them, and the channel's name is all that is wanted of it."""

    channel: str
    digit: str
    direction: str


@dataclass(frozen=True, slots=True)
class DTMFEnd(Event):
    """A key is up; told again when Asterisk had held it back."""

    channel: str
    digit: str
    direction: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class ChanSpyStart(Event):
    spyer: Channel | None
    spyee: Channel | None


@dataclass(frozen=True, slots=True)
class ChanSpyStop(Event):
    spyer: Channel | None
    spyee: Channel | None


class MixMonitorStart(OnChannel):
    __slots__ = ()


class MixMonitorStop(OnChannel):
    __slots__ = ()


@dataclass(frozen=True, slots=True)
class MixMonitorMute(OnChannel):
    direction: str
    state: int


@dataclass(frozen=True, slots=True)
class UserEvent(Event):
    """The dialplan's own words; `said` is everything that is not about the channel."""

    channel: Channel | None
    name: str = field(metadata=_of("UserEvent"))
    said: Mapping[str, str] = field(metadata=_of("*"))


# --- queues


@dataclass(frozen=True, slots=True)
class QueueCallerJoin(OnChannel):
    queue: str
    position: int
    count: int


@dataclass(frozen=True, slots=True)
class QueueCallerLeave(OnChannel):
    queue: str
    position: int
    count: int


@dataclass(frozen=True, slots=True)
class QueueCallerAbandon(OnChannel):
    """`hold_time` is in seconds; QueueCallerLeave precedes it or follows it."""

    queue: str
    position: int
    original_position: int
    hold_time: int


@dataclass(frozen=True, slots=True)
class AgentCalled(Event):
    """The first event that names queue, caller and agent; ringing follows within some 30 ms."""

    channel: Channel
    dest: Channel
    queue: str
    interface: str
    member_name: str


@dataclass(frozen=True, slots=True)
class AgentConnect(AgentCalled):
    """`hold_time` and `ring_time` are in seconds."""

    hold_time: int
    ring_time: int


@dataclass(frozen=True, slots=True)
class AgentComplete(AgentCalled):
    """`reason`: caller, agent, transfer. Times are in seconds. `dest` may be gone already."""

    hold_time: int
    talk_time: int
    reason: str


@dataclass(frozen=True, slots=True)
class AgentRingNoAnswer(AgentCalled):
    """`ring_time` is in milliseconds here."""

    ring_time: int


class AgentDump(AgentCalled):
    """The agent hung up while the announcement played to them."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class MemberEvent(Event):
    """A member of a queue as it is now. `status` is a device state: 1 idle, 2 in use, 3 busy,
    4 invalid, 5 unavailable, 6 ringing, 7 ringing in use, 8 on hold; 0 unknown.

    Times are seconds since 1970, 0 for never.
    """

    queue: str
    interface: str
    member_name: str
    penalty: int
    paused: bool
    paused_reason: str
    status: int
    in_call: bool
    calls_taken: int
    last_call: int
    last_pause: int
    login_time: int
    wrapup_time: int = field(metadata=_of("Wrapuptime"))


class QueueMemberAdded(MemberEvent):
    __slots__ = ()


class QueueMemberRemoved(MemberEvent):
    __slots__ = ()


class QueueMemberPause(MemberEvent):
    __slots__ = ()


class QueueMemberPenalty(MemberEvent):
    __slots__ = ()


class QueueMemberRinginuse(MemberEvent):
    __slots__ = ()


class QueueMemberStatus(MemberEvent):
    __slots__ = ()


# --- items of the lists that are read after a (re)connect


@dataclass(frozen=True, slots=True)
class CoreShowChannel(OnChannel):
    application: str
    duration: str
    bridge: str = field(metadata=_of("BridgeId"))


@dataclass(frozen=True, slots=True)
class QueueParams(Event):
    """`hold_time` and `talk_time` are Asterisk's running means in seconds."""

    queue: str
    strategy: str
    calls: int
    completed: int
    abandoned: int
    weight: int
    hold_time: int
    talk_time: int


@dataclass(frozen=True, slots=True)
class QueueMember(MemberEvent):
    interface: str = field(metadata=_of("Location"))
    member_name: str = field(metadata=_of("Name"))


@dataclass(frozen=True, slots=True)
class QueueEntry(Event):
    """A caller who waits; `wait` is in seconds."""

    queue: str
    position: int
    channel: str
    wait: int
    priority: int
    unique_id: str = field(metadata=_of("Uniqueid"))


# --- what the bridge itself tells


@dataclass(frozen=True, slots=True)
class Snapshot(Event):
    """Everything that is so now, read after a (re)connect: whatever is not in it is gone.

    `devices` is None where Asterisk does not tell.
    """

    channels: tuple[CoreShowChannel, ...] = ()
    queues: tuple[QueueParams, ...] = ()
    members: tuple[QueueMember, ...] = ()
    waiting: tuple[QueueEntry, ...] = ()
    devices: tuple[DeviceStateChange, ...] | None = None


@dataclass(frozen=True, slots=True)
class Disconnected(Event):
    """The Manager connection broke: from now on nothing is known until the next Snapshot."""

    why: str
