from __future__ import annotations

import pytest

from cti.phone import e164, e164_or_same
from ivr.errors import BadInput


@pytest.mark.parametrize(
    "written",
    ["+905321112233", "0532 111 22 33", "5321112233", "0090 532 111 22 33", " +90 (532) 1112233 "],
)
def test_a_turkish_mobile_becomes_e164(written: str) -> None:
    assert e164(written) == "+905321112233"


def test_another_country_reads_by_its_own_rules() -> None:
    assert e164("0171 1234567", region="DE") == "+491711234567"


@pytest.mark.parametrize("written", ["", "1001", "anonymous", "+0", "+90", "112"])
def test_what_is_no_telephone_number_is_refused_or_kept(written: str) -> None:
    with pytest.raises(BadInput):
        e164(written)
    assert e164_or_same(written) == written
