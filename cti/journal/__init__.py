"""The journal: every call on record, nothing lost. Start reading in `journal.py`."""

from cti.journal.journal import Options, SpooledJournal, Status, open_journal

__all__ = ["Options", "SpooledJournal", "Status", "open_journal"]
