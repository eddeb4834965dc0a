"""What flows will say: everything in them that is the same in every call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ivr.call import Utterance
from ivr.expressions import Template
from ivr.flow.model import Flow, Prompt
from ivr.prompts.needs import Needs, Whole


def needs_of(flows: Iterable[Flow]) -> Needs:
    """Everything fixed that the flows may say, in the languages they have."""
    whole: list[Whole] = []
    pieces: list[tuple[str, str]] = []
    spelled: set[str] = set()
    for flow in flows:
        for name, language, alternate, template in _templates(flow):
            utterance = _whole(name, language, template, flow.name)
            if utterance is not None:
                whole.append(Whole(utterance, alternate))
            else:
                pieces += [(language, text) for text in template.fixed_texts]
                spelled.add(language)
    return Needs(tuple(dict.fromkeys(whole)), tuple(dict.fromkeys(pieces)), frozenset(spelled))


def _templates(flow: Flow) -> Iterator[tuple[str, str, int, Template]]:
    prompts: dict[str, Prompt] = {**flow.shared, **flow.prompts}
    for name, prompt in prompts.items():
        for language, templates in prompt.texts.items():
            if language in flow.languages:
                for alternate, template in enumerate(templates):
                    yield name, language, alternate, template


def _whole(name: str, language: str, template: Template, flow: str) -> Utterance | None:
    """The utterance as the conversation will say it, when it is the same in every call."""
    if template.names:
        return None
    utterance = Utterance(name, language, template.pieces({"language": language}), flow)
    return utterance if utterance.fixed else None
