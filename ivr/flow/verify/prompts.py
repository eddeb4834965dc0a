"""Prompts: there, in every language, with values that every language can say, recordings fit."""

from __future__ import annotations

from collections.abc import Iterator

from ivr.flow.finding import Finding, meant
from ivr.flow.verify.view import View
from ivr.sayas import LANGUAGES


def prompts(view: View) -> Iterator[Finding]:
    yield from _there(view)
    yield from _texts(view)
    yield from _spoken(view)
    if view.world:
        yield from _recordings(view)


def _there(view: View) -> Iterator[Finding]:
    flow, used = view.flow, set(view.flow.used_prompts())
    known = {**flow.prompts, **flow.shared}
    told = set[str]()
    for number, step in enumerate(view.ways.steps):
        for prompt in dict.fromkeys(step.prompts()):
            if prompt not in known:
                place = view.holding_place(view.ways.names[number], prompt)[2:]
                message = f"there is no prompt '{prompt}'{meant(prompt, known)}"
                yield view.at("no-such-prompt", number, place, message)
                told.add(prompt)
    for prompt in used - known.keys() - told:
        message = f"there is no prompt '{prompt}'{meant(prompt, known)}"
        yield view.finding("no-such-prompt", view.anywhere(prompt), message)
    for name in flow.prompts.keys() - used - flow.shared.keys():
        yield view.finding("unused-prompt", ("prompts", name), f"no step says prompt '{name}'")


def _spoken(view: View) -> Iterator[Finding]:
    """Languages that a step goes on in."""
    flow = view.flow
    for number, step in enumerate(view.ways.steps):
        for language in step.speaks():
            if language not in flow.languages:
                message = f"flow '{flow.name}' does not speak '{language}'"
                place = view.holding_place(view.ways.names[number], language)[2:]
                yield view.at("missing-language", number, place, message)


def _texts(view: View) -> Iterator[Finding]:
    flow = view.flow
    own = [(name, prompt, True) for name, prompt in flow.prompts.items()]
    used = set(flow.used_prompts())
    shared = [(name, flow.shared[name], False) for name in flow.shared if name in used]
    for name, prompt, here in own + shared:
        place = ("prompts", name) if here else view.anywhere(name)
        for language in flow.languages:
            texts = prompt.texts.get(language)
            if not texts:
                message = f"prompt '{name}' is missing in '{language}'"
                yield view.finding("missing-language", place, message)
            for text in texts or ():
                at = (*place, language) if here else place
                if not text.values and not text.fixed_texts:
                    message = f"prompt '{name}' says nothing in '{language}'"
                    yield view.finding("empty-prompt", at, message)
                if text.sayas and language not in LANGUAGES:
                    message = (
                        f"'{sorted(text.sayas)[0]}' has no words in '{language}'; "
                        f"values can be read out in {', '.join(LANGUAGES)}"
                    )
                    yield view.finding("no-filter", at, message)


def _recordings(view: View) -> Iterator[Finding]:
    """Files in the folder of recorded prompts, `<language>/<prompt>` or `<language>/<flow>/…`."""
    assert view.world
    flow, found = view.flow, view.world.recordings
    if not found:
        return
    for name, prompt in flow.prompts.items():
        files = {
            language: found.get((language, f"{flow.name}/{name}")) or found.get((language, name))
            for language in flow.languages
        }
        for language, recording in files.items():
            place = ("prompts", name, language)
            if recording is None and any(files.values()):
                has = next(other for other, file in files.items() if file)
                message = f"prompt '{name}' is recorded in '{has}' but not in '{language}'"
                yield view.finding("recording-missing", place, message)
            elif recording and recording.problem:
                message = f"{recording.file}: {recording.problem}"
                yield view.finding("recording-format", place, message)
            elif recording and any(text.values for text in prompt.texts.get(language, ())):
                message = f"{recording.file} is never played: the prompt says values"
                yield view.finding("recording-unused", place, message)
