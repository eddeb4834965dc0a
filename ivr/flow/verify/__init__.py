"""What can be proven of a flow before a caller hears it: a flow and its places in, findings out.

One file per family of proofs; `rules.py` lists every finding there is. Pure.
"""

from __future__ import annotations

from typing import Final

from ivr.flow.finding import Finding
from ivr.flow.model import Flow
from ivr.flow.reader import Document
from ivr.flow.verify.cycles import cycles
from ivr.flow.verify.limits import limits
from ivr.flow.verify.names import names
from ivr.flow.verify.options import options
from ivr.flow.verify.prompts import prompts
from ivr.flow.verify.references import references
from ivr.flow.verify.secrets import secrets
from ivr.flow.verify.targets import reach, targets
from ivr.flow.verify.view import View, World

PROOFS: Final = (targets, reach, cycles, options, names, prompts, references, secrets, limits)


def verify(flow: Flow, document: Document, world: World | None = None) -> list[Finding]:
    """All findings, in the order of the file. Without a world, what the flow names that stands
    elsewhere is not looked at."""
    return verify_view(View(flow, document, world))


def verify_view(view: View) -> list[Finding]:
    found = dict.fromkeys(finding for proof in PROOFS for finding in proof(view))
    return sorted(found, key=lambda finding: (finding.line, finding.column))
