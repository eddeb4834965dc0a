import re

import pytest

from cti.queues import (
    AgentSkills,
    Caller,
    Queues,
    expected_wait,
    options,
    penalty,
    personal_queue,
    render,
    render_rules,
)  # fmt: skip
from ivr.errors import BadInput

QUEUES = Queues.model_validate(
    {
        "queues": {
            "support": {
                "priority": {"gold": 20},
                "overflow": {"to": "backup", "after": "10m"},
                "last_agent": {"within": "1d", "wait": "10s"},
                "wrap_up": "20s",
                "callback": {"key": "1"},
                "announce": {"every": "45s", "expected_wait": True},
            },
            "returns": {
                "skills": {"returns": 3, "english": 2},
                "overflow": {"to": "support", "after": "5m"},
                "relax": [{"after": "30s", "by": 1}, {"after": "90s", "by": 3}],
            },
            "backup": {"strategy": "ring_all", "weight": 3, "limit": 9},
        }
    }
)
SUPPORT, RETURNS = QUEUES.queues["support"], QUEUES.queues["returns"]


@pytest.mark.parametrize(
    ("levels", "short"),
    [
        ({"returns": 3, "english": 2}, 0),
        ({"returns": 9, "english": 9}, 0),
        ({"returns": 3, "english": 1}, 1),
        ({"returns": 1, "english": 1}, 2),
        ({"english": 2}, 3),
        ({}, 3),
    ],
)
def test_the_penalty_is_the_most_an_agent_falls_short(levels: dict[str, int], short: int) -> None:
    assert penalty(RETURNS, AgentSkills("ayse", levels)) == short


def test_without_skills_everybody_is_equal() -> None:
    assert penalty(SUPPORT, AgentSkills("ayse")) == 0


def test_what_the_dialplan_is_told() -> None:
    now = 1_000_000.0
    gold = Caller("gold", 5, "ayse", now - 3600)
    assert options(QUEUES, "support", gold, now) == {
        "priority": "20", "overflow": "backup", "timeout": "600",
        "agent": "santral-agent-ayse", "agent_wait": "10",
    }  # fmt: skip
    assert options(QUEUES, "returns", Caller(), now) == {
        "max_penalty": "0", "timeout": "300", "overflow": "support-backup", "timeouts": "600-",
    }  # fmt: skip
    assert options(QUEUES, "support", Caller(priority=50), now)["priority"] == "50"
    long_ago = Caller(last_agent="ayse", last_spoke=now - 90_000)
    assert "agent" not in options(QUEUES, "support", long_ago, now)
    assert options(QUEUES, "backup", gold, now) == {"priority": "5"}


def test_the_expected_wait() -> None:
    assert expected_wait(1, 1, talk=100, wrap_up=20) == 60
    assert expected_wait(3, 2, talk=100, wrap_up=20) == 150
    assert expected_wait(0, 1, talk=100, wrap_up=0) == 50
    assert expected_wait(1, 0, talk=100, wrap_up=20) is None


def section(text: str, name: str) -> dict[str, str]:
    found = re.search(rf"^\[{re.escape(name)}\]\n(.*?)(?:\n\n|\Z)", text, re.S | re.M)
    assert found, name
    return dict(line.split(" = ") for line in found[1].splitlines() if " = " in line)


def test_the_text_asterisk_reads() -> None:
    text = render(QUEUES, ["ayse", "bora", "ayse"])
    support = section(text, "support")
    assert (support["strategy"], support["timeout"], support["wrapuptime"]) == (
        "leastrecent", "20", "2",
    )  # fmt: skip
    assert support["announce-holdtime"] == "yes"
    assert support["context"] == "santral-queue-keys-1"
    assert support["periodic-announce"] == "santral-callback-offer-1"
    assert "context" not in section(text, "returns")
    assert section(text, "returns")["defaultrule"] == "santral-returns"
    backup = section(text, "backup")
    assert (backup["strategy"], backup["maxlen"], backup["weight"]) == ("ringall", "9", "3")
    assert (backup["joinempty"], backup["leavewhenempty"]) == ("yes", "no")
    assert "paused" in section(text, personal_queue("ayse"))["joinempty"]
    assert text.count("[santral-agent-ayse]") == 1
    rules = render_rules(QUEUES)
    assert "[santral-returns]\npenaltychange => 30,1\npenaltychange => 90,3" in rules
    assert rules.count("[") == 1


@pytest.mark.parametrize("login", ["", "a b", "a]\n[x", "ayşe", "a;b"])
def test_a_login_that_cannot_be_a_name_is_refused(login: str) -> None:
    with pytest.raises(BadInput):
        personal_queue(login)
