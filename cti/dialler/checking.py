"""What `santral check` finds in `outbound.yaml`: what cannot be read, flows that are missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cti.dialler.campaigns import load_campaigns
from cti.dialler.rules import FILE
from ivr.errors import FlowRefused
from ivr.flow.finding import Finding, meant
from ivr.flow.loader import Library
from ivr.flow.reader import read_file


def check_rules(folder: Path, library: Library) -> tuple[Finding, ...]:
    """Everything wrong with the rules of a folder; nothing where it has none."""
    path = folder / FILE
    if not path.exists():
        return ()
    try:
        return tuple(_missing(path, library))
    except FlowRefused as refused:
        return tuple(refused.findings)


def _missing(path: Path, library: Library) -> Iterator[Finding]:
    campaigns, document = load_campaigns(path), read_file(path)
    known = [flow.name for flow in library]
    for name, one in campaigns.campaigns.items():
        for key, flow in (("flow", one.flow), ("message", one.message)):
            if flow is not None and flow not in known:
                told = f"there is no flow '{flow}'{meant(flow, known)}"
                yield document.finding(("campaigns", name, key), "no-such-flow", told)
