"""Flow files: read as people write them, refused whole with the place and what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivr.errors import FlowRefused
from ivr.flow.finding import Finding
from ivr.flow.folder import load_folder
from ivr.flow.loader import load_flow, load_text
from ivr.flow.reader import MAX_BYTES, read_text

GOOD = """
flow: good
languages: [tr, en]
start: hello
prompts:
  hello: {tr: merhaba, en: hello}
steps:
  hello: {type: say, prompt: hello, next: bye}
  bye: {type: hangup}
"""


def findings(text: str) -> tuple[Finding, ...]:
    with pytest.raises(FlowRefused) as caught:
        load_text(text, "f.yaml")
    return caught.value.findings


def test_yaml_is_read_the_way_people_write_it() -> None:
    data = read_text(
        "a: yes\nb: no\nc: on\nd: 05321112233\ne: 12\nf: 1.5\ng: true\nh: 1:30\ni: 2026-11-22\n"
        "j: ~\nk: 0x1F\nl: 1_000\nm: '12'\nn: 1e3",
        "f.yaml",
    ).data
    assert data == {
        "a": "yes", "b": "no", "c": "on", "d": "05321112233", "e": 12, "f": 1.5, "g": True,
        "h": "1:30", "i": "2026-11-22", "j": None, "k": "0x1F", "l": "1_000", "m": "12", "n": "1e3",
    }  # fmt: skip


def test_a_good_flow_has_a_version_that_follows_its_content_only() -> None:
    flow = load_text(GOOD)
    assert flow.version == load_text("# a comment\n" + GOOD).version
    assert flow.version != load_text(GOOD.replace("merhaba", "selam")).version


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        (("type: say", "type: sya"), (8, 11), ("no step type 'sya'", "did you mean 'say'")),
        (("next: bye", "next: by"), (8, 37), ("'by'", "not a step", "did you mean 'bye'")),
        (("prompt: hello", "prompt: helo"), (8, 22), ("no prompt 'helo'", "'hello'")),
        (("start: hello", "start: helo"), (4, 1), ("no step 'helo'", "'hello'")),
        (("next: bye", "nxt: bye"), (8, 37), ("unknown key 'nxt'", "did you mean 'next'")),
        (("{tr: merhaba, en: hello}", "{tr: merhaba}"), (6, 3), ("missing in 'en'",)),
        (("en: hello}", "en: '{{ hello'}"), (6, 24), ("cannot be read",)),
        (("en: hello}", "en: '{{ naem }}'}"), (6, 24), ("nothing sets 'naem'",)),
        (("start: hello", "start: hello\nstart: bye"), (5, 1), ("'start' is given twice",)),
        (("  bye:", "\tbye:"), (9, 1), ("tab",)),
        (("languages: [tr, en]", "languages: []"), (3, 1), ("at least 1",)),
        (("steps:", "steps: [\n"), None, ("f.yaml",)),
        (("type: hangup", "type: !!python/object:os.system x"), (9, 15), ("not allowed",)),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(
    change: tuple[str, str], place: tuple[int, int] | None, words: tuple[str, ...]
) -> None:
    found = findings(GOOD.replace(*change))
    assert any(all(word in str(finding) for word in words) for finding in found), found
    if place:
        assert place in [(finding.line, finding.column) for finding in found], found


def test_all_mistakes_are_told_at_once() -> None:
    found = findings(GOOD.replace("prompt: hello", "prompt: x").replace("start: hello", "start: y"))
    assert {finding.code for finding in found} == {"no-such-prompt", "no-such-step"}


def test_a_question_needs_its_ends() -> None:
    text = GOOD.replace(
        "type: say, prompt: hello, next: bye", "type: collect, prompt: hello, save: n, next: bye"
    )
    assert {finding.code for finding in findings(text)} == {"no-end"}
    with_ends = text.replace("start:", "no_input: {next: bye}\nno_match: {next: bye}\nstart:")
    assert load_text(with_ends).ways["hello"] == {
        "no_input": "bye", "no_match": "bye", "next": "bye",
    }  # fmt: skip


def test_a_yaml_bomb_is_refused() -> None:
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
    )
    assert findings(bomb)[0].code == "too-large"


def test_an_alias_of_itself_is_refused() -> None:
    assert findings("a: &a [*a]\n")[0].code == "too-large"


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_text("# " + "x" * (MAX_BYTES + 10))
    with pytest.raises(FlowRefused, match="split it up"):
        load_flow(path)


@pytest.mark.parametrize(
    ("content", "code"), [(b"", "empty"), (b"\xff\xfe", "not-utf8"), (b"a: 1", "not-a-flow")]
)
def test_a_file_that_is_no_flow(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(FlowRefused) as caught:
        load_flow(path)
    assert caught.value.findings[0].code == code


def test_a_folder_gives_its_good_flows_and_the_findings_of_the_others(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(GOOD.replace("type: say", "type: sing"))
    (tmp_path / "lines.yaml").write_text("lines: {}")
    library, found = load_folder(tmp_path)
    assert [flow.name for flow in library] == ["good"]
    assert [Path(finding.file).name for finding in found] == ["bad.yaml"]


def test_the_shipped_flows_load() -> None:
    library, found = load_folder(Path(__file__).parents[3] / "scenarios")
    assert not found
    assert "order_line" in library
