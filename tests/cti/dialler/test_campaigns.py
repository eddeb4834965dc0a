from __future__ import annotations

from pathlib import Path

import pytest

from cti.dialler.campaigns import Outcome, Trunk, load_campaigns
from ivr.errors import FlowRefused
from ivr.flow.folder import check_folder

SCENARIOS = Path(__file__).parents[3] / "scenarios"

GOOD = """campaigns:
  thanks:
    event: order.created
    flow: confirm_order
    when: order.total >= 500 and customer.tier == 'gold'
    delay: 2m
    window:
      zone: Europe/Istanbul
      weekly: {mon-fri: 10:00-20:00}
    attempts:
      most: 2
      busy: {gap: 10m, times: 2}
    caller_id: 0850 222 01 00
    expires: 1d
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "outbound.yaml"
    path.write_text(text)
    return path


def test_a_campaign_is_read(tmp_path: Path) -> None:
    campaigns = load_campaigns(written(tmp_path, GOOD))
    one = campaigns.of("order.created")["thanks"]
    assert (one.delay, one.expires, one.caller_id) == (120, 86_400, "+908502220100")
    again = one.attempts.again(Outcome.BUSY)
    assert again is not None
    assert (again.gap, again.times) == (600, 2)
    assert one.attempts.again(Outcome.ANSWERED) is one.attempts.again(Outcome.MACHINE) is None
    assert campaigns.of("payment.failed") == {}


@pytest.mark.parametrize(
    ("line", "old", "new", "said"),
    [
        (3, "order.created", "order.craeted", "did you mean 'order.created'?"),
        (5, "customer.tier", "custmer.tier", "did you mean 'customer'?"),
        (5, "order.total >=", "order.total >= >=", "cannot be read"),
        (6, "delay: 2m", "dealy: 2m", "did you mean 'delay'?"),
        (6, "delay: 2m", "delay: 2d", "expires before the delay"),
        (8, "Europe/Istanbul", "Europe/Istambul", "no time zone"),
        (7, "10:00-20:00", "20:00-10:00", "ends before it begins"),
        (7, "{mon-fri: 10:00-20:00}", "{}", "never opens"),
        (12, "gap: 10m", "gap: 1s", "greater than or equal to 60"),
        (12, "gap: 10m", "gap: 2d", "before the gap is over"),
        (12, "times: 2", "tmies: 2", "did you mean 'times'?"),
        (13, "0850 222 01 00", "twelve", "not a telephone number"),
    ],
)
def test_a_mistake_is_refused_with_its_line(
    tmp_path: Path, line: int, old: str, new: str, said: str
) -> None:
    assert old in GOOD
    with pytest.raises(FlowRefused) as caught:
        load_campaigns(written(tmp_path, GOOD.replace(old, new)))
    found = [one for one in caught.value.findings if one.line == line and said in one.message]
    assert found, caught.value


def test_a_trunk_dials_neither_paid_numbers_nor_abroad() -> None:
    trunk = Trunk(countries=("TR",))
    assert trunk.refuses("+905321112233") == ""
    assert "GB" in trunk.refuses("+442079460000")
    assert "costs" in trunk.refuses("+909001234567")
    assert Trunk(countries=("TR",), prefixes=("+4420",)).refuses("+442079460000") == ""


def test_the_shipped_campaigns_lead_into_shipped_flows() -> None:
    campaigns = load_campaigns(SCENARIOS / "outbound.yaml").campaigns
    flows = {(one.event, one.flow) for one in campaigns.values()}
    assert flows == {("order.created", "confirm_order"), ("payment.failed", "payment_failed")}
    checked = check_folder(SCENARIOS)
    assert {flow for _, flow in flows} <= checked.views.keys()
    assert [str(one) for one in checked.findings if one.file.endswith("outbound.yaml")] == []
