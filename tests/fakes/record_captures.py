"""Records `captures/agi/*.txt`: bytes of AGI conversations with a real Asterisk.

Run it as `python -m tests.fakes.record_captures [FOLDER]`. It starts an Asterisk of its own, calls
it with a SIP phone, and plays the AGI server. `tests/e2e/test_agi_captures.py` runs the same and
compares, so the captures stay true.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from cti.asterisk import Account, Asterisk, InstanceSettings, find_asterisk, free_ports
from cti.settings import Settings
from cti.softphone import OutgoingCall, Phone
from tests.fakes.captures_format import FOLDER, Capture, Turn, escaped, write_sounds

# Extension 5 is there so that a key could be taken for an extension by EXEC Background.
DIALPLAN = """
[santral-capture]
exten => 100,1,Answer()
 same => n,AGI({url}/inbound?call=0b6f&name=${{URIENCODE(Şükrü & Co+)}},one,two words)
 same => n,Hangup()
exten => 101,1,Set(CALLERID(all)="Müşteri" <05321234567>)
 same => n,AGI({url}/inbound?call=0b70)
 same => n,Hangup()
exten => 102,1,Answer()
 same => n,Set(AGIEXITONHANGUP=yes)
 same => n,AGI({url}/inbound?call=0b71)
 same => n,Hangup()
