"""A folder of flows as data that can be changed: read, copied, written out again."""

from __future__ import annotations

import copy
import json
import wave
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from ivr.flow.reader import read_file

Place = tuple[str | int, ...]


@dataclass
class Sound:
    """A recorded file to be made: what its header says, or bytes that are no WAV file."""

    rate: int = 8000
    width: int = 2
    channels: int = 1
    frames: int = 800
    raw: bytes | None = None

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.raw is not None:
            path.write_bytes(self.raw)
            return
        with wave.open(str(path), "wb") as file:
            file.setnchannels(self.channels)
            file.setsampwidth(self.width)
            file.setframerate(self.rate)
            file.writeframes(bytes(self.frames * self.width * self.channels))


@dataclass
class Files:
    """`data` by file name; `texts` are written as they are in place of data; `sounds` by path."""

    data: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    sounds: dict[str, Sound] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path) -> Files:
        return cls({path.name: read_file(path).data for path in sorted(folder.glob("*.yaml"))})

    def copy(self) -> Files:
        return copy.deepcopy(self)

    def write(self, folder: Path) -> Path:
        """Write it into `folder`; where the flows are."""
        flows = folder / "scenarios"
        flows.mkdir()
        for name, data in self.data.items():
            (flows / name).write_text(self.texts.get(name) or as_text(data), "utf-8")
        for name, sound in self.sounds.items():
            sound.write(folder / "sounds" / name)
        return flows

    def flows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, data in self.data.items():
            if "flow" in data:
                yield name, data

    def steps(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Every step: its file, its name, what is written of it."""
        for file, data in self.flows():
            for name, step in data["steps"].items():
                yield file, name, step

    def prompts(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for file, data in self.data.items():
            for name, prompt in data.get("prompts", {}).items():
                yield file, name, prompt


def as_text(data: Any) -> str:
    return _as_text(json.dumps(data))


@lru_cache(maxsize=64)
def _as_text(data: str) -> str:
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return str(
        yaml.dump(json.loads(data), Dumper=dumper, allow_unicode=True, sort_keys=False, width=1000)
    )


def targets(step: Any, names: set[str], place: Place = ()) -> Iterator[tuple[Place, str]]:
    """Every place in a step that holds the name of a step."""
    parts = step.items() if isinstance(step, dict) else enumerate(step)
    for key, part in parts:
        if isinstance(part, (dict, list)):
            if key not in {"values", "with", "words", "data", "body"}:
                yield from targets(part, names, (*place, key))
        elif part in names and key not in {
            "type",
            "prompt",
            "save",
            "table",
            "query",
            "flow",
            "to",
        }:
            yield (*place, key), part


def put(data: Any, place: Place, value: Any) -> None:
    for key in place[:-1]:
        data = data[key]
    data[place[-1]] = value


def drop(data: Any, place: Place) -> None:
    for key in place[:-1]:
        data = data[key]
    del data[place[-1]]
