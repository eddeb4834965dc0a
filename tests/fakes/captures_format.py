"""Byte captures of AGI conversations: text files that a person can read, and a fake can repeat.

```
# Asterisk 22.10.1                      said by the recorder
= context santral-capture               the same
@ press 5 after 0.2                     what the caller does while the next command runs
> EXEC Background "{sounds}/half"       we sent this line
< 200 result=53                         Asterisk sent this line
```
Bytes that are not printable ASCII are written as Python escapes. `{sounds}` and `{records}` stand
for directories, and the sounds are `half` (0.5 s) and `two` (2 s) of silence.
"""

from __future__ import annotations

import re
import wave
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent / "captures/agi"
SOUNDS = {"half": 0.5, "two": 2.0}
# What differs from run to run and says nothing: positions, what is left of a limit, a usage's words.
_VOLATILE = (
    (re.compile(r"endpos=[1-9]\d*"), "endpos=N"),
    (re.compile(r"result=\d{3,} \(timeout\)"), "result=LEFT (timeout)"),
)


@dataclass
class Turn:
    """One command: what the caller does meanwhile, the line, and all lines that came back.

    An empty `line` stands for silence on our side: what comes then comes by itself.
    """

    line: str = ""
    press: str = ""
    hang_up: bool = False
    after: float = 0.2
    replies: list[str] = field(default_factory=list)

    @property
    def said(self) -> list[str]:
        """The replies without what differs from run to run."""
        lines = [line for line in self.replies if not self.replies[0].startswith("520-")]
        if not lines and self.replies:  # of a usage text its first and last line count
            lines = [self.replies[0], *self.replies[-1:]]
        for pattern, word in _VOLATILE:
            lines = [pattern.sub(word, line) for line in lines]
        return lines


@dataclass
class Capture:
    """One call: the header's lines and the turns."""

    header: list[str] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    about: str = ""

    def write(self, path: Path) -> None:
        text = f"# {self.about}\n" + "".join(f"< {line}\n" for line in self.header)
        for turn in self.turns:
            if turn.press:
                text += f"@ press {turn.press} after {turn.after:g}\n"
            if turn.hang_up:
                text += f"@ hang up after {turn.after:g}\n"
            text += f"> {turn.line}\n" + "".join(f"< {line}\n" for line in turn.replies)
        path.write_text(text)

    @classmethod
    def read(cls, path: Path) -> Capture:
        capture = cls()
        coming = Turn()
        for line in path.read_text().splitlines():
            mark, text = line[:1], line[2:]
            if mark == "#":
                capture.about = text
            elif mark == "@":
                what, after = text.rsplit(" after ", 1)
                coming.after = float(after)
                coming.hang_up = what == "hang up"
                coming.press = what.removeprefix("press ") if not coming.hang_up else ""
            elif mark == ">":
                coming.line = text
                capture.turns.append(coming)
                coming = Turn()
            elif mark == "<":
                (capture.turns[-1].replies if capture.turns else capture.header).append(text)
        return capture


def captures() -> list[Path]:
    return sorted(FOLDER.glob("*.txt"))


def escaped(data: bytes) -> str:
    """A line as it is written into a capture."""
    return data.decode("ascii", "backslashreplace").replace("\r", "\\r").replace("\0", "\\0")


def write_sounds(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, seconds in SOUNDS.items():
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(bytes(int(16_000 * seconds)))
