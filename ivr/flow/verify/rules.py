"""Every code that `santral check` gives: what it means, and what to do. Codes do not change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ivr.flow.finding import Severity

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is looked for: an error refuses the flow, a warning does not."""

    code: str
    severity: Severity
    means: str
    do: str


_TABLE: Final = (
    # The file
    ("bad-yaml", ERROR, "The file is not YAML.", "Look at indentation, quotes and brackets."),
    ("bad-tag", ERROR, "A YAML tag stands in the file.", "Write plain text."),
    ("bad-key", ERROR, "A list or mapping stands where a name has to.", "Write a name."),
    ("given-twice", ERROR, "A name is given twice.", "Keep one, or rename one."),
    ("too-large", ERROR, "The file is too large, too deep, or grows by aliases.", "Split it up."),
    ("unreadable", ERROR, "The file cannot be read.", "Check its place and its rights."),
    ("not-utf8", ERROR, "The file is not UTF-8.", "Save it as UTF-8."),
    ("empty", ERROR, "The file is empty.", "Write a flow into it, or remove it."),
    ("not-a-flow", ERROR, "The file has no `flow:`.", "Begin it with `flow: its_name`."),
    # The model
    ("missing", ERROR, "Something that has to be there is missing.", "Add it."),
    ("no-target", ERROR, "An outcome leads nowhere.", "Name the step it leads to."),
    ("unknown-key", ERROR, "A key that nothing knows.", "Correct or remove it."),
    ("no-type", ERROR, "A step says not what it is.", "Give it a `type`."),
    ("no-such-type", ERROR, "There is no such type of step.", "Use one that there is."),
    ("bad-value", ERROR, "A value that is not allowed here.", "See the message."),
    ("bad-expression", ERROR, "A template or expression cannot be read.", "See the message."),
    # Ways
    ("no-such-step", ERROR, "A way leads to a step that is not there.", "Name one that is."),
    ("no-end", ERROR, "A question has no end for silence or wrong answers.",
     "Give it, or the flow, `no_input` and `no_match` with a `next`."),
    ("unreachable", WARNING, "No caller can get to this step.", "Lead a way to it or remove it."),
    ("no-way-out", ERROR, "From here no caller gets to a person or to the end of the call.",
     "Lead a way to a `transfer` or a `hangup`."),
    ("silent-cycle", ERROR, "A caller can go in circles without being asked anything.",
     "Put a question on the way, or count the rounds: `visits.step >= 3`."),
    ("unbounded-cycle", ERROR, "A caller who is silent or not understood goes round for ever.",
     "Lead `no_input` and `no_match` out of the circle."),
    ("uncounted-retry", WARNING, "A caller can go round for ever without choosing to.",
     "Count the rounds: a branch on `visits.step >= 3` that leads to a person."),
    # Keys and words
    ("same-key", ERROR, "Two options have one key.", "Give one of them another key."),
    ("key-prefix", WARNING, "A key begins a longer one, so it has to wait for the next key.",
     "Give the options keys that do not begin alike."),
    ("hides-command", WARNING, "An option takes the key or the word of a command.",
     "Give the option another one, or lead both to one step."),
    ("same-word", ERROR, "Two options have one word.", "Give it to one of them."),
    ("sounds-alike", WARNING, "Two options sound alike in the flow's language.",
     "Use words that sound different."),
    ("cannot-be-said", ERROR, "Keys are off, and no words lead here in a language of the flow.",
     "Give the option words, or take `keys: false` out of `listen`."),
    ("too-many-words", ERROR, "A question has more words than can be told apart in a call.",
     "Split the question, or take words out."),
    # Names
    ("unknown-name", ERROR, "Nothing sets this variable.", "Correct the name, or set it."),
    ("never-set", ERROR, "The variable is not set on any way that leads here.", "Set it before."),
    ("maybe-unset", WARNING, "The variable is not set on every way that leads here.",
     "Set it on every way, or write `| default(…)` or `is defined`."),
    ("unused-variable", WARNING, "The variable is never used.", "Use it or do not keep it."),
    ("unknown-column", ERROR, "The query has no such column.", "Name one of its results."),
    # Prompts
    ("no-such-prompt", ERROR, "There is no prompt of this name.", "Correct it, or write it."),
    ("missing-language", ERROR, "The prompt, or the flow, does not have this language.",
     "Write it in that language too."),
    ("unused-prompt", WARNING, "No step says this prompt.", "Use it or remove it."),
    ("empty-prompt", ERROR, "The prompt says nothing.", "Write what is to be said."),
    ("no-filter", ERROR, "A language has no words for this kind of value.",
     "Say the value without the filter in that language."),
    ("recording-missing", WARNING, "The prompt is recorded in one language, not in another.",
     "Record it in every language of the flow."),
    ("recording-format", ERROR, "The recorded file cannot be played on the telephone.",
     "Save it as WAV, 8 kHz, 16 bit, one channel."),
    ("recording-unused", WARNING, "The prompt says values, so its recording is never played.",
     "Remove the recording, or the values."),
    # Elsewhere
    ("no-such-query", ERROR, "There is no query of this name.", "Correct it, or write it."),
    ("no-such-queue", ERROR, "There is no queue of this name.", "Correct it, or write it."),
    ("no-such-hours", ERROR, "There is no table of hours of this name.", "Correct or write it."),
    ("no-such-flow", ERROR, "There is no flow of this name.", "Correct it, or write it."),
    ("no-such-entry", ERROR, "There is nothing of this name in its table.", "Correct it."),
    ("missing-parameter", ERROR, "A parameter is not given.", "Give it under `with`."),
    ("unknown-parameter", ERROR, "A parameter that is not taken.", "Correct or remove it."),
    ("not-checked", NOTE, "The folder has no such table, so the name cannot be checked.",
     "Check the folder that has it."),
    ("endless-calls", ERROR, "A flow calls itself, straight or by others.", "Go on by `goto`."),
    ("return-from-top", ERROR, "A line leads to a flow that returns, but nothing called it.",
     "Lead to an end instead of `return`."),
    # Secrets
    ("secret-spoken", WARNING, "Something secret is read out.", "Leave it out of the prompt."),
    ("secret-exposed", ERROR, "Something secret would be written down or sent away.",
     "Leave it out here."),
    # Limits
    ("slow-to-person", ERROR, "It takes longer to a person than the flow's limit.",
     "Shorten what is said before, or offer a person sooner."),
    ("deep-menu", ERROR, "A menu lies deeper than the flow's limit.", "Flatten the menus."),
)  # fmt: skip
RULES: Final[Mapping[str, Rule]] = {row[0]: Rule(*row) for row in _TABLE}
