from __future__ import annotations

from cti.softphone.dialog import Dialog
from cti.softphone.sip import Request, Response, parse
from tests.cti.softphone.peer import capture


def routed(text: bytes) -> bytes:
    return text.replace(b"CSeq:", b"Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\nCSeq:", 1)


def test_the_callers_view() -> None:
    answer = parse(routed(capture("invite-200")))
    assert isinstance(answer, Response)
    invite = Request(
        (("From", answer.get("from")), ("Call-ID", answer.call_id), ("CSeq", "1 INVITE")),
        method="INVITE",
        uri="sip:101@elsewhere",
    )
    dialog = Dialog.called(invite, answer)
    bye = dialog.request("BYE", "VIA")
    assert bye.uri == "sip:127.0.0.1:25760"
    assert bye.all("route") == ["<sip:p2;lr>", "<sip:p1;lr>"]
    assert bye.get("from") == answer.get("from")
    assert bye.get("to") == answer.get("to")
    assert bye.cseq == (2, "BYE")
    assert dialog.ack(1, "VIA").cseq == (1, "ACK")
    assert dialog.request("INVITE", "VIA").cseq == (3, "INVITE")


def test_the_callees_view() -> None:
    invite = parse(routed(capture("invite")))
    assert isinstance(invite, Request)
    dialog = Dialog.answering(invite, "mytag")
    bye = dialog.request("BYE", "VIA", (("X-Y", "1"),))
    assert bye.uri == "sip:asterisk@127.0.0.1:25760"
    assert bye.all("route") == ["<sip:p1;lr>", "<sip:p2;lr>"]
    assert bye.get("from") == invite.get("to") + ";tag=mytag"
    assert bye.get("to") == invite.get("from")
    assert bye.call_id == invite.call_id
    assert bye.cseq == (1, "BYE")
    assert bye.get("x-y") == "1"
    assert dialog.remote_cseq == invite.cseq[0]


def test_a_target_without_contact_is_the_one_that_was_called() -> None:
    answer = parse(capture("invite-200").replace(b"Contact:", b"X-Contact:"))
    assert isinstance(answer, Response)
    invite = Request((("CSeq", "1 INVITE"),), method="INVITE", uri="sip:101@elsewhere")
    assert Dialog.called(invite, answer).target == "sip:101@elsewhere"
