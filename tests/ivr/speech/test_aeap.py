"""AEAP messages: what Asterisk 22 sends (as captured), what we answer, and what is no AEAP."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.call import Guess
from ivr.errors import BadAeap, BadInput
from ivr.speech import aeap
from ivr.speech.aeap import Asked, Get, Response, Set, Setup, Tag
from ivr.speech.vad import EndPointing

SETUP = (
    '{"request":"setup","version":"0.1.0","codecs":[{"name":"slin"}],'
    '"params":{"language":"tr"},"id":"58b0d32c-e9b5-4a33-a4b7-4ee4c4a5a6b5"}'
)


def test_setup_is_read_and_accepted() -> None:
    setup = aeap.parse(SETUP)
    assert setup == Setup("58b0d32c-e9b5-4a33-a4b7-4ee4c4a5a6b5", ("slin",), {"language": "tr"})
    assert isinstance(setup, Setup)
    assert json.loads(aeap.accept(setup)) == {
        "response": "setup",
        "id": "58b0d32c-e9b5-4a33-a4b7-4ee4c4a5a6b5",
        "codecs": [{"name": "slin"}],
    }


def test_setup_for_another_codec_is_accepted_with_that_one() -> None:
    """A refusal, or another codec, would crash Asterisk: the questions are refused instead."""
    setup = Setup("1", ("opus", "ulaw"), {})
    assert json.loads(aeap.accept(setup))["codecs"] == [{"name": "opus"}]


def test_set_and_get_are_read_and_answered() -> None:
    request = aeap.parse('{"request":"set","params":{"phrases":"evet|hayır"},"id":"2"}')
    assert request == Set("2", {"phrases": "evet|hayır"})
    assert isinstance(request, Set)
    assert json.loads(aeap.done(request)) == {"response": "set", "id": "2"}
    assert json.loads(aeap.refuse(request, "why")) == {
        "response": "set",
        "id": "2",
        "error_msg": "why",
    }
    asked = aeap.parse('{"request":"get","params":["question"],"id":"3"}')
    assert asked == Get("3", ("question",))
    assert isinstance(asked, Get)
    assert json.loads(aeap.tell(asked, "7 waiting"))["params"] == {"question": "7 waiting"}
    results = Get("4", ("results",))
    assert json.loads(aeap.tell(results, "7 waiting"))["params"] == {"results": []}


def test_responses_are_read() -> None:
    assert aeap.parse('{"response":"set","id":"r1"}') == Response("r1", "set", "")
    refused = aeap.parse('{"response":"set","id":"r1","error_msg":"no speech"}')
    assert refused == Response("r1", "set", "no speech")


def test_results_carry_tag_question_and_guesses() -> None:
    text = aeap.results("r1", "7", Tag.SPEECH, (Guess("evet", 0.934), Guess("hayır", 0.05)))
    assert json.loads(text) == {
        "request": "set",
        "id": "r1",
        "params": {
            "results": [
                {"text": "evet", "score": 934, "grammar": "SPEECH:7", "best": 0},
                {"text": "hayır", "score": 50, "grammar": "SPEECH:7", "best": 1},
            ]
        },
    }
    assert "hayır" in text  # not escaped
    empty = json.loads(aeap.results("r2", "", Tag.NOMATCH))
    assert empty["params"]["results"] == [{"text": "", "score": 0, "grammar": "NOMATCH", "best": 0}]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "[]",
        "3",
        "{}",
        '{"request":"setup"}',
        '{"request":"dance","id":"1"}',
        '{"request":"set","id":7,"params":{}}',
        '{"request":"get","id":"1","params":{"a":"b"}}',
        '{"request":"set","id":"1","params":[]}',
        '{"response":"set"}',
    ],
)
def test_what_is_no_aeap_is_refused(text: str) -> None:
    with pytest.raises(BadAeap):
        aeap.parse(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["request", "response", "id", "params", "codecs", "name"]), inner
        )
    ),
    max_leaves=12,
)


@given(JSON | st.text(max_size=30).map(lambda text: {"request": "set", "id": "1", "params": text}))
def test_any_json_is_read_or_refused(data: object) -> None:
    try:
        aeap.parse(json.dumps(data))
    except BadAeap:
        pass


@given(
    st.text("0123456789", max_size=4),
    st.lists(st.text(max_size=10), max_size=4),
    st.integers(100, 5000),
    st.booleans(),
)
def test_questions_come_over_as_they_are(
    number: str, phrases: list[str], hangover: int, barge_in: bool
) -> None:
    asked = Asked(number, "tr", tuple(phrases), EndPointing(hangover), barge_in)
    assert Asked.from_json(asked.to_json()) == asked


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "[]",
        '{"phrases":"evet"}',
        '{"phrases":[1]}',
        '{"speech":{"hangover":1}}',
        '{"speech":{"hangover":"soon"}}',
        '{"speech":{"pause":200}}',
        '{"speech":3}',
    ],
)
def test_a_question_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        Asked.from_json(text)
