"""A small SIP caller and callee for the demo, the tests and the bench.

    async with Phone(server=("127.0.0.1", 5060)) as phone:
        call = await phone.dial("100")
        await call.press("1234#")
        match = await call.wait_for(prompt_heard(prompt), timeout=10)
        await call.hangup()
        write_wav("heard.wav", call.heard)

`phone.py` is the telephone, `call.py` what one does with a call, `callees.py` who may pick up,
`hearing.py` whether a prompt was heard. Below them, lowest first: `sip`, `digest`, `sdp`, `dialog`,
`tape`, `rtp` are pure; `transactions`, `wire`, `media` touch sockets and timers.
"""

from cti.softphone.call import Call, load, tone
from cti.softphone.incoming import IncomingCall
from cti.softphone.outgoing import OutgoingCall
from cti.softphone.phone import OnCall, Phone
from cti.softphone.rtp import KeyHeard
from cti.softphone.transactions import Times

__all__ = [
    "Call",
    "IncomingCall",
    "KeyHeard",
    "OnCall",
    "OutgoingCall",
    "Phone",
    "Times",
    "load",
    "tone",
]
