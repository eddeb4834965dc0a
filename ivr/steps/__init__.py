"""Every step type, one file each. A new one is written, listed here, and given a sample in
`tests/ivr/steps/<type>.yaml`; nothing else knows of it by name."""

from typing import Final

from ivr.steps.ask import Ask
from ivr.steps.base import Step
from ivr.steps.branch import Branch
from ivr.steps.call import CallFlow
from ivr.steps.collect import Collect
from ivr.steps.goto import Goto
from ivr.steps.hangup import Hangup
from ivr.steps.hours import Hours
from ivr.steps.http import Http
from ivr.steps.invite import Invite
from ivr.steps.language import Language
from ivr.steps.lookup import Lookup
from ivr.steps.menu import Menu
from ivr.steps.notify import Notify
from ivr.steps.queue import Queue
from ivr.steps.rate import Rate
from ivr.steps.record import Record
from ivr.steps.say import Say
from ivr.steps.set import Set
from ivr.steps.split import Split
from ivr.steps.transfer import Transfer
from ivr.steps.update import Update

STEPS: Final[tuple[type[Step], ...]] = (
    Say, Menu, Collect, Ask, Record, Rate,
    Lookup, Update, Http, Notify,
    Branch, Set, Goto, CallFlow, Hours, Language, Split, Invite,
    Queue, Transfer, Hangup,
)  # fmt: skip
