"""A SIP dialog: who talks to whom, and the requests inside it (RFC 3261 section 12). Pure."""

from __future__ import annotations

from dataclasses import dataclass

from cti.softphone.sip import Headers, Request, Response, uri_in

ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, NOTIFY"


@dataclass(slots=True)
class Dialog:
    """One side's view. `local` and `remote` are From/To values with their tags."""

    call_id: str
    local: str
    remote: str
    target: str
    routes: tuple[str, ...] = ()
    cseq: int = 0
    remote_cseq: int = 0

    @classmethod
    def called(cls, invite: Request, answer: Response) -> Dialog:
        """The caller's view after a response with a To tag (12.1.2)."""
        return cls(
            call_id=invite.call_id,
            local=invite.get("from"),
            remote=answer.get("to"),
            target=uri_in(answer.get("contact")) or invite.uri,
            routes=tuple(reversed(answer.all("record-route"))),
            cseq=invite.cseq[0],
        )

    @classmethod
    def answering(cls, invite: Request, tag: str) -> Dialog:
        """The callee's view; `tag` is the one it puts into every response (12.1.1)."""
        return cls(
            call_id=invite.call_id,
            local=f"{invite.get('to')};tag={tag}",
            remote=invite.get("from"),
            target=uri_in(invite.get("contact")) or uri_in(invite.get("from")),
            routes=tuple(invite.all("record-route")),
            remote_cseq=invite.cseq[0],
        )

    def request(self, method: str, via: str, more: Headers = (), body: bytes = b"") -> Request:
        """A new request in this dialog; it takes the next CSeq (12.2.1.1)."""
        self.cseq += 1
        return self._build(method, self.cseq, via, more, body)

    def ack(self, cseq: int, via: str, more: Headers = (), body: bytes = b"") -> Request:
        """The ACK of a 2xx, with the CSeq number of its INVITE (13.2.2.4)."""
        return self._build("ACK", cseq, via, more, body)

    def _build(self, method: str, cseq: int, via: str, more: Headers, body: bytes) -> Request:
        headers = (
            ("Via", via),
            ("Max-Forwards", "70"),
            *(("Route", route) for route in self.routes),
            ("From", self.local),
            ("To", self.remote),
            ("Call-ID", self.call_id),
            ("CSeq", f"{cseq} {method}"),
            *more,
        )
        return Request(headers, body, method=method, uri=self.target)
