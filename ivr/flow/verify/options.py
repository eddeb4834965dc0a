"""What a question offers: keys that differ and do not hide one another, words that sound apart."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from ivr.call import MOST_WORDS
from ivr.flow.finding import Finding
from ivr.flow.verify.view import View
from ivr.sounding import alike
from ivr.steps.facts import Offer
from ivr.words import fold


def options(view: View) -> Iterator[Finding]:
    for number, step in enumerate(view.ways.steps):
        own = list(step.offers())
        if own:
            yield from _Question(view, number).findings(list(view.flow.offers(step)))
            yield from _words(view, number)
    asking = next((n for n, step in enumerate(view.ways.steps) if step.obeys), None)
    if asking is not None:
        offers = view.flow.offers(view.ways.steps[asking])
        yield from _Question(view, None).findings([offer for offer in offers if offer.command])


def _words(view: View, number: int) -> Iterator[Finding]:
    """Ways that nobody can say where only words are taken, and questions of too many words."""
    step = view.ways.steps[number]
    listening = getattr(step, "listening", None)
    for language in view.flow.languages:
        offers = list(step.offers())
        count = sum(len(offer.spoken(language)) for offer in view.flow.offers(step))
        if count > MOST_WORDS:
            message = f"{count} words in '{language}' in one question; at most {MOST_WORDS}"
            yield view.at("too-many-words", number, offers[0].place[:1], message)
        if listening is None or listening(view.flow.listen).keys:
            continue
        for offer in offers:
            if not offer.spoken(language):
                message = f"keys are off, and '{offer.outcome}' has no words in '{language}'"
                yield view.at("cannot-be-said", number, offer.place, message)


class _Question:
    """The offers of one question; without a number the commands of the whole flow."""

    def __init__(self, view: View, number: int | None) -> None:
        self.view, self.number = view, number

    def findings(self, offers: list[Offer]) -> Iterator[Finding]:
        pairs = [
            (one, other)
            for one, other in combinations(offers, 2)
            if self.number is None or not one.command
        ]
        for one, other in pairs:
            if one.key and other.key:
                yield from self._keys(one, other)
            if one.words and other.words:
                for language in self.view.flow.languages:
                    yield from self._words(one, other, language)

    def _keys(self, one: Offer, other: Offer) -> Iterator[Finding]:
        if one.key == other.key and other.command and not one.command:
            yield from self._hidden(one, other, f"key {one.key}", "key")
        elif one.key == other.key:
            message = f"two options have the key {one.key}; the caller only ever gets the first"
            yield self.at("same-key", other, "key", message)
        else:
            short, long = sorted((one, other), key=lambda offer: len(offer.key))
            if long.key.startswith(short.key):
                place = long if self.number is None or not long.command else short
                message = (
                    f"key {short.key} hides {long.key}: after it the caller has to wait, "
                    f"and whoever is slow gets {short.key}"
                )
                yield self.at("key-prefix", place, "key", message)

    def _words(self, one: Offer, other: Offer, language: str) -> Iterator[Finding]:
        if one.outcome == other.outcome:
            return
        place = other if self.number is None or not other.command else one
        for first in one.spoken(language):
            for second in other.spoken(language):
                if fold(first, language) != fold(second, language):
                    if alike(first, second, language):
                        message = f"'{first}' and '{second}' sound alike in '{language}'"
                        yield self.at("sounds-alike", place, "words", message, language)
                elif other.command and not one.command:
                    yield from self._hidden(one, other, f"word '{first}'", "words", language)
                else:
                    message = f"two options have the word '{first}'; the first always gets it"
                    yield self.at("same-word", place, "words", message, language)

    def _hidden(self, one: Offer, other: Offer, what: str, *place: str) -> Iterator[Finding]:
        """An option that has the key or word of a command: fine where both lead to one step."""
        assert self.number is not None
        ways = self.view.flow.ways[self.view.ways.names[self.number]]
        if ways.get(one.outcome) != ways.get(other.outcome, ""):
            message = f"{what} is also the command '{other.outcome}', which does not work here"
            yield self.at("hides-command", one, place[0], message, *place[1:])

    def at(self, code: str, offer: Offer, part: str, message: str, *place: str) -> Finding:
        if self.number is None:
            return self.view.finding(code, (*offer.place, part, *place), message)
        return self.view.at(code, self.number, (*offer.place, part, *place), message)
