"""A call's events as people read them: what was said and heard, when, and the way it went. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from ivr import events
from ivr.events import Entry

HIDDEN: Final = "•••"  # stands for what was secret
LONGEST: Final = 100  # characters of a value that are shown


@dataclass(frozen=True, slots=True)
class Line:
    """`at`: seconds since the call began. `who`: caller, us, step or note. `depth` of sub-flows."""

    at: float
    who: str
    text: str
    depth: int = 0
    kind: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "at": round(self.at, 3), "who": self.who, "text": self.text, "depth": self.depth,
            "kind": self.kind,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Transcript:
    """A call told: its head, its lines in order, and its path as `flow.step`."""

    call: str
    started_at: datetime
    seconds: float
    ended: str
    head: str
    path: tuple[str, ...]
    lines: tuple[Line, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "call": self.call, "started_at": self.started_at.isoformat(),
            "seconds": round(self.seconds, 3), "ended": self.ended, "path": list(self.path),
            "lines": [line.to_dict() for line in self.lines],
        }  # fmt: skip


def transcript(entries: Sequence[Entry]) -> Transcript:
    """What happened in a call. ValueError when there is no event at all."""
    if not entries:
        raise ValueError("a call without events has no transcript")
    begun = entries[0].at
    lines = [line for entry in entries for line in lines_of(entry, begun)]
    # A prompt is journalled when it is over; it is told where it began.
    lines.sort(key=lambda line: line.at)
    ended = [entry.event.why for entry in entries if isinstance(entry.event, events.CallEnded)]
    over = isinstance(entries[-1].event, events.CallEnded)
    return Transcript(
        call=entries[0].call,
        started_at=datetime.fromtimestamp(begun, UTC),
        seconds=entries[-1].at - begun,
        ended=ended[-1] if over and ended else "",
        head=_head(entries),
        path=path(entries),
        lines=tuple(lines),
    )


def path(entries: Iterable[Entry]) -> tuple[str, ...]:
    """The steps a call went through, as `flow.step`, in order."""
    steps = (entry.event for entry in entries if isinstance(entry.event, events.StepEntered))
    return tuple(f"{step.flow}.{step.step}" for step in steps)


def render(told: Transcript, zone: tzinfo = UTC) -> str:
    """A transcript as text, with the times of `zone`."""
    start = told.started_at.astimezone(zone)
    end = told.ended or "still going on"
    lines = [
        f"{told.call}  {start:%Y-%m-%d %H:%M:%S %Z}  {clock(told.seconds)}  {end}",
        told.head,
        "",
    ]
    marks = {"caller": "<", "us": ">", "step": "-", "note": " "}
    for line in told.lines:
        indent = "  " * line.depth
        lines.append(f"{clock(line.at):>9}  {indent}{marks[line.who]} {line.text}")
    if told.path:
        lines += ["", "Path: " + " > ".join(told.path)]
    return "\n".join(lines) + "\n"


def clock(seconds: float) -> str:
    """Seconds as `1:02.5` (tenths), or `1:01:02.5` from an hour on."""
    tenths = round(max(0.0, seconds) * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    end = f"{rest // 10:02}.{rest % 10}"
    return f"{hours}:{minutes:02}:{end}" if hours else f"{minutes}:{end}"


def _head(entries: Sequence[Entry]) -> str:
    for entry in entries:
        if isinstance(event := entry.event, events.CallStarted):
            caller = event.caller or "withheld"
            version = event.version.removeprefix("sha256:")[:8]
            about = f"{event.flow} {version} ({event.language})"
            return f"{caller} -> {event.dialled or '?'}  {event.direction}  {about}"
    return "the beginning is missing"


def lines_of(entry: Entry, begun: float) -> Iterable[Line]:
    """What an entry tells, none for most; `begun` is when its call began."""
    say = _SAY.get(entry.kind)
    if say is None:
        return
    who, depth, text = say(entry.event)
    at = entry.at - begun
    if isinstance(entry.event, events.PromptPlayed):
        at = max(0.0, at - entry.event.ms / 1000)
    yield Line(at, who, text, depth, entry.kind)


Said = tuple[str, int, str]


def _started(event: Any) -> Said:
    return "note", 0, f"the call began in {event.flow}, in {event.language}"


def _resumed(event: Any) -> Said:
    if event.outcome:
        return "note", 0, f"back from the transfer: {event.outcome}"
    return "note", 0, f"taken up again (entry {event.entry})"


def _step(event: Any) -> Said:
    via = f", by {event.via}" if event.via and event.via != "start" else ""
    visit = f", visit {event.visit}" if event.visit > 1 else ""
    name = event.step if event.depth == 0 else f"{event.flow}.{event.step}"
    return "step", event.depth, f"{name} ({event.type}{via}{visit})"


def _played(event: Any) -> Said:
    text = HIDDEN if event.text is None else f"“{event.text}”"
    cut = ", cut short" if event.interrupted else ""
    return "us", 0, f"{text}  {event.ms / 1000:.1f} s{cut}"


def _heard(event: Any) -> Said:
    if event.kind == "nothing":
        return "caller", 0, "(silence)"
    if event.kind == "hangup":
        return "caller", 0, "(hung up)"
    text = HIDDEN if event.secret or event.text is None else event.text
    said = f"keyed {text}" if event.kind == "keys" else f"said “{text}”"
    if event.kind == "speech":
        said += f" ({event.confidence:.0%})"
    same = event.answer is None or event.secret or event.answer == event.text
    return "caller", 0, said if same else f"{said}, understood as {event.answer}"


def _looked_up(event: Any) -> Said:
    return "note", 0, f"looked up {event.query}: {event.outcome}  {event.ms:.0f} ms"


def _effect(event: Any) -> Said:
    return "note", 0, f"{event.kind} {event.name}: {event.outcome}  {event.ms:.0f} ms"


def _variable(event: Any) -> Said:
    value = HIDDEN if event.secret else _short(event.value)
    return "note", event.depth, f"{event.name} = {value}"


def _language(event: Any) -> Said:
    return "note", 0, f"goes on in {event.language}"


def _transferred(event: Any) -> Said:
    why = f" ({event.why})" if event.why else ""
    return "note", 0, f"transferred to {event.kind} {event.to}{why}"


def _recorded(event: Any) -> Said:
    return "caller", 0, f"recorded {event.name}  {event.ms / 1000:.1f} s, ended by {event.ended_by}"


def _rated(event: Any) -> Said:
    return "caller", 0, f"rated {event.question}: {event.mark} ({event.scale})"


def _failed(event: Any) -> Said:
    where = f" in {event.flow}.{event.step}" if event.step else ""
    return "note", 0, f"FAILED{where}: {event.error} {event.message}".rstrip()


def _ended(event: Any) -> Said:
    where = f" in {event.flow}.{event.step}" if event.step else ""
    return "note", 0, f"the call ended{where}: {event.why}"


def _taped(event: Any) -> Said:
    return "note", 0, "the call is recorded from here on"


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{name}: {_short(part)}" for name, part in value.items())
        text = f"{{{inner}}}"
    else:
        text = str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


_SAY: Final[Mapping[str, Callable[[Any], Said]]] = {
    "CallStarted": _started, "CallResumed": _resumed, "StepEntered": _step,
    "PromptPlayed": _played, "Heard": _heard, "LookupDone": _looked_up, "EffectDone": _effect,
    "VariableSet": _variable, "LanguageChosen": _language, "Transferred": _transferred,
    "RecordingMade": _recorded, "CallTaped": _taped, "Rated": _rated, "Failed": _failed,
    "CallEnded": _ended,
}  # fmt: skip
