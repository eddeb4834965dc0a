"""Defects, one kind per function: each gives worlds with one mistake in them, and the code that
`santral check` has to find it by. Every kind is made wherever the good files have a place for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.ivr.flow.defects.world import Files


@dataclass(frozen=True)
class Defect:
    """One mistake: what was done, the files with it, and the codes one of which has to be found."""

    what: str
    files: Files
    codes: frozenset[str]


Made = Iterator[tuple[str, Files]]
Kind = Callable[[Files], Made]
KINDS: list[tuple[frozenset[str], Kind]] = []


def kind(*codes: str) -> Callable[[Kind], Kind]:
    def register(made: Kind) -> Kind:
        KINDS.append((frozenset(codes), made))
        return made

    return register


def defects(good: Files) -> dict[str, list[Defect]]:
    """All of them, by kind."""
    return {
        made.__name__: [
            Defect(f"{made.__name__}: {what}", files, codes) for what, files in made(good)
        ]
        for codes, made in KINDS
    }


def step_of(good: Files, file: str, name: str) -> tuple[Files, Any]:
    files = good.copy()
    return files, files.data[file]["steps"][name]
