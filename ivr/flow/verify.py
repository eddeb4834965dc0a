"""What can be proven of a flow before a caller hears it: a flow and its places in, findings out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ivr.flow.finding import Finding, meant
from ivr.flow.model import Flow
from ivr.flow.reader import Document
from ivr.steps.asking import NO_INPUT, NO_MATCH, Asking
from ivr.steps.base import RETURN

RESERVED: Final = frozenset({"call", "language", "now"})


def verify(flow: Flow, document: Document) -> list[Finding]:
    """All findings, in the order of the file."""
    found = [*_targets(flow, document), *_prompts(flow, document), *_names(flow, document)]
    return sorted(found, key=lambda finding: (finding.line, finding.column))


def _targets(flow: Flow, document: Document) -> Iterator[Finding]:
    if flow.start not in flow.steps:
        message = f"there is no step '{flow.start}'{meant(flow.start, flow.steps)}"
        yield document.finding(("start",), "no-such-step", message)
    for name, step in flow.steps.items():
        ways = flow.ways[name]
        for outcome, target in ways.items():
            if target != RETURN and target not in flow.steps:
                message = f"'{outcome}' leads to '{target}', which is not a step of this flow"
                place = ("steps", name, outcome if outcome in step.exits() else "next")
                yield document.finding(place, "no-such-step", message + meant(target, flow.steps))
        if isinstance(step, Asking):
            for outcome in (NO_INPUT, NO_MATCH):
                if outcome not in ways:
                    message = (
                        f"question '{name}' needs a '{outcome}' with a 'next', here or in the flow"
                    )
                    yield document.finding(("steps", name), "no-end", message)


def _prompts(flow: Flow, document: Document) -> Iterator[Finding]:
    known = [*flow.prompts, *flow.shared]
    for name, step in flow.steps.items():
        for prompt in step.prompts():
            if prompt not in known:
                message = f"there is no prompt '{prompt}'{meant(prompt, known)}"
                yield document.finding(("steps", name, "prompt"), "no-such-prompt", message)
    for name, prompt_ in flow.prompts.items():
        for language in flow.languages:
            if not prompt_.texts.get(language):
                message = f"prompt '{name}' is missing in '{language}'"
                yield document.finding(("prompts", name), "missing-language", message)


def _names(flow: Flow, document: Document) -> Iterator[Finding]:
    """Names in expressions that nothing in the flow ever sets."""
    known = {*flow.takes, *RESERVED}
    for step in flow.steps.values():
        known.update(step.sets())
    for name, step in flow.steps.items():
        for source in step.sources():
            for unknown in sorted(source.names - known):
                message = f"nothing sets '{unknown}'{meant(unknown, known)}"
                yield document.finding(("steps", name), "unknown-name", message)
    for name, prompt in flow.prompts.items():
        for language, templates in prompt.texts.items():
            for template in templates:
                for unknown in sorted(template.names - known):
                    message = f"nothing sets '{unknown}'{meant(unknown, known)}"
                    yield document.finding(("prompts", name, language), "unknown-name", message)
