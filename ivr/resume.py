"""A conversation taken up from its journal: the same flow version, step, variables and language.

Pure but for the lookup of flow versions. The dialplan comes back with a caller after a crash of the
engine (then `outcome` is empty) or from a transfer (then it says how that went).
"""

from __future__ import annotations

from collections.abc import Sequence

from ivr import events
from ivr.call import Call
from ivr.conversation import Conversation, Frame
from ivr.events import Entry
from ivr.services import Services


def resumed(call: Call, services: Services, history: Sequence[Entry]) -> Conversation | None:
    """The conversation as `history` tells it, or None when nothing was begun.

    A call may have begun anew, when its past could not be read: what counts is its last beginning.
    Raises KeyError when a flow version of it cannot be had any more.
    """
    begins = [e for e in history if isinstance(e.event, events.CallStarted)]
    if not begins:
        return None
    started = begins[-1].event
    assert isinstance(started, events.CallStarted)
    history = [entry for entry in history if entry.sequence >= begins[-1].sequence]
    flow = services.flows.get(started.flow, started.version)
    talk = Conversation(call, services, flow, started.language)
    talk.begun = begins[-1].sequence
    for entry in history:
        _apply(talk, entry.event)
    talk.sequence = history[-1].sequence
    _back_to_lost_secret(talk, history)
    return talk


def _apply(talk: Conversation, event: events.Event) -> None:
    match event:
        case events.StepEntered():
            if event.depth == len(talk.frames):
                flow = talk.services.flows.get(event.flow, event.version)
                talk.frames.append(Frame(flow, event.step))
            del talk.frames[event.depth + 1 :]
            talk.frame.enter(event.step)
            talk.frame.visits[event.step] = event.visit
        case events.VariableSet():
            # A variable of a caller's frame is set only once its sub-flow has returned.
            del talk.frames[event.depth + 1 :]
            if event.secret:
                talk.frame.secrets.add(event.name)
                talk.frame.variables.pop(event.name, None)
            else:
                talk.frame.secrets.discard(event.name)
                talk.frame.variables[event.name] = event.value
        case events.LanguageChosen():
            talk.language = event.language
        case events.CallTaped():
            talk.tape = event.path
        case events.EffectDone():
            talk.effects[event.key] = event
        case _:
            pass


def _back_to_lost_secret(talk: Conversation, history: Sequence[Entry]) -> None:
    """Secret answers are never written down: a step that needs one that is gone cannot be run, so
    the caller is asked for it again."""
    frame = talk.frame
    lost = frame.secrets - frame.variables.keys()
    needed = {name for source in frame.flow.steps[frame.step].sources() for name in source.names}
    for index, entry in enumerate(history):
        event = entry.event
        if isinstance(event, events.VariableSet) and event.name in lost & needed:
            asked = [e.event for e in history[:index] if isinstance(e.event, events.StepEntered)]
            if asked[-1].step in frame.flow.steps:
                frame.step = asked[-1].step
            return
