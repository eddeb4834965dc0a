"""A small SIP caller and callee for the demo, the tests and the bench.

    async with Phone(server=("127.0.0.1", 5060)) as phone:
        call = await phone.dial("100")
        await call.press("1234#")
        match = await call.wait_for(until.prompt("menu.wav"), timeout=10)
        await call.hangup()
        write_wav("heard.wav", call.heard)

`phone.py` is the telephone, `call.py` what one does with a call, `callees.py` who may pick up,
`hearing.py` whether a prompt was heard, `until.py` what one waits for. Below them `sip`, `digest`,
`sdp`, `negotiation`, `dialog`, `tape`, `rtp`, `correlation` and `levels` are pure; `transactions`,
`wire`, `media` have timers and sockets.
"""

from cti.softphone import until
from cti.softphone.call import Call, load
from cti.softphone.correlation import Prompt
from cti.softphone.hearing import (
    Match,
    Played,
    every_time,
    heard_prompt,
    in_order,
    what_was_played,
)
from cti.softphone.incoming import IncomingCall
from cti.softphone.levels import tone
from cti.softphone.outgoing import OutgoingCall
from cti.softphone.phone import OnCall, Phone
from cti.softphone.rtp import KeyHeard
from cti.softphone.transactions import Times

__all__ = [
    "Call",
    "IncomingCall",
    "KeyHeard",
    "Match",
    "OnCall",
    "OutgoingCall",
    "Phone",
    "Played",
    "Prompt",
    "Times",
    "every_time",
    "heard_prompt",
    "in_order",
    "load",
    "tone",
    "until",
    "what_was_played",
]