exten => 5,1,Hangup()
"""
QUIET = 0.15  # seconds without a byte: Asterisk has said what it had to say
RESULT = 'GET FULL VARIABLE "${READSTATUS}|${V}"'


def hang_up(line: str) -> Turn:
    return Turn(line, hang_up=True)


def press(keys: str, line: str, after: float = 0.2) -> Turn:
    return Turn(line, press=keys, after=after)


HALF, TWO = "{sounds}/half", "{sounds}/two"
SCENES: Mapping[str, tuple[str, list[Turn]]] = {
    "basic": (
        "101",
        [
            Turn("CHANNEL STATUS"), Turn("ANSWER"), Turn("CHANNEL STATUS"), Turn("ANSWER"),
            Turn("NOOP hello"), Turn("GET VARIABLE NOPE"), Turn('SET VARIABLE E ""'),
            Turn("GET VARIABLE E"), Turn('SET VARIABLE Q "a\\"b\\\\c d"'), Turn("GET VARIABLE Q"),
            Turn("NIX"), Turn("WAIT FOR DIGIT"), Turn("EXEC Nix"), Turn("EXEC Wait 0.05"),
            Turn('VERBOSE "hello" 3'),
            Turn('EXEC MSet "P=1,V=a\\\\, b \\\\(c\\\\) = d;e\\\\[f,W=2"'),
            Turn('GET FULL VARIABLE "[${P}|${V}|${W}]"'),
            Turn('EXEC MSet "V=${EXTEN},W=\\"x,y\\""'), Turn('GET FULL VARIABLE "[${V}|${W}]"'),
        ],
    ),
    "play": (
        "100",
        [
            Turn(f"EXEC Background {HALF}"), press("5", f'EXEC Background "{HALF}&{TWO}"', 0.7),
            press("#", f"EXEC Background {TWO}"), Turn(f"EXEC Playback {HALF}&{HALF}"),
            press("5", f"EXEC Playback {HALF}"), Turn("GET VARIABLE PLAYBACKSTATUS"),
            Turn(f"EXEC Background {HALF}&{{sounds}}/nix&{HALF}"),
            Turn("GET VARIABLE BACKGROUNDSTATUS"),
            Turn(f"EXEC Playback {HALF}&{{sounds}}/nix"), Turn("GET VARIABLE PLAYBACKSTATUS"),
            Turn('STREAM FILE {sounds}/nix ""'), Turn("CHANNEL STATUS"),
            press("2", f"STREAM FILE {TWO} 12"), Turn(f'STREAM FILE {HALF} ""'),
        ],
    ),
    "keys": (
        "100",
        [
            Turn("WAIT FOR DIGIT 100"), press("*", "WAIT FOR DIGIT 2000"),
            Turn('GET DATA "" 300 3'), press("12", 'GET DATA "" 500 3'),
            press("1#", 'GET DATA "" 500 3'), press("#", 'GET DATA "" 500 3'),
            press("123", 'GET DATA "" 500 3'), press("1*3", f"GET DATA {TWO} 500 3"),
            Turn(f"GET DATA {HALF} 200 1"), Turn("GET DATA {sounds}/nix 500 3"),
            press("1#2*", f'EXEC Read "V,{TWO},4,t,1,0.5"'), Turn(RESULT),
            press("1#*", f'EXEC Read "V,{TWO},4,t(*),1,0.5"'), Turn(RESULT),
            press("#", 'EXEC Read "V,,4,t(#),1,0.5"'), Turn(RESULT),
            press("12", 'EXEC Read "V,,4,t(#),1,0.5"'), Turn(RESULT),
            Turn('EXEC Read "V,,4,t(#),1,0.3"'), Turn(RESULT),
            Turn(f'EXEC Read "V,{{sounds}}/nix&{HALF},4,t(#),1,0.3"'), Turn(RESULT),
            Turn(f'EXEC Read "V,{HALF}&{{sounds}}/nix,4,t(#),1,0.3"'), Turn(RESULT),
            Turn("EXEC MSet TIMEOUT(digit)=1"), Turn('GET FULL VARIABLE "${TIMEOUT(digit)}"'),
        ],
    ),
    "record": (
        "100",
        [
            press("#", 'RECORD FILE {records}/a wav "#" 3000 0', 0.5),
            Turn('RECORD FILE {records}/a wav "#" 500 0'),
            Turn('RECORD FILE {records}/a wav "#" 8000 0 s=1'),
            press("#", 'RECORD FILE {records}/a wav "#" 8000 0 BEEP s=1', 0.05),
            press("#", 'RECORD FILE {records}/a wav "" 500 0'),
            Turn('RECORD FILE {records}/no/such/a wav "#" 500 0'),
            Turn('RECORD FILE {records}/a nofmt "#" 500 0'),
        ],
    ),
    "hangup-idle": ("100", [hang_up(""), Turn("ANSWER"), Turn("GET VARIABLE NOPE")]),
    "hangup-background": (
        "100",
        [
            hang_up(f"EXEC Background {TWO}"), Turn("ANSWER"), Turn("CHANNEL STATUS"),
            Turn("WAIT FOR DIGIT 100"), Turn('GET DATA "" 100 1'), Turn(f'STREAM FILE {HALF} ""'),
            Turn("RECORD FILE {records}/a wav # 100"), Turn(f"EXEC Background {HALF}"),
            Turn(f"EXEC Playback {HALF}"), Turn('EXEC Read "V,,1,t,1,1"'), Turn(RESULT),
            Turn("EXEC MSet A=1"), Turn("GET VARIABLE A"), Turn("SET VARIABLE B 2"), Turn("NOOP"),
            Turn('VERBOSE "hello" 3'), Turn("NIX"),
        ],
    ),
    "hangup-playback": ("100", [hang_up(f"EXEC Playback {TWO}")]),
    "hangup-read": ("100", [hang_up(f'EXEC Read "V,{TWO},4,t(#),1,2"'), Turn(RESULT)]),
    "hangup-getdata": ("100", [hang_up(f"GET DATA {TWO} 2000 3")]),
    "hangup-waitfordigit": ("100", [hang_up("WAIT FOR DIGIT 3000")]),
    "hangup-streamfile": ("100", [hang_up(f'STREAM FILE {TWO} ""')]),
    "hangup-record": ("100", [hang_up('RECORD FILE {records}/h wav "#" 3000 0')]),
    "hangup-wait": ("100", [hang_up("EXEC Wait 3")]),
    "hangup-exit": ("102", [hang_up("WAIT FOR DIGIT 3000")]),
}  # fmt: skip


class Recorder:
    """The AGI server of the recording. Calls run side by side, but come in one by one."""

    def __init__(self, phone: Phone, folder: Path) -> None:
        self._phone = phone
        self._folder = folder
        self._places = {"{sounds}": str(folder / "sounds"), "{records}": str(folder / "records")}
        self._entered: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
        self._entered = asyncio.Queue()
        self._door = asyncio.Lock()

    async def enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._entered.put((reader, writer))

    async def record(self, exten: str, turns: list[Turn]) -> Capture:
        async with self._door:
            call = await self._phone.dial(exten, wait=False)
            reader, writer = await asyncio.wait_for(self._entered.get(), 10)
        capture = Capture(await self._header(reader))
        for turn in turns:
            copy = Turn(turn.line, turn.press, turn.hang_up, turn.after)
            await self._take(copy, call, reader, writer)
            capture.turns.append(copy)
        writer.close()
        await call.hangup()
        return capture

    async def _header(self, reader: asyncio.StreamReader) -> list[str]:
        lines: list[str] = []
        while (line := await asyncio.wait_for(reader.readline(), 5)) != b"\n":
            lines.append(self._text(line))
        return [*lines, ""]

    async def _take(
        self,
        turn: Turn,
        call: OutgoingCall,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        if turn.line:
            line = turn.line
            for name, place in self._places.items():
                line = line.replace(name, place)
            writer.write(line.encode() + b"\n")
        caller = asyncio.create_task(_act(turn, call))
        patience = 15.0
        while True:
            try:
                line_back = await asyncio.wait_for(reader.readline(), patience)
            except TimeoutError:
                break
            if not line_back:
                turn.replies.append("(closed)")
                break
            turn.replies.append(self._text(line_back))
            patience = QUIET
        await caller

    def _text(self, line: bytes) -> str:
        text = escaped(line.removesuffix(b"\n"))
        for name, place in self._places.items():
            text = text.replace(place, name)
        return text


async def _act(turn: Turn, call: OutgoingCall) -> None:
    await asyncio.sleep(turn.after)
    if turn.press:
        await call.press(turn.press, tone_ms=80, gap_ms=60)
    if turn.hang_up:
        await call.hangup()


async def record_all(target: Path, work: Path) -> None:
    """Record every scene into `target`; `work` takes Asterisk's files and the sounds."""
    write_sounds(work / "sounds")
    (work / "records").mkdir()
    installation = await find_asterisk(Settings.from_environment().state, print)
    port = free_ports(1)[0]
    account = Account.fresh("caller", contacts=5, context="santral-capture", number="05321234567")
    settings = InstanceSettings.fresh(
        work / "asterisk",
        accounts=(account,),
        extra={"extensions.conf": DIALPLAN.format(url=f"agi://127.0.0.1:{port}")},
    )
    server_address = ("127.0.0.1", settings.sip_port)
    phone = Phone("caller", server=server_address, password=account.password)
    async with Asterisk(installation, settings), phone:
        recorder = Recorder(phone, work)
        server = await asyncio.start_server(recorder.enter, "127.0.0.1", port)
        async with server:
            scenes = [recorder.record(exten, turns) for exten, turns in SCENES.values()]
            for name, capture in zip(SCENES, await asyncio.gather(*scenes), strict=True):
                capture.about = f"{installation.title}, {name}: tests/fakes/record_captures.py"
                capture.write(target / f"{name}.txt")


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(record_all(folder, Path(temporary)))
