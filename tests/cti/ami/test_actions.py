import pytest

from cti.ami import actions
from cti.ami.framing import encode
from ivr.errors import BadInput

EVERY = [
    actions.Originate("PJSIP/a", "ctx", "100", id="x", variables={"__A": "1"}),
    actions.spy("PJSIP/s", "PJSIP/a-1", actions.Listening.WHISPER),
    actions.Hangup("c"),
    actions.Redirect("c", "ctx", "1", "d", "ctx", "2"),
    actions.BlindTransfer("c", "ctx", "1"),
    actions.Atxfer("c", "ctx", "1"),
    actions.CancelAtxfer("c"),
    actions.MixMonitorMute("c", True),
    actions.PlayDTMF("c", "5", receive=True),
    actions.Setvar("A", "", "c"),
    actions.Getvar("A"),
    actions.PJSIPNotify("talk", channel="c"),
    actions.QueueAdd("q", "PJSIP/a", "Ayşe", 3, True, "mola"),
    actions.QueueRemove("q", "PJSIP/a"),
    actions.QueuePause("PJSIP/a", False),
    actions.QueuePenalty("PJSIP/a", 2, "q"),
    actions.QueueWithdrawCaller("q", "c"),
    actions.QueueChangePriorityCaller("q", "c", 5),
    actions.QueueReload(),
    actions.Reload("app_queue.so"),
    actions.CoreShowChannels(),
    actions.DBGetTree("f"),
    actions.QueueStatus(),
    actions.DeviceStateList(),
    actions.ShowDialPlan("ctx", "1"),
    actions.Ping(),
    actions.Challenge(),
    actions.Login("u", "k", "call"),
    actions.Filter("Newstate"),
    actions.SendUserEvent("X", {"A": "b"}),
]


@pytest.mark.parametrize("action", EVERY, ids=lambda action: type(action).__name__)
def test_every_action_can_be_sent(action: actions.Action) -> None:
    data = encode((("Action", action.name), *action.headers())).decode()
    assert data.startswith(f"Action: {action.name}\r\n")
    assert action.deadline > 0


def test_no_action_is_missing_here() -> None:
    kinds = {
        kind
        for kind in vars(actions).values()
        if isinstance(kind, type) and issubclass(kind, actions.Action)
    }
    assert kinds == {actions.Action, *map(type, EVERY)}


def test_originate_in_full() -> None:
    action = actions.Originate(
        "PJSIP/0532@trunk", "santral-out", "s", id="att-1", caller_id='"Mağaza" <850>',
        ring_for=25.5, variables={"__SANTRAL_CALL": "att-1", "B": "2"},
    )  # fmt: skip
    assert action.headers() == (
        ("Channel", "PJSIP/0532@trunk"),
        ("Context", "santral-out"),
        ("Exten", "s"),
        ("Priority", "1"),
        ("Timeout", "25500"),
        ("Async", "true"),
        ("ChannelId", "att-1"),
        ("CallerID", '"Mağaza" <850>'),
        ("Variable", "__SANTRAL_CALL=att-1"),
        ("Variable", "B=2"),
    )


@pytest.mark.parametrize(
    "action",
    [actions.Originate("PJSIP/a"), actions.Originate("PJSIP/a", "c", "1", application="Echo")],
)
def test_originate_goes_to_exactly_one_place(action: actions.Originate) -> None:
    with pytest.raises(BadInput):
        action.headers()


@pytest.mark.parametrize(
    ("target", "how"), [("PJSIP/a-1,x", "q"), ("a&b", "q"), ("a", "S"), ("a", "qo(9)")]
)
def test_spying_takes_one_channel_and_a_known_way(target: str, how: str) -> None:
    with pytest.raises(BadInput):
        actions.spy("PJSIP/s", target, how)


def test_the_login_shows_no_key() -> None:
    assert "hunter" not in repr(actions.Login("u", "hunter", "call"))
