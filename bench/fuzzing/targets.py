"""What is fuzzed. A target is given one input and says in a word or two where it led.

It raises only when something is wrong: an exception that is none of ours, a message that depends on
how the network cut the bytes, a buffer without bounds, a text that got out of its sandbox.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from bench.fuzzing.mutate import Mutator
from cti.ami import framing, reading
from cti.settings import CHECKOUT
from cti.softphone import sip
from ivr.agi import protocol
from ivr.errors import BadAeap, BadAgi, BadAmi, BadInput, ExpressionFault, SantralError
from ivr.expressions import MAX_TEXT, Expression, Template
from ivr.flow.loader import load_text
from ivr.speech import aeap

CAPTURES: Final = CHECKOUT / "tests/fakes/captures"
VALUES: Final[dict[str, Any]] = {
    "order": {"number": "1234", "total": Decimal("459.90"), "items": 3, "lines": ["a", "b"]},
    "name": "Ayşe\x01", "language": "tr", "answer": "2", "empty": "", "none": None, "yes": True,
}  # fmt: skip
Run = Callable[[bytes, Mutator], str]


@dataclass(frozen=True)
class Target:
    """`share` of all inputs go to it; `words` are what its language is made of."""

    name: str
    run: Run
    corpus: Callable[[], Sequence[bytes]]
    words: tuple[bytes, ...]
    share: float


class Wrong(Exception):
    """What must never happen."""


def agi(data: bytes, mutator: Mutator) -> str:
    """Header, replies and hang-ups of one AGI connection."""
    return _stream(data, mutator, _agi_messages, BadAgi)


def _agi_messages(pieces: Iterable[bytes]) -> tuple[list[Any], bool]:
    decoder, found = protocol.Decoder(), []
    try:
        for piece in pieces:
            found += decoder.receive(piece)
    except BadAgi:
        return found, True
    return found, False


def ami(data: bytes, mutator: Mutator) -> str:
    """The Manager's messages, and the typed events they become."""
    return _stream(data, mutator, _ami_messages, BadAmi)


def _ami_messages(pieces: Iterable[bytes]) -> tuple[list[Any], bool]:
    framer, found = framing.Framer(), []
    try:
        for piece in pieces:
            for message in framer.feed(piece):
                found.append((message, reading.typed(message, 0.0)))
    except BadAmi:
        return found, True
    return found, False


def _stream(
    data: bytes,
    mutator: Mutator,
    read: Callable[[Iterable[bytes]], tuple[list[Any], bool]],
    bad: type[SantralError],
) -> str:
    """What is read does not depend on how the network cuts it, up to where it is refused."""
    whole, refused = read([data])
    cut, refused_too = read(mutator.pieces(data))
    if refused != refused_too:
        raise Wrong(f"{bad.__name__} depends on the packets")
    shorter = min(len(whole), len(cut)) if refused else max(len(whole), len(cut))
    if repr(whole[:shorter]) != repr(cut[:shorter]):
        raise Wrong("the messages depend on the packets")
    kinds = {_shape(one) for one in whole}
    return f"{'refused' if refused else 'read'} {min(len(whole), 9)} {sorted(kinds)}"


def _shape(message: Any) -> str:
    code = getattr(message, "code", "")
    event = message[1] if isinstance(message, tuple) and len(message) == 2 else message
    return f"{type(event).__name__}{code if isinstance(code, int) and code < 1000 else ''}"


def speech(data: bytes, mutator: Mutator) -> str:
    """What Asterisk tells the listener, and the engine's question in it."""
    text = data.decode("utf-8", "replace")
    try:
        message = aeap.parse(text)
    except BadAeap as error:
        return f"refused {str(error)[:20]}"
    told = type(message).__name__
    if isinstance(message, aeap.Setup):
        aeap.accept(message)
    elif isinstance(message, aeap.Get):
        aeap.tell(message, "x")
    elif isinstance(message, aeap.Set):
        aeap.done(message)
        for value in message.params.values():
            try:
                aeap.Asked.from_json(value)
                told += " asked"
            except BadInput:
                told += " not asked"
    return told[:60]


def flow(data: bytes, mutator: Mutator) -> str:
    """A flow's file: YAML with our own limits, then the whole model."""
    try:
        loaded = load_text(data.decode("utf-8", "replace"))
    except SantralError as error:
        findings = getattr(error, "findings", ())
        return f"refused {sorted({one.code for one in findings})}"
    return f"loaded {min(len(loaded.steps), 9)}"


def expression(data: bytes, mutator: Mutator) -> str:
    """Texts of flow editors: nothing of ours is reached, and little is spent."""
    source = data.decode("utf-8", "replace")
    environment = dict(os.environ)
    told = []
    for make in (Template, Expression):
        try:
            read = make(source)
        except BadInput as error:
            told.append(str(error)[:16])
            continue
        try:
            value = read.text(VALUES) if isinstance(read, Template) else read.evaluate(VALUES)
        except ExpressionFault as error:
            told.append(f"fault {type(error.__cause__).__name__}")
            continue
        _harmless(value)
        told.append(type(value).__name__)
    if dict(os.environ) != environment:
        raise Wrong("the environment was changed")
    return " ".join(told)


