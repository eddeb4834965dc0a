"""One question being put: until there is an answer, a way that was asked for, or no try left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from ivr.call import Guess, Heard, HeardKind, Keys, Question, Trouble, Utterance
from ivr.sayas.turkish import question_particle
from ivr.steps.commands import (
    HELP,
    MOST_REPEATS,
    NO_INPUT,
    NO_MATCH,
    REPEAT,
    TOO_MUCH,
)  # fmt: skip
from ivr.steps.listening import Listen, Taken, Understand
from ivr.understand import Understood, YesNo

if TYPE_CHECKING:
    from ivr.conversation import Conversation
    from ivr.steps.asking import Asking

OFFERED: Final = 2  # guesses of one answer that a caller is asked about
CONFIRM: Final = Keys(1, 1, "", 5.0, 3.0)
AGAIN: Final = frozenset({REPEAT, HELP})


class _Found(NamedTuple):
    taken: Taken
    guess: Guess
    doubtful: bool


class Putting:
    """Silence, wrong answers, too much talk and repeats are counted apart, so that each runs out
    whatever the caller mixes."""

    def __init__(
        self,
        step: Asking,
        talk: Conversation,
        keys: Keys,
        words: tuple[str, ...],
        understand: Understand,
        *,
        free: bool,
        read_back: bool,
    ) -> None:
        self.step, self.talk, self.keys, self.understand = step, talk, keys, understand
        self.read_back = read_back
        self.listen = step.listening(talk.flow.listen)
        speaks = self.listen.speech or (self.listen.speech is None and step.spoken)
        self.speaks = bool(speaks)
        self.free = free and self.speaks
        self.words: tuple[str, ...] = words if speaks else ()
        if self.listen.speech is not False and not self.free:
            self.words += tuple(talk.flow.commands.words(talk.language))
        self.by_voice = self.free or bool(speaks and words)
        self.deaf = False
        self.counts = Counter[str]()
        self.refused: set[str] = set()

    async def run(self) -> tuple[str | None, str]:
        """(outcome, "") or (None, answer)."""
        prompts: tuple[str, ...] = (self.step.prompt,)
        while True:
            heard = await self.talk.ask(self._question(prompts))
            answer, command = await self._understood(heard)
            if answer is not None:
                return None, answer
            if command in AGAIN and self.counts[REPEAT] < MOST_REPEATS:
                self.counts[REPEAT] += 1
                prompts = (*self._help(command), self.step.prompt)
                continue
            if command is not None and command not in AGAIN:
                return command, ""
            if self._is_lost(heard):
                if self.free:  # no key would answer it
                    return NO_INPUT, ""
                self.deaf = True
                prompts = ("santral_keys_only", self.step.keys_prompt or self.step.prompt)
                continue
            kind = self._kind(heard)
            self.counts[kind] += 1
            retry = self.step.retry(self.talk, kind)
            if self.counts[kind] >= retry.tries:
                return kind, ""
            prompts = self.step.again(kind, retry.prompt_after(self.counts[kind]), heard)

    def _kind(self, heard: Heard) -> str:
        if heard.trouble is Trouble.TOO_MUCH and self.step.too_much:
            return TOO_MUCH
        return NO_INPUT if heard.kind is HeardKind.NOTHING else NO_MATCH

    def _is_lost(self, heard: Heard) -> bool:
        """Whether nobody listened, and the caller was not told yet: that is no try of theirs."""
        lost = heard.kind is HeardKind.NOTHING and heard.trouble is Trouble.SPEECH_DOWN
        return lost and not self.deaf

    def _help(self, command: str | None) -> tuple[str, ...]:
        told = self.talk.flow.commands.help
        if command != HELP or told is None:
            return ()
        return (self.step.help or told.prompt,)

    def _question(self, prompts: tuple[str, ...]) -> Question:
        first = self.talk.flow.prompt(prompts[-1])
        speaks = not self.deaf and (self.free or bool(self.words))
        without_keys = not self.listen.keys and speaks and self.by_voice
        return Question(
            self.talk.utterance(*prompts, turn=sum(self.counts.values())),
            keys=None if without_keys else self.keys,
            words=self.words if speaks else (),
            barge_in=first.barge_in,
            flush=first.flush,
            secret=self.step.secret,
            speech=self.listen.as_speech(first.barge_in, self.keys.first) if speaks else None,
            any_words=self.free and speaks,
        )

    async def _understood(self, heard: Heard) -> tuple[str | None, str | None]:
        """The answer that was accepted, or the command that was given."""
        if heard.kind is HeardKind.NOTHING:
            self.talk.note_heard(heard, None)
            return None, None
        if heard.kind is HeardKind.KEYS:
            taken = self.understand(heard)
            command = None if taken else self._command(heard)
            self.talk.note_heard(heard, taken.answer if taken else command)
            return taken.answer if taken else None, command
        offered = 0
        for found in self._guesses(heard):
            if not offered:
                self.talk.note_heard(heard, found.taken.answer)
            if self.read_back or not found.doubtful:
                return found.taken.answer, None
            agreed = await self._confirm(found.taken)
            if agreed is True:
                return found.taken.answer, None
            if agreed is not False:
                return None, agreed
            self.refused.add(found.taken.answer)
            offered += 1
            if offered == OFFERED:
                break
        command = None if offered else self._command(heard)
        if not offered:
            self.talk.note_heard(heard, command)
        return None, command

    def _command(self, heard: Heard) -> str | None:
        if heard.kind is HeardKind.SPEECH and heard.confidence < self.listen.confidence:
            return None
        return self.talk.flow.commands.asked(heard, self.talk.language)

    def _guesses(self, heard: Heard) -> Iterator[_Found]:
        """The readings of what was said, best first, without those the caller has refused.

        What was refused is out of the race: the others' confidence is their share of the rest.
        """
        if not self.speaks or heard.trouble in (Trouble.NO_MATCH, Trouble.TOO_MUCH):
            return  # commands at most
        rest, skipped = 1.0, False
        for guess in (Guess(heard.text, heard.confidence), *heard.alternatives):
            one = replace(heard, text=guess.text, confidence=guess.confidence, alternatives=())
            taken = self.understand(one)
            if taken is None:
                continue
            if taken.refused or taken.answer in self.refused:
                rest, skipped = rest - guess.confidence, True
                continue
            share = min(1.0, guess.confidence / max(rest, 0.05))
            if share < self.listen.confidence:
                return
            # Words that were heard well and can mean two things are asked about, not refused.
            yield _Found(taken, guess, skipped or share * taken.certainty < self.listen.sure)
            rest, skipped = rest - guess.confidence, True

    async def _confirm(self, taken: Taken) -> bool | str:
        """Whether that was meant; a command that was given instead leads there."""
        values = {"said": taken.said, "mi": question_particle(taken.said)}
        utterances = [
            self.talk.utterance_with(name, values, secret=self.step.secret)
            for name in ("santral_did_you_say", "santral_yes_or_no")
        ]
        agreed = await agree(self.talk, utterances, self.listen)
        return False if agreed is None else agreed


async def agree(
    talk: Conversation,
    utterances: Sequence[Utterance],
    listen: Listen,
    *,
    yes_no: YesNo | None = None,
    silence: bool = False,
    speech: bool = True,
) -> bool | str | None:
    """Ask for a yes or a no, once for each utterance: that, a command that leads somewhere, or None
    when there was neither. With `silence`, saying nothing is a yes."""
    yes_no = yes_no or YesNo()
    longest = max(len(yes_no.yes_key), len(yes_no.no_key))
    keys = replace(CONFIRM, max=longest)
    words: tuple[str, ...] = ()
    if listen.speech is not False:
        words = tuple(talk.flow.commands.words(talk.language))
        words = (*yes_no.words(talk.language), *words) if speech else words
    for utterance in utterances:
        prompt = talk.flow.prompt(utterance.prompt)
        heard = await talk.ask(
            Question(
                utterance, keys, words, barge_in=prompt.barge_in, flush=prompt.flush,
                speech=listen.as_speech(prompt.barge_in, keys.first) if words else None,
            )
        )  # fmt: skip
        if heard.kind is HeardKind.NOTHING:
            lost = heard.trouble is Trouble.SPEECH_DOWN
            talk.note_heard(heard, "yes" if silence and not lost else None)
            if silence and not lost:
                return True
            continue
        answer, command = _agreement(talk, heard, yes_no, listen)
        told = command if answer is None else ("yes" if answer else "no")
        talk.note_heard(heard, told)
        if answer is not None:
            return answer
        if command is not None and command not in AGAIN:
            return command
    return None


def _agreement(
    talk: Conversation, heard: Heard, yes_no: YesNo, listen: Listen
) -> tuple[bool | None, str | None]:
    found: Understood | None = None
    today = talk.services.clock.now().date()
    if heard.kind is HeardKind.KEYS:
        found = yes_no.keyed(heard.text, talk.language, today)
    elif heard.trouble is None and heard.confidence >= listen.confidence:
        found = yes_no.spoken(heard.text, talk.language, today)
    elif heard.kind is HeardKind.SPEECH:
        return None, None
    if found is not None:
        return bool(found.value), None
    return None, talk.flow.commands.asked(heard, talk.language)
