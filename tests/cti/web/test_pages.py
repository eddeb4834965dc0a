"""What can be seen from the pages' sources alone: the catalogues, and nothing the CSP refuses."""

from __future__ import annotations

import json
import re

from cti.agents.presence import OURS, State
from cti.live.state import Phase
from cti.queues.callbacks import State as CallbackState
from cti.screenpop import PopState
from cti.web.bundling import SOURCES

SRC = SOURCES / "src"
CATALOGUES = {
    path.stem: json.loads(path.read_text("utf-8")) for path in (SRC / "locales").iterdir()
}
SCRIPTS = {path.relative_to(SRC): path.read_text("utf-8") for path in SRC.rglob("*.js")}
PLACEHOLDER = re.compile(r"\{(\w+)\}")


def test_both_languages_have_the_same_messages_with_the_same_places_in_them() -> None:
    assert sorted(CATALOGUES) == ["en", "tr"]
    tr, en = CATALOGUES["tr"], CATALOGUES["en"]
    assert sorted(tr) == sorted(en)
    assert [key for key in tr if not tr[key].strip() or not en[key].strip()] == []
    for key in tr:
        assert set(PLACEHOLDER.findall(tr[key])) == set(PLACEHOLDER.findall(en[key])), key


def test_every_message_that_is_asked_for_is_there_and_every_one_there_is_asked_for() -> None:
    text = "\n".join(SCRIPTS.values())
    fixed = set(re.findall(r"\"((?:[a-z_]+\.)+[a-z_]+|close|starting)\"", text))
    groups = set(re.findall(r"word\(\"(\w+)\"", text)) | set(re.findall(r"t\(`([\w]+)\.", text))
    known = set(CATALOGUES["tr"])
    asked = set(re.findall(r"\bt\(\"([^\"]+)\"", text))
    asked |= set(re.findall(r"\"(key\.\w+)\"", text))
    assert asked - known == set()
    assert {key for key in known if key not in fixed and key.split(".")[0] not in groups} == set()


def test_every_state_of_the_server_has_a_word() -> None:
    known = set(CATALOGUES["tr"])
    states: dict[str, set[str]] = {
        "state": {state.value for state in State},
        "reason": set(OURS),
        "pop_state": {state.value for state in PopState},
        "phase": {phase.value for phase in Phase},
        "callback": {state.value for state in CallbackState},
    }
    missing = {f"{group}.{code}" for group, codes in states.items() for code in codes} - known
    assert missing == set()


def test_nothing_is_written_that_the_content_security_policy_refuses() -> None:
    refused = re.compile(
        r"\sstyle=|innerHTML|unsafeHTML|unsafeSVG|styleMap|\beval\(|new Function\(|javascript:"
        r"|\son\w+=\"|insertAdjacentHTML|document\.write"
    )
    found = {str(path): refused.findall(text) for path, text in SCRIPTS.items()}
    assert {path: what for path, what in found.items() if what} == {}


def test_no_address_of_another_host_is_in_the_sources() -> None:
    for path in SRC.rglob("*"):
        if path.suffix in {".js", ".css", ".html", ".svg"}:
            hosts = re.findall(r"https?://[\w.-]+", path.read_text("utf-8"))
            assert [host for host in hosts if host != "http://www.w3.org"] == [], path


def test_files_stay_of_a_size_that_can_be_read() -> None:
    assert max(text.count("\n") for text in SCRIPTS.values()) < 300
