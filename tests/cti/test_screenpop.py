from typing import Any

import pytest

from cti.ami import events as ami
from cti.screenpop import Card, PopState, Story, customer_number, fold, pop, revised
from ivr import events as ivr

STARTED = ivr.CallStarted("shop", "v1", "tr", caller="+905321112233", dialled="850")


def told(*events: ivr.Event) -> Story:
    story = Story("c1")
    for number, event in enumerate(events, 1):
        story = fold(story, ivr.Entry("c1", number, 100.0 + number, event))
    return story


TALK = (
    STARTED,
    ivr.StepEntered("shop", "menu", "menu"),
    ivr.Heard("keys", "1", answer="orders"),
    ivr.StepEntered("shop", "number", "collect", via="orders"),
    ivr.Heard("speech", "bin iki yüz otuz dört", 0.8, "1234"),
    ivr.VariableSet("order", {"number": "1234", "phone": "+905559998877"}),
    ivr.StepEntered("shop", "pin", "collect", via="found"),
    ivr.Heard("keys", None, secret=True),
    ivr.VariableSet("pin", None, secret=True),
    ivr.LanguageChosen("en"),
    ivr.Transferred("support", "queue", "late order"),
)


def test_the_path_and_what_was_said() -> None:
    story = told(*TALK)
    assert [(at.step, at.via) for at in story.path] == [
        ("menu", ""),
        ("number", "orders"),
        ("pin", "found"),
    ]
    assert [(said.step, said.kind, said.text, said.answer) for said in story.said] == [
        ("menu", "keys", "1", "orders"),
        ("number", "speech", "bin iki yüz otuz dört", "1234"),
        ("pin", "keys", None, None),
    ]
    assert (story.language, story.to, story.why) == ("en", "support", "late order")


def test_no_secret_gets_into_a_story_even_where_the_journal_slipped() -> None:
    story = told(
        *TALK,
        ivr.Heard("keys", "4111111111111111", answer="4111111111111111", secret=True),
        ivr.VariableSet("pin", "9876"),  # it was secret before and stays it
        ivr.VariableSet("card", "4111111111111111", secret=True),
    )
    assert "4111" not in repr(story)
    assert "9876" not in repr(story)
    assert "card" not in story.variables


def test_what_was_known_before_it_became_secret_is_taken_out() -> None:
    story = told(ivr.VariableSet("x", "open"), ivr.VariableSet("x", None, secret=True))
    assert "x" not in story.variables


@pytest.mark.parametrize(
    ("variables", "number"),
    [
        ({}, "+905321112233"),
        ({"order": {"phone": "+1"}}, "+1"),
        ({"order": {"phone": "+1"}, "customer": {"phone": "+2"}}, "+2"),
        ({"customer_phone": "+3", "customer": {"phone": "+2"}}, "+3"),
        ({"customer": "Ayşe", "order": None}, "Ayşe"),
        ({"customer": {"name": "Ayşe"}}, "+905321112233"),
    ],
)
def test_the_customer_is_whom_the_flow_found(variables: dict[str, Any], number: str) -> None:
    story = told(STARTED, *(ivr.VariableSet(name, value) for name, value in variables.items()))
    assert customer_number(story) == number


def test_the_intent_is_what_was_understood() -> None:
    assert told(STARTED, ivr.Heard("speech", "iade etmek istiyorum", 0.9, "returns")).intent == (
        "returns"
    )
    assert told(STARTED, ivr.VariableSet("intent", "billing")).intent == "billing"
    assert told(STARTED, ivr.Heard("keys", "1", answer="orders")).intent == ""


def test_entries_twice_or_out_of_date_change_nothing() -> None:
    story = told(*TALK)
    again = fold(story, ivr.Entry("c1", 3, 1.0, ivr.Heard("keys", "1", answer="orders")))
    assert again == story


def called(**channel: Any) -> ami.AgentCalled:
    leg = ami.Channel("PJSIP/trunk-1", "1.1", "1.1", 6, "05321112233", "Müşteri", exten="850",
                      variables={"SANTRAL_CALL": "c1"})  # fmt: skip
    dest = ami.Channel("PJSIP/ayse-2", "1.2", "1.1", 5)
    return ami.AgentCalled(160.0, leg, dest, "support", "PJSIP/ayse", "Ayşe")


def test_a_pop_is_the_story_the_card_and_the_event() -> None:
    card = Card(True, {"name": "Ayşe Yılmaz"}, "gold", ({"number": "1234"},))
    made = pop(called(), told(*TALK), card, joined=130.0)
    assert (made.id, made.revision, made.state) == ("c1/1.2", 1, PopState.RINGING)
    assert (made.agent, made.queue, made.waited) == ("PJSIP/ayse", "support", 30.0)
    assert (made.caller, made.caller_name, made.dialled) == ("+905321112233", "Müşteri", "850")
    assert (made.language, made.why, made.flow) == ("en", "late order", "shop")
    assert made.card == card
    assert len(made.path) == len(made.said) == 3


def test_a_pop_without_a_story_tells_what_the_line_tells() -> None:
    made = pop(called(), None, None, joined=0.0)
    assert (made.call, made.caller, made.waited, made.path) == ("c1", "05321112233", 0.0, ())


def test_a_revision_is_one_more() -> None:
    made = pop(called(), None, None, 0.0)
    assert revised(made, state=PopState.ANSWERED).revision == 2
