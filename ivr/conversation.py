"""One conversation: what is being said, on which line, where in the flow, and what is known.

A step gets the conversation as its one argument. Everything it says, hears, learns or does goes
through here, so that everything is journalled in one place and nothing secret gets past it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from ivr import events
from ivr.call import Call, Heard, HeardKind, Keys, Played, Question, Utterance
from ivr.errors import Fault
from ivr.events import Entry, Event
from ivr.expressions import Expression, Template
from ivr.services import Services

if TYPE_CHECKING:
    from ivr.flow.model import Flow

T = TypeVar("T")
_entry = tuple.__new__  # an event is written a few times a second by every call
HOLD_AFTER = 1.0  # seconds of silence before a waiting caller is asked to hold on
MOST_BACK = 20  # questions a caller can go back
DEEPEST = 20  # sub-flows in sub-flows


@dataclass(slots=True)
class Frame:
    """A flow being run: the one the call began with, or a sub-flow of it."""

    flow: Flow
    step: str
    variables: dict[str, Any] = field(default_factory=dict)
    visits: dict[str, int] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)  # the questions put, for `back`

    def enter(self, step: str) -> None:
        self.step = step
        if self.flow.steps[step].asks and (not self.asked or self.asked[-1] != step):
            self.asked.append(step)
            del self.asked[:-MOST_BACK]


class Conversation:
    """The running state of one call, made by the engine for a new call or a resumed one."""

    def __init__(self, call: Call, services: Services, flow: Flow, language: str) -> None:
        self.call = call
        self.services = services
        self.frames = [Frame(flow, flow.start)]
        self.language = language
        self.sequence = 0
        self._id = call.info.id
        self.begun = 1  # where in the journal it began; more than 1 when it began anew
        self.effects: dict[str, events.EffectDone] = {}  # by idempotency key
        self.tape = ""  # where the call itself is recorded, "" for nowhere
        self._facts = {
            "call": {
                "id": call.info.id,
                "caller": call.info.caller,
                "dialled": call.info.dialled,
                "direction": call.info.direction.value,
                "context": call.info.context,
            }
        }

    # What is known

    @property
    def frame(self) -> Frame:
        return self.frames[-1]

    @property
    def flow(self) -> Flow:
        return self.frames[-1].flow

    @property
    def variables(self) -> dict[str, Any]:
        """What an expression sees: the frame's variables and the reserved names."""
        return {**self._plain_variables(), "now": self.services.clock.now()}

    def _plain_variables(self) -> dict[str, Any]:
        """Without `now`, which few read and takes longer than all the rest."""
        frame = self.frames[-1]
        return {
            **frame.variables, **self._facts, "language": self.language, "visits": frame.visits,
        }  # fmt: skip

    def known_to(self, *sources: Template | Expression) -> dict[str, Any]:
        """What these see, at least."""
        if any("now" in source.names for source in sources):
            return self.variables
        return self._plain_variables()

    def set(self, name: str, value: Any, *, secret: bool = False) -> None:
        """Keep a value for the rest of the flow; a secret one is journalled without its value."""
        self.frame.variables[name] = value
        (self.frame.secrets.add if secret else self.frame.secrets.discard)(name)
        shown = None if secret else value
        self.note(events.VariableSet(name, shown, len(self.frames) - 1, secret))

    def is_secret(self, source: Template | Expression) -> bool:
        """Whether a value made from `source` would give a secret away."""
        return not self.frame.secrets.isdisjoint(source.names)

    def value(self, template: Template) -> Any:
        return template.value(self.known_to(template))

    def values(self, templates: Mapping[str, Template]) -> dict[str, Any]:
        known = self.known_to(*templates.values())
        return {name: template.value(known) for name, template in templates.items()}

    def holds(self, condition: Expression) -> bool:
        return condition.holds(self.known_to(condition))

    def speak(self, language: str) -> None:
        """Go on in another language."""
        self.language = language
        self.note(events.LanguageChosen(language))

    # What is written down

    def note(self, event: Event) -> None:
        self.sequence += 1
        services = self.services
        services.journal.write(
            Entry(self.call.info.id, self.sequence, services.clock.time(), event)
        )

    def failed(self, error: Exception) -> None:
        """Write down a fault that the conversation survives."""
        message = str(error) if isinstance(error, Fault) else ""
        self.note(events.Failed(type(error).__name__, message, self.flow.name, self.frame.step))

    async def once(
        self, kind: str, name: str, do: Callable[[str], Awaitable[tuple[str, Any]]]
    ) -> tuple[str, Any]:
        """Do something to the world once for this visit to the step.

        `do` gets the idempotency key (call, depth, step, visit) and gives an outcome and a result.
        A conversation that was taken up after it does not do it again; one that was cut in the
        middle does it with the same key, so that the other side can tell.
        """
        frame = self.frame
        visit = frame.visits.get(frame.step, 1)
        step = f"{frame.flow.name}.{frame.step}"
        # Who has to begin anew means what they choose then: that is another effect.
        call = self.call.info.id + (f"/{self.begun}" if self.begun > 1 else "")
        key = f"{call}:{len(self.frames) - 1}:{step}:{visit}"
        done = self.effects.get(key)
        if done is not None:
            return done.outcome, done.result
        with self.timed() as spent:
            outcome, result = await do(key)
        secret = any(self.is_secret(source) for source in frame.flow.steps[frame.step].sources())
        kept = None if secret else result
        self.note(events.EffectDone(kind, name, key, outcome, spent[0], kept))
        return outcome, result

    # What is said and heard

    def utterance(self, *names: str, turn: int = 0) -> Utterance:
        """The named prompts as one utterance in the caller's language.

        `turn` picks among a prompt's alternates, so that a question is not put twice alike.
        """
        parts = [self._said(name, turn) for name in names]
        if len(parts) == 1:
            return parts[0]
        pieces = tuple(chain.from_iterable(part.pieces for part in parts))
        secret = any(part.secret for part in parts)
        name = "+".join(names)
        return Utterance(name, self.language, pieces, self.flow.name, secret, tuple(parts))

    def _said(self, name: str, turn: int) -> Utterance:
        """One prompt as it is said now; a fixed text is the same one each time."""
        flow, language = self.frames[-1].flow, self.language
        template = flow.prompt(name).template(language, turn)
        if template.names:
            pieces, secret = template.pieces(self.known_to(template)), self.is_secret(template)
            return Utterance(name, language, pieces, flow.name, secret)
        key = (name, language, turn)
        said = flow.fixed_utterances.get(key)
        if said is None:
            pieces = template.pieces({})
            said = flow.fixed_utterances[key] = Utterance(name, language, pieces, flow.name)
        return said

    def utterance_with(
        self, name: str, values: Mapping[str, Any], *, secret: bool = False
    ) -> Utterance:
        """A prompt with values of the moment beside what is known."""
        template = self.flow.prompt(name).template(self.language)
        pieces = template.pieces({**self.variables, **values})
        return Utterance(name, self.language, pieces, self.flow.name, secret)

    async def say(self, *names: str, turn: int = 0, barge_in: bool = True) -> None:
        utterance = self.utterance(*names, turn=turn)
        if utterance.secret and self.tape:
            async with self._off_the_tape():
                played = await self.call.say(utterance, barge_in=barge_in)
        else:
            played = await self.call.say(utterance, barge_in=barge_in)
        self._note_played(utterance, played)

    async def ask(self, question: Question) -> Heard:
        """Put a question on the line. Every one ends in exactly one `Heard`."""
        said = question.utterance is not None and question.utterance.secret
        if self.tape and (question.secret or said):
            async with self._off_the_tape():
                heard = await self.call.ask(question)
        else:
            heard = await self.call.ask(question)
        if question.utterance is not None and heard.played is not None:
            self._note_played(question.utterance, heard.played)
        return heard if heard.secret == question.secret else replace(heard, secret=question.secret)

    async def put_question(
        self, prompt: str, keys: Keys, words: tuple[str, ...] = (), *, secret: bool = False
    ) -> Heard:
        """Ask one prompt once."""
        said = self.flow.prompt(prompt)
        utterance = self.utterance(prompt)
        question = Question(
            utterance, keys, words, barge_in=said.barge_in, flush=said.flush, secret=secret
        )
        return await self.ask(question)

    def note_heard(self, heard: Heard, answer: str | None) -> None:
        """Write an answer down: what was heard and what it was understood as."""
        trouble = heard.trouble.value if heard.trouble else ""
        if heard.kind is HeardKind.NOTHING:
            self.note(events.Heard(heard.kind.value, "", answer=answer, trouble=trouble))
            return
        text, answer = (None, None) if heard.secret else (heard.text, answer)
        others = {} if heard.secret else {one.text: one.confidence for one in heard.alternatives}
        self.note(
            events.Heard(
                heard.kind.value, text, heard.confidence, answer, heard.secret, trouble, others
            )
        )

    def _note_played(self, utterance: Utterance, played: Played) -> None:
        text = None if utterance.secret else utterance.text
        self.note(
            events.PromptPlayed(
                utterance.prompt, utterance.language, text, played.ms, played.interrupted
            )
        )

    # What is recorded

    async def tape_call(self) -> None:
        """Record the call from here on. What already is is gone on with."""
        name = "call"
        self.tape = self.services.recordings.place(self.call.info.id, name)
        await self.call.tape(self.tape)
        self.note(events.CallTaped(name, self.tape))

    @asynccontextmanager
    async def _off_the_tape(self) -> AsyncIterator[None]:
        """What is secret is on no tape, neither asked nor answered nor read back."""
        await self.call.untape()
        yield
        await self.call.tape(self.tape)

    # What is waited for

    async def while_holding(self, work: Awaitable[T], deadline: float) -> T:
        """Wait for `work` with the caller on the line: keys are kept, and after a second the caller
        hears that it takes a moment. `TimeoutError` when the deadline (seconds) is over."""
        task = asyncio.ensure_future(work)
        try:
            if not await self.call.wait(task, min(HOLD_AFTER, deadline)):
                if deadline <= HOLD_AFTER:
                    raise TimeoutError
                started = self.services.clock.monotonic()
                await self.say("santral_hold")
                spoken = self.services.clock.monotonic() - started
                if not await self.call.wait(task, max(0.0, deadline - HOLD_AFTER - spoken)):
                    raise TimeoutError
            return task.result()
        finally:
            task.cancel()

    @contextmanager
    def timed(self) -> Iterator[list[float]]:
        """A list that holds the milliseconds spent in the block once it has been left."""
        started, spent = self.services.clock.monotonic(), [0.0]
        try:
            yield spent
        finally:
            spent[0] = round((self.services.clock.monotonic() - started) * 1000, 3)

    # Where it goes

    def question_before(self) -> str:
        """The question that was put before the one being run, or that one when it is the first."""
        asked = self.frame.asked
        if asked:
            asked.pop()  # the one being run
        return asked.pop() if asked else self.frame.step

    def goto(self, step: str, via: str) -> None:
        """Enter `step` of the flow being run."""
        frame = self.frames[-1]
        frame.enter(step)
        visit = frame.visits[step] = frame.visits.get(step, 0) + 1
        flow = frame.flow
        self.note(
            events.StepEntered(
                flow.name, step, flow.steps[step].type, via, visit, len(self.frames) - 1,
                flow.version,
            )
        )  # fmt: skip

    def enter(self, flow: Flow, values: Mapping[str, Any], secrets: AbstractSet[str]) -> None:
        """Go into a sub-flow with `values` as its first variables."""
        if len(self.frames) > DEEPEST:
            raise Fault(f"sub-flows are nested more than {DEEPEST} deep at '{flow.name}'")
        self.frames.append(Frame(flow, flow.start))
        self.goto(flow.start, "call")
        for name, value in values.items():
            self.set(name, value, secret=name in secrets)

    def leave(self) -> tuple[dict[str, Any], bool]:
        """Return from a sub-flow: the values it gives back, and whether they are secret."""
        done = self.frames.pop()
        result = {name: done.variables.get(name) for name in done.flow.returns}
        return result, not done.secrets.isdisjoint(result)