def _harmless(value: Any) -> None:
    if isinstance(value, (str, list, tuple, dict)) and len(value) > 20 * MAX_TEXT:
        raise Wrong(f"a value of {len(value)}")
    plain = (str, int, float, bool, list, tuple, dict, Decimal, type(None))
    if not isinstance(value, plain):
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        if kind not in {"markupsafe.Markup", "builtins.slice", "builtins.range"}:
            raise Wrong(f"a value of the type {kind} got out")


def sip_message(data: bytes, mutator: Mutator) -> str:
    """Our own SIP caller reads what a server sends."""
    try:
        message = sip.parse(data)
    except SantralError as error:
        return f"refused {str(error)[:20]}"
    return type(message).__name__


def _files(*patterns: str) -> list[bytes]:
    found = [path for pattern in patterns for path in sorted(CHECKOUT.glob(pattern))]
    return [path.read_bytes()[:3_000] for path in found]


def _agi_corpus() -> list[bytes]:
    """Asterisk's own side of the captured connections, and what it says more rarely."""
    taken = [_theirs(path.read_text("utf-8")) for path in sorted(CAPTURES.glob("agi/*.txt"))]
    header = b"agi_network: yes\nagi_request: agi://x\nagi_arg_1: k\n\n"
    rare = (
        b"520-Invalid\nUsage: X\n520 End of proper usage.\n", b"511 Command Not Permitted\n",
        b"200 result=1 (a\nb)\n", b"200 result=-1 endpos=160\nHANGUP\n", b"100 result=0 Trying\n",
        b"200 result=1512 (timeout) endpos=4000\n", b"510 Invalid or unknown command\n",
    )  # fmt: skip
    return [text for text in taken if text] + [header + line for line in rare]


def _theirs(text: str) -> bytes:
    lines = [line for line in text.splitlines() if line[:1] in {"<", "a", "2", "5", "H"}]
    return "\n".join(line.removeprefix("< ") for line in lines).encode()[:3_000]


def _ami_corpus() -> list[bytes]:
    greeting = b"Asterisk Call Manager/11.0.0\r\n"
    found = []
    for data in _files("tests/fakes/captures/ami/*.ami"):
        body = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        found += [greeting + body[at : at + 1_200] for at in range(0, len(body), 1_200)]
    return found or [greeting]


def _aeap_corpus() -> list[bytes]:
    asked = aeap.Asked("q1", "tr", ("evet", "hayır"), barge_in=True).to_json()
    return [
        b'{"request":"setup","version":"0.1.0","codecs":[{"name":"slin"}],'
        b'"params":{"language":"tr"},"id":"1"}',
        b'{"request":"set","params":{"phrases":"evet|hay\xc4\xb1r"},"id":"2"}',
        b'{"request":"get","params":["results"],"id":"3"}',
        b'{"response":"set","id":"r1"}',
        b'{"response":"set","id":"r1","error_msg":"no"}',
        ('{"request":"set","params":{"question":' + _quoted(asked) + '},"id":"4"}').encode(),
    ]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _flow_corpus() -> list[bytes]:
    return _files(
        "scenarios/*.yaml", "tests/ivr/steps/*.yaml", "tests/ivr/flow/defects/good/*.yaml"
    )


def _expression_corpus() -> list[bytes]:
    return [
        b"order.total > 500 and name == 'x'", b"{{ order.number | digits }}",
        b"Siparis {{ order.number }}.{% if order.items > 2 %}cok{% else %}az{% endif %}",
        b"order.lines[0] ~ order.lines[1:2] | join(', ')", b"'a' in order.lines and not none",
        b"{{ name | default('x') | upper | truncate(3) }}", b"(order.items + 2) * 3 // 2 % 5",
        b"{{ ''.__class__.__mro__[1].__subclasses__() }}", b"{{ order['__class__'] }}",
        b"{{ 'x' * 9999999 }}", b"{{ name | length | round(2) }}", b"answer is defined",
        b"{{ order.total | money }}",
    ]  # fmt: skip


def _sip_corpus() -> list[bytes]:
    return _files("tests/cti/softphone/captures/*.sip")


_YAML = (b"steps:\n", b"start: ", b"flow: ", b"type: menu\n", b"prompt: ", b"next: ", b"options:\n")
_JINJA = (
    b" | money",
    b" | date",
    b" | digits",
    b" if ",
    b" else ",
    b" is defined",
    b".items",
    b"[0]",
)
TARGETS: Final = {
    target.name: target
    for target in (
        Target("agi", agi, _agi_corpus, (b"200 result=", b"520-", b"HANGUP\n", b"agi_"), 0.36),
        Target("ami", ami, _ami_corpus, (b"Event: Hangup\r\n", b"ChanVariable: a=b\r\n"), 0.14),
        Target(
            "aeap", speech, _aeap_corpus, (b'"request":"set"', b'"params":{', b'"id":"1"'), 0.26
        ),
        Target("sip", sip_message, _sip_corpus, (b"SIP/2.0 ", b"Via: ", b"Contact: <sip:"), 0.19),
        Target("expression", expression, _expression_corpus, _JINJA, 0.04),
        Target("flow", flow, _flow_corpus, _YAML, 0.01),
    )
}
CRASHES: Final = CHECKOUT / "tests/fuzz/crashes"


def crashes(name: str) -> list[Path]:
    """Inputs that once broke a target; each is a test for ever."""
    return sorted((CRASHES / name).glob("*.bin"))
