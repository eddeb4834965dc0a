"""What the Manager tells of the keys callers press, for the calls the engine serves: a key that no
AGI command told of (`ivr/agi/pressed.py` has why) is handed to Asterisk again.

Nothing happens here while nobody presses a key. The Manager's account needs `dtmf` in `read=` and
`call` in `write=`; without them, or without a Manager, keys come by AGI alone.
"""

from __future__ import annotations

import asyncio
import logging
import math
from typing import Final

from cti.ami.actions import PlayDTMF
from cti.ami.bridge import Bridge
from cti.ami.events import DTMFBegin, DTMFEnd, Event
from ivr.agi.pressed import Pressed
from ivr.errors import TelephonyFault

log = logging.getLogger(__name__)
BUSY: Final = 0.1  # seconds until a look at a call that was at something else
SHARED: Final = 0.05  # seconds: looks are at multiples of it
ABOUT_KEYS: Final = (DTMFBegin, DTMFEnd)
RECEIVED: Final = "Received"  # by Asterisk from the phone; the other way is "Sent"


class Keys:
    """The witness of `AgiServer`, and a sink of the bridge; `bridge` is set once there is one."""

    def __init__(self, bridge: Bridge | None = None) -> None:
        self.bridge = bridge
        self._calls: dict[str, Pressed] = {}
        self._looks: dict[str, asyncio.TimerHandle] = {}
        self._handing: set[asyncio.Task[None]] = set()

    def attend(self, channel: str, pressed: Pressed) -> None:
        self._calls[channel] = pressed

    def leave(self, channel: str) -> None:
        pressed = self._calls.pop(channel, None)
        look = self._looks.pop(channel, None)
        if look is not None:
            look.cancel()
        if pressed is not None and pressed.rescued:
            log.info("%s: %d keys came while no command ran, and counted", channel, pressed.rescued)

    def takes(self, event: Event) -> bool:
        """Take an event; False for those that are not about keys."""
        if not isinstance(event, ABOUT_KEYS):
            return False
        channel = event.channel
        pressed = self._calls.get(channel)
        if pressed is None or event.direction != RECEIVED:
            return True
        if isinstance(event, DTMFEnd):
            pressed.ended()
        else:
            pressed.began(event.digit)
            self._look_later(channel, pressed)
        return True

    def _look_later(self, channel: str, pressed: Pressed, wait: float = 0.0) -> None:
        if channel not in self._looks and pressed.waiting:
            loop = asyncio.get_running_loop()
            when = loop.time() + max(wait, pressed.overdue)
            # One wake-up looks at the keys of many calls: nearly always AGI has told of them.
            shared = math.ceil(when / SHARED) * SHARED
            self._looks[channel] = loop.call_at(shared, self._look, channel)

    def _look(self, channel: str) -> None:
        """Hand a key in again when the line was quiet, it did not come, and it would be heard."""
        del self._looks[channel]
        pressed = self._calls.get(channel)
        if pressed is None or not pressed.waiting:
            return
        if not pressed.missing:
            self._look_later(channel, pressed, BUSY)
            return
        if self.bridge is not None and self.bridge.connected:
            task = asyncio.create_task(self._hand_in(channel, pressed.again()))
            self._handing.add(task)
            task.add_done_callback(self._handing.discard)
        self._look_later(channel, pressed, BUSY)

    async def _hand_in(self, channel: str, key: str) -> None:
        assert self.bridge is not None
        try:
            await self.bridge.send(PlayDTMF(channel, key, receive=True))
        except TelephonyFault as error:
            log.info("%s: a lost key could not be handed in again: %s", channel, error)
