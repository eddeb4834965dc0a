"""What a question offers: keys that differ and do not hide one another, words that sound apart."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from ivr.flow.finding import Finding
from ivr.flow.verify.view import View
from ivr.sounding import alike
from ivr.steps.facts import Offer
from ivr.words import fold


def options(view: View) -> Iterator[Finding]:
    for number, step in enumerate(view.ways.steps):
        offers = list(view.flow.offers(step))
        if len(offers) > 1:
            yield from _keys(view, number, offers)
            for language in view.flow.languages:
                yield from _words(view, number, offers, language)


def _keys(view: View, number: int, offers: list[Offer]) -> Iterator[Finding]:
    taken: dict[str, Offer] = {}
    for offer in offers:
        if not offer.key:
            continue
        if offer.key in taken:
            message = f"two options have the key {offer.key}; the caller only ever gets the first"
            yield view.at("same-key", number, (*offer.place, "key"), message)
        taken.setdefault(offer.key, offer)
    for key, offer in taken.items():
        for length in range(1, len(key)):
            if key[:length] in taken:
                message = (
                    f"key {key[:length]} hides {key}: after it the caller has to wait, "
                    f"and whoever is slow gets {key[:length]}"
                )
                yield view.at("key-prefix", number, (*offer.place, "key"), message)


def _words(view: View, number: int, offers: list[Offer], language: str) -> Iterator[Finding]:
    spoken = [
        (fold(word, language), offer) for offer in offers for word in offer.words.get(language, ())
    ]
    for (one, first), (other, second) in combinations(spoken, 2):
        if first.outcome == second.outcome:
            continue
        place = (*second.place, "words", language)
        if one == other:
            message = f"two options have the word '{one}'; the caller only ever gets the first"
            yield view.at("same-word", number, place, message)
        elif alike(one, other, language):
            message = f"'{one}' and '{other}' sound alike in '{language}'"
            yield view.at("sounds-alike", number, place, message)
