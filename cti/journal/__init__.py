"""The journal: every call on record, nothing lost. Start reading in `journal.py`."""

from cti.journal.journal import Options, SpooledJournal, Status, open_journal
from cti.journal.reading import read_call

__all__ = ["Options", "SpooledJournal", "Status", "open_journal", "read_call"]
