"""The loop: run a step, take the way its outcome leads, until the conversation is over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from ivr import events
from ivr.call import Call
from ivr.conversation import Conversation
from ivr.errors import CallerHungUp, Fault, LineLost, StepBudgetExceeded
from ivr.flow.model import Flow
from ivr.services import Services
from ivr.steps.base import ENTERED, RETURN
from ivr.steps.call import CallFlow
from ivr.steps.commands import BACK

BUDGET: Final = 1_000  # steps in one call; a caller who keys without pause stays far below
FALLBACK: Final = (
    "santral-fallback"  # the queue of callers whose call broke, if the flow names none
)
log = logging.getLogger(__name__)


async def converse(
    call: Call,
    services: Services,
    flow: Flow,
    language: str,
    variables: Mapping[str, Any] | None = None,
    after: int = 0,
) -> None:
    """A new call, from its first step to its end. Never raises but for cancellation.

    `variables` are those that the flow `takes`, from an outbound job say. `after` is the place in
    the journal after which it writes: of a call that has a past which cannot be gone on with.
    """
    talk = Conversation(call, services, flow, language)
    talk.sequence, talk.begun = after, after + 1
    info = call.info
    talk.note(
        events.CallStarted(
            flow.name, flow.version, language, info.caller, info.dialled, info.direction.value,
            info.channel, dict(info.context),
        )
    )  # fmt: skip
    talk.goto(flow.start, "start")
    for name, value in (variables or {}).items():
        talk.set(name, value)
    await carry_on(talk)


async def take_up(talk: Conversation) -> None:
    """A call that came back: after a crash with the question again, from a transfer by its way."""
    info = talk.call.info
    talk.note(events.CallResumed(info.entry, info.channel, info.outcome))
    if info.outcome in talk.flow.ways[talk.frame.step]:
        await carry_on(talk, outcome=info.outcome)
    else:
        await carry_on(talk, interrupted=True)


async def carry_on(talk: Conversation, *, outcome: str = "", interrupted: bool = False) -> None:
    """Run a conversation from where it stands to its end, whatever happens on the way. With an
    `outcome` the step it stands at is over, and was left by that.

    A cancelled conversation is not over: the dialplan comes back with the caller, and the next
    engine takes it up from the journal.
    """
    why = "failed"
    try:
        await talk.call.answer()
        if talk.tape:  # an engine that died may have left it stopped
            await talk.call.tape(talk.tape)
        elif talk.flow.record_calls and not interrupted and not outcome:
            await talk.flow.record_calls.begin(talk)
        if interrupted:
            # What is keyed meanwhile was for the engine that died, and is perhaps the rest of an
            # answer whose beginning went with it: the question is put again, and answered whole.
            await talk.say("santral_resumed", barge_in=False)
        if outcome:
            follow(talk, outcome)
        why = await run_flow(talk)
    except CallerHungUp:
        why = "caller_hung_up"
    except asyncio.CancelledError:
        why = ""
        raise
    except LineLost as error:
        why = "line_lost"
        log.warning("call %s: %s", talk.call.info.id, error)
    except Exception as error:
        why = await _rescue(talk, error)
    finally:
        if why:
            talk.note(events.CallEnded(why, talk.flow.name, talk.frame.step))


async def run_flow(talk: Conversation) -> str:
    """The loop itself; why the conversation is over."""
    for _ in range(BUDGET):
        frame = talk.frames[-1]
        step = frame.flow.steps[frame.step]
        outcome = await step.run(talk)
        if outcome is None:
            return step.type
        if outcome == ENTERED:
            continue
        if outcome == BACK:
            talk.goto(talk.question_before(), outcome)
        else:
            follow(talk, outcome)
    raise StepBudgetExceeded(f"more than {BUDGET} steps; the last was '{talk.frame.step}'")


def follow(talk: Conversation, outcome: str) -> None:
    """Go where an outcome of the step leads, out of sub-flows that return as well."""
    frame = talk.frames[-1]
    target = frame.flow.ways[frame.step][outcome]
    while target == RETURN:
        if len(talk.frames) == 1:
            raise Fault(f"'{talk.frame.step}' returns, but nothing called '{talk.flow.name}'")
        result, secret = talk.leave()
        caller = talk.flow.steps[talk.frame.step]
        assert isinstance(caller, CallFlow), "only a call step enters a sub-flow"
        outcome = caller.back(talk, result, secret)
        target = talk.flow.ways[talk.frame.step][outcome]
    talk.goto(target, outcome)


async def _rescue(talk: Conversation, error: Exception) -> str:
    """Something of ours broke: write it down, say sorry, and bring the caller to a person."""
    step = talk.frame.step
    if isinstance(error, Fault):
        log.error("call %s, step %s: %s", talk.call.info.id, step, error)
    else:
        log.exception("call %s, step %s", talk.call.info.id, step)
    talk.failed(error)
    queue = talk.frames[0].flow.fallback or FALLBACK
    try:
        try:
            await talk.say("santral_apology", barge_in=False)
        except Fault as silent:
            log.warning("call %s: no apology was heard: %s", talk.call.info.id, silent)
        talk.note(events.Transferred(queue, "queue", why="failed"))
        await talk.call.transfer("queue", queue, {})
    except CallerHungUp:
        return "caller_hung_up"
    except Fault as stuck:
        log.error("call %s: could not be handed on: %s", talk.call.info.id, stuck)
    return "failed"
