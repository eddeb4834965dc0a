import dataclasses

import pytest

from cti.ami import events
from cti.ami.framing import Message
from cti.ami.reading import KINDS, channel, typed
from tests.cti.ami import captures

CALL = "lab-850-05321112233"


def only(name: str, kind: type[events.Event], number: int = 0) -> events.Event:
    return [event for event in captures.events(name) if type(event) is kind][number]


def test_who_calls_whom_for_which_queue() -> None:
    called = only("answered", events.AgentCalled)
    assert isinstance(called, events.AgentCalled)
    assert (called.queue, called.interface, called.member_name) == ("destek", "PJSIP/ayse", "Ayşe")
    assert called.channel.call == called.dest.call == CALL
    assert called.channel.linked_id == called.dest.linked_id == called.channel.unique_id
    assert called.channel.caller_name == "Müşteri Işık"
    assert called.dest.endpoint == "PJSIP/ayse"
    assert called.at > 1_700_000_000


def test_times_and_reasons_of_a_queue_call() -> None:
    complete = only("answered", events.AgentComplete)
    assert isinstance(complete, events.AgentComplete)
    assert complete.reason == "caller"
    missed = only("no_answer", events.AgentRingNoAnswer)
    assert isinstance(missed, events.AgentRingNoAnswer)
    assert missed.ring_time >= 3000
    gone = only("abandoned", events.QueueCallerAbandon)
    assert isinstance(gone, events.QueueCallerAbandon)
    assert (gone.position, gone.original_position) == (1, 1)
    moved = only("blind_transfer", events.BlindTransfer)
    assert isinstance(moved, events.BlindTransfer)
    assert moved.transferer.endpoint == "PJSIP/ayse"
    assert moved.transferee is not None
    assert (moved.transferee.call, moved.extension) == (CALL, "102")
    asked = only("attended_transfer", events.AttendedTransfer)
    assert isinstance(asked, events.AttendedTransfer)
    assert asked.target is not None
    assert asked.target.name.startswith("Local/102@xfer")
    assert only("attended_transfer", events.AgentComplete).reason == "transfer"  # type: ignore[attr-defined]


def test_the_originates_answer_is_an_event_although_it_says_response() -> None:
    ends = [e for e in captures.events("originate") if isinstance(e, events.OriginateResponse)]
    assert [(end.action_id, end.response, end.unique_id, end.reason) for end in ends] == [
        ("attempt-1", "Success", "attempt-1", 4),
        ("attempt-2", "Failure", "attempt-2", 0),
        ("attempt-3", "Failure", "attempt-3", 3),
        ("attempt-4", "Failure", "attempt-4", 0),
    ]
    dialled = only("originate", events.DialBegin)
    assert isinstance(dialled, events.DialBegin)
    assert dialled.channel is None
    assert dialled.dest.unique_id == "attempt-1"


def test_variables_come_back_as_they_were_set() -> None:
    said = only("strange_values", events.UserEvent)
    assert isinstance(said, events.UserEvent)
    assert (said.name, dict(said.said)) == ("Santral", {"Note": "Müşteri", "Empty": ""})
    assert said.channel is not None
    key = only("strange_values", events.DTMFEnd)
    assert isinstance(key, events.DTMFEnd)
    assert (key.digit, key.direction) == ("5", "Received")
    (told,) = [one for one in captures.messages("strange_values") if one.name == "DTMFEnd"]
    leg = channel(told)
    assert leg is not None
    assert key.channel == leg.name
    assert leg.variables["LAB_NOTE"] == 'tab\tquote"back\\slash,eş=it'


def test_the_lists_are_read_too() -> None:
    member = only("actions", events.QueueMember)
    assert isinstance(member, events.QueueMember)
    assert (member.interface, member.member_name, member.penalty) == ("PJSIP/ayse", "Ayşe", 3)
    shown = only("actions", events.CoreShowChannel)
    assert isinstance(shown, events.CoreShowChannel)
    assert (shown.application, shown.channel.call) == ("Queue", CALL)
    devices = {
        item.get("Device"): item.get("State")
        for item in captures.messages("actions")
        if item.name == "DeviceStateChange" and item.action_id == "devices"
    }
    assert devices["PJSIP/ayse"] == "INUSE"
    assert devices["PJSIP/bora"] == "UNAVAILABLE"


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.__name__)
def test_every_event_can_be_made_of_nothing_and_is_frozen(kind: type[events.Event]) -> None:
    event = typed(Message([("Event", kind.__name__)]), 12.5)
    assert type(event) is kind
    assert event.at == 12.5
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.at = 1.0  # type: ignore[misc]


def test_every_event_of_the_captures_that_we_do_not_know_is_known_to_be_unread() -> None:
    from cti.ami.events import UNREAD

    lists = {
        "CoreShowChannelsComplete",
        "QueueStatusComplete",
        "ContactList",
        "ContactListComplete",
        "DeviceStateListComplete",
    }
    for name in captures.NAMES:
        unknown = {m.name for m in captures.messages(name) if m.name and m.name not in KINDS}
        assert unknown <= {*UNREAD, *lists}, name


def test_rubbish_in_numbers_is_zero_and_a_bad_stamp_is_the_time_of_arrival() -> None:
    event = typed(Message([("Event", "QueueCallerJoin"), ("Position", "x"), ("Timestamp", "?")]), 3)
    assert isinstance(event, events.QueueCallerJoin)
    assert (event.position, event.at) == (0, 3)


def test_unknown_is_empty() -> None:
    leg = channel(Message([("Channel", "Local/1@a-1;2"), ("CallerIDNum", "<unknown>")]))
    assert leg is not None
    assert leg.caller == ""
    assert channel(Message([("Event", "X")])) is None


def test_a_key_is_read_alike_with_and_without_the_headers_that_nobody_wants() -> None:
    head = "Event: DTMFEnd\r\nPrivilege: dtmf,all\r\nTimestamp: 1763893283.25\r\n"
    tail = "Channel: PJSIP/a-1\r\nExten: s\r\nDigit: #\r\nDurationMs: 120\r\nDirection: Received"
    seen = [one for name in captures.NAMES for one in captures.messages(name)]
    keys = [one for one in seen if one.name in ("DTMFBegin", "DTMFEnd")]
    assert keys
    for message in (*keys, Message.parse(head + tail)):
        whole = Message(message.headers)
        quick = Message.parse("\r\n".join(f"{name}: {value}" for name, value in whole.headers))
        assert typed(quick, 1.0) == typed(whole, 1.0)
        assert quick._text, "the other headers were not read"
    assert typed(Message.parse(head + tail), 1.0) == events.DTMFEnd(
        1763893283.25, "PJSIP/a-1", "#", "Received", 120
    )
    shouted = Message.parse((head + tail.replace("Digit", "DIGIT")).replace("Timestamp", "T"))
    assert typed(shouted, 1.0) == events.DTMFEnd(1.0, "PJSIP/a-1", "#", "Received", 120)
