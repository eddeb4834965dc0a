"""The peer: the demo's order call in Asterisk's own dialplan, as an experienced hand writes it.

It is made as cheap as it can be: the order's status lies in AstDB ready to be played, so that one
look finds it, and nothing is written down. `901` runs it, `902` the panoramisk script.
"""

from __future__ import annotations

import asyncio
from typing import Final

from cti.asterisk import Asterisk
from cti.demo_shop import ORDER

NATIVE: Final = "901"
PANORAMISK: Final = "902"
FAMILY: Final = "bench-orders"
DIALPLAN: Final = """
[santral-inbound](+)
exten => {native},1,Goto(bench-native,s,1)
exten => {panoramisk},1,AGI({url})
 same => n,Hangup()

[bench-native]
exten => s,1,Answer()
 same => n,Background({welcome})
 same => n(main),Background({main})
 same => n,WaitExten(5)
exten => 1,1,Read(NUMBER,{ask_number},8,,1,3)
 same => n,Set(STATUS=${{DB({family}/${{NUMBER}})}})
 same => n,GotoIf($["${{STATUS}}" = ""]?sorry,1)
 same => n,Background(${{STATUS}})
 same => n,Background({goodbye})
 same => n,Hangup()
exten => sorry,1,Background({sorry})
 same => n,Hangup()
exten => i,1,Goto(s,main)
exten => t,1,Goto(sorry,1)

[bench-orders]
exten => s,1,Set(DB({family}/{order})={status})
 same => n,Hangup()
"""


def dialplan(sounds: dict[str, str], url: str) -> str:
    """The text to put behind extensions.conf. `sounds` are files by prompt, joined by `&`."""
    return DIALPLAN.format(
        native=NATIVE, panoramisk=PANORAMISK, family=FAMILY, order=ORDER, url=url, **sounds
    )


async def put_order(asterisk: Asterisk) -> None:
    """Put the order into AstDB, where the dialplan looks for it. By a call, since a command of the
    console has no room for so many files."""
    await asterisk.command("channel originate Local/s@bench-orders application NoOp")
    async with asyncio.timeout(5):
        while f"/{FAMILY}/{ORDER}" not in await asterisk.command(f"database show {FAMILY}"):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
