"""What is on the line now: calls, legs, queues and agents, from AMI and from conversations.

Pure: `heard(state, event)` takes an event of the Manager, `told(state, entry)` an entry of the
journal; both give the new state and what changed. Calls are joined by our call id (the channel
variable SANTRAL_CALL, on every event), and by Asterisk's Linkedid as long as it is not set.
"""

from cti.live.apply import TELLING, heard, told
from cti.live.state import (
    Agent,
    Call,
    Change,
    Leg,
    Live,
    Membership,
    Phase,
    Queue,
    Waiting,
    standing,
)

__all__ = [
    "TELLING",
    "Agent",
    "Call",
    "Change",
    "Leg",
    "Live",
    "Membership",
    "Phase",
    "Queue",
    "Waiting",
    "heard",
    "standing",
    "told",
]
