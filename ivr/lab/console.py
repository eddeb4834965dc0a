"""A call at the keyboard: prompts are printed, keys and words are typed. The same engine.

Silence is an empty line, the end of input (Ctrl-D) hangs up, and `:commands` show what the caller
does not see. What is typed is keys when it is made of keys only, else it is spoken; a leading `"`
makes it spoken whatever it is. The clock is virtual, so silence and prompts take no time.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ivr import events
from ivr.call import CallInfo, Played, Question, Utterance
from ivr.engine import converse
from ivr.flow.model import Flow
from ivr.lab.given import Given
from ivr.lab.script import Act, ListJournal, ScriptCall, Turn, VirtualClock
from ivr.lab.trial import Around, come_back, services_of
from ivr.services import Lookup

KEYS: Final = re.compile(r"[0-9*#]+")
HELP: Final = """\
  keys or words    what the caller presses or says; "1 says one, instead of pressing it
  (empty line)     the caller stays silent
  Ctrl-D, :hangup  the caller hangs up
  :vars            what the flow knows now         :path     the steps so far
  :asked           what the question takes         :journal  everything that was written down
  :wait 30s        let time pass                   :help     this
"""

Read = Callable[[str], Awaitable[str | None]]
Write = Callable[[str], None]
Speak = Callable[[Utterance], Awaitable[None]]


@dataclass(frozen=True)
class Keyboard:
    """Where lines come from (None at the end of input) and go to; `speak` lets prompts be heard."""

    read: Read
    write: Write
    speak: Speak | None = None


class ConsoleCall(ScriptCall):
    """Implements `ivr.call.Call` at a keyboard."""

    def __init__(
        self, info: CallInfo, clock: VirtualClock, journal: ListJournal, keyboard: Keyboard
    ) -> None:
        super().__init__(info, [], clock)
        self._clock, self._journal, self._keyboard = clock, journal, keyboard

    async def tell(self, utterance: Utterance) -> Played:
        self._keyboard.write(f"  {utterance.text}")
        if self._keyboard.speak:
            await self._keyboard.speak(utterance)
        return await super().tell(utterance)

    async def next_turn(self, question: Question | None) -> Turn:
        while True:
            line = await self._keyboard.read("> " if question else "(recording) > ")
            if line is None or line.strip() == ":hangup":
                return Turn(Act.HANGS_UP)
            line = line.strip()
            if not line.startswith(":"):
                return self._turn_of(line, question)
            self._show(line[1:].strip(), question)

    def _turn_of(self, line: str, question: Question | None) -> Turn:
        if not line:
            return Turn(Act.SILENT)
        if question and question.keys and KEYS.fullmatch(line):
            return Turn(Act.PRESSES, line)
        if question and not question.words:
            self._keyboard.write("    (nobody listens for words here: that is silence)")
        return Turn(Act.SAYS, line.removeprefix('"'))

    def _show(self, command: str, question: Question | None) -> None:
        name, _, rest = command.partition(" ")
        if name == "wait":
            self._pass(rest)
            return
        shown = {"vars": self._variables, "path": self._path, "journal": self._entries}.get(name)
        lines: Sequence[str] = shown() if shown else HELP.splitlines()
        for line in (_asked(question) if name == "asked" else lines) or ["(nothing)"]:
            self._keyboard.write(f"    {line.strip()}")

    def _pass(self, text: str) -> None:
        match = re.fullmatch(r"\s*(\d+)\s*(s|m|h)?\s*", text)
        if match:
            self._clock.passed += int(match[1]) * {"m": 60, "h": 3600}.get(match[2] or "s", 1)
        self._keyboard.write(f"    it is {self._clock.now():%Y-%m-%d %H:%M:%S} now")

    def _variables(self) -> Sequence[str]:
        """The variables of the flow being run, as they were last set; secret ones are not shown."""
        frames: list[dict[str, str]] = [{}]
        for entry in self._journal.entries:
            event = entry.event
            if isinstance(event, events.StepEntered):
                del frames[event.depth + 1 :]
                frames += [{} for _ in range(event.depth + 1 - len(frames))]
            elif isinstance(event, events.VariableSet):
                frames[event.depth][event.name] = "(secret)" if event.secret else repr(event.value)
        return [f"{name} = {value}" for name, value in frames[-1].items()]

    def _path(self) -> Sequence[str]:
        return [
            f"{'  ' * entry.event.depth}{entry.event.flow}.{entry.event.step}"
            + (f"  ({entry.event.via})" if entry.event.via not in {"", "next", "start"} else "")
            for entry in self._journal.entries
            if isinstance(entry.event, events.StepEntered)
        ]

    def _entries(self) -> Sequence[str]:
        return [f"{entry.sequence:3} {entry.event}" for entry in self._journal.entries]

    async def wait(self, task: asyncio.Future[Any], timeout: float) -> bool:
        """Real work takes real time: a lookup in a database."""
        began = time.monotonic()
        done, _ = await asyncio.wait({task}, timeout=timeout)
        self._clock.passed += time.monotonic() - began
        return bool(done)


def _asked(question: Question | None) -> list[str]:
    if question is None:
        return ["a message is being recorded"]
    keys = question.keys
    lines = [f"words: {', '.join(question.words) or 'none'}"]
    if keys:
        finish = f", ended by {keys.finish}" if keys.finish else ""
        lines.append(f"keys: {keys.min} to {keys.max}{finish}; first after {keys.first:g} s")
    return lines


async def at_keyboard(
    flow: Flow,
    around: Around,
    keyboard: Keyboard,
    info: CallInfo,
    *,
    language: str = "",
    given: dict[str, Any] | None = None,
    lookup: Lookup | None = None,
    clock: VirtualClock | None = None,
    variables: dict[str, Any] | None = None,
) -> ListJournal:
    """Run one call at the keyboard. Lookups that are not `given` go to `lookup`."""
    clock, journal = clock or VirtualClock(), ListJournal()
    world = Given(given or {}, clock)
    call = ConsoleCall(info, clock, journal, keyboard)
    finder = _GivenFirst(world, lookup) if lookup else None
    services = services_of(around, world, journal, clock, finder)

    async def outcome() -> str:
        entered = [e.event for e in journal.entries if isinstance(e.event, events.StepEntered)]
        ways = around.library.get(entered[-1].flow).ways[entered[-1].step]
        if not ways:
            return ""
        keyboard.write(f"  -> {' '.join(call.went or ())}. How does the caller come back?")
        answer = await keyboard.read(f"({', '.join(ways)}, or empty: not at all) > ")
        return answer.strip() if answer and answer.strip() in ways else ""

    await converse(call, services, flow, language or flow.languages[0], variables)
    await come_back(call, services, journal, outcome)
    for name, data in world.done:
        keyboard.write(f"  (done: {name} {data})")
    failed = next((e.event for e in journal.entries if isinstance(e.event, events.Failed)), None)
    if failed:
        keyboard.write(f"  (failed at {failed.step}: {failed.message or failed.error})")
    end = "the caller hung up" if journal.ended == "caller_hung_up" else " ".join(call.went or ())
    keyboard.write(f"  -> {end.strip() or journal.ended}")
    return journal


class _GivenFirst:
    """Lookups answered by what is given, else by a database."""

    def __init__(self, given: Given, lookup: Lookup) -> None:
        self._given, self._lookup = given, lookup

    async def find(self, query: str, parameters: Any, deadline: float) -> Any:
        finder = self._given if self._given.has(f"query.{query}") else self._lookup
        return await finder.find(query, parameters, deadline)
