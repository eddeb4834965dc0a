"""Inputs from inputs: cut, doubled, spliced, flipped and peppered. Repeatable by their seed."""

from __future__ import annotations

import random
from collections.abc import Sequence

LONGEST = 4_096
NASTY = (
    b"", b"\0", b"\n", b"\r\n", b"\n\n", b"\r\n\r\n", b"\xff", b"\xc3", b"\xe2\x80\xa8",
    b"\xf0\x9f",
    b"(", b")", b"{", b"}", b"[", b"]", b'"', b"'", b"\\", b":", b": ", b"=", b"-", b"&a ", b"*a",
    b"<<: ", b"!!python/object:os.system ", b"- ", b"? ", b"{{", b"}}", b"{%", b"|", b"%s",
    b"9" * 40, b"-1", b"0", b"1e999", b"NaN", b"null", b"true", b"A" * 300, b"[" * 200, b"{" * 200,
    b"(" * 200, b"__class__", b"__mro__", b"..", b"\x01", b"\x02", b"\x03", b"\xd9\xa1",
)  # fmt: skip


class Mutator:
    """Makes inputs out of a corpus that grows with what turned out to be interesting."""

    def __init__(self, seed: int, corpus: Sequence[bytes], words: Sequence[bytes]) -> None:
        self.random = random.Random(seed)
        self._corpus = list(corpus)
        self._first = len(self._corpus)
        self._words = (*NASTY, *words)

    def keep(self, data: bytes) -> None:
        """It led somewhere new. The oldest that was found gives way; what came first stays."""
        if len(self._corpus) >= self._first + 2_000:
            del self._corpus[self._first]
        self._corpus.append(data)

    def make(self) -> bytes:
        """The next input."""
        pick = self.random
        data = bytearray(pick.choice(self._corpus))
        for _ in range(pick.choice((1, 1, 1, 2, 2, 3, 4, 8))):
            self._change(data)
        return bytes(data[:LONGEST])

    def pieces(self, data: bytes) -> list[bytes]:
        """The same bytes as a network would bring them."""
        cuts = sorted(self.random.randrange(len(data) + 1) for _ in range(self.random.randrange(4)))
        return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]

    def _change(self, data: bytearray) -> None:
        pick = self.random
        at = pick.randrange(len(data) + 1)
        end = min(len(data), at + int(pick.expovariate(0.1)))
        match pick.randrange(8):
            case 0 if data:
                data[min(at, len(data) - 1)] ^= 1 << pick.randrange(8)
            case 1:
                del data[at:end]
            case 2:
                data[at:at] = data[at:end] * pick.choice((1, 1, 2, 30))
            case 3:
                other = pick.choice(self._corpus)
                start = pick.randrange(len(other) + 1)
                data[at:end] = other[start : start + pick.randrange(1, 60)]
            case 4:
                data[at:end] = pick.choice(self._words)
            case 5:
                data[at:at] = bytes(pick.randrange(256) for _ in range(pick.randrange(1, 4)))
            case 6:
                other = pick.choice(self._corpus)
                data[at:] = other[pick.randrange(len(other) + 1) :]
            case _:
                data[at:at] = pick.choice(self._words)
