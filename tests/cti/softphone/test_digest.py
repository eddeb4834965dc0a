from __future__ import annotations

import re

import pytest

from cti.softphone.digest import Challenge, Credentials, best
from cti.softphone.sip import parse
from tests.cti.softphone.peer import capture

MUFASA = Credentials("Mufasa", "Circle of Life")
RFC_7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


def response_in(value: str) -> str:
    found = re.search(r'response="([0-9a-f]+)"', value)
    assert found
    return found[1]


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616(algorithm: str, expected: str) -> None:
    challenge = Challenge.parse(RFC_7616.format(algorithm))
    assert challenge
    name, value = MUFASA.answer(
        challenge,
        "GET",
        "/dir/index.html",
        count=1,
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    assert name == "Authorization"
    assert response_in(value) == expected
    assert "nc=00000001" in value
    assert "qop=auth," in value
    assert 'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"' in value


def test_the_example_of_rfc_2617_without_protection_as_rfc_2069_had_it() -> None:
    challenge = Challenge.parse(
        'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    )
    assert challenge
    _, value = Credentials("Mufasa", "Circle Of Life").answer(
        challenge, "GET", "/dir/index.html", count=1, cnonce="unused"
    )
    assert response_in(value) == "670fd8c2df070c60b045671b8b24ff02"
    assert "nc=" not in value
    assert "qop" not in value


def test_asterisk_took_this_answer_to_this_challenge() -> None:
    challenge = Challenge.parse(parse(capture("register-401")).get("www-authenticate"))
    accepted = parse(capture("register-answered")).get("authorization")
    cnonce = re.search(r'cnonce="(\w+)"', accepted)
    assert challenge
    assert cnonce
    name, value = Credentials("201", "secret201").answer(
        challenge, "REGISTER", "sip:127.0.0.1:25760", count=1, cnonce=cnonce[1]
    )
    assert (name, value) == ("Authorization", accepted)


def test_a_proxys_challenge_is_answered_in_its_own_header() -> None:
    challenge = Challenge.parse('Digest realm="r",nonce="n",stale=TRUE', proxy=True)
    assert challenge
    assert challenge.stale
    assert MUFASA.answer(challenge, "INVITE", "sip:a@b", count=1, cnonce="c")[0] == (
        "Proxy-Authorization"
    )


@pytest.mark.parametrize(
    "value",
    [
        "Basic realm=x",
        'Digest realm="x"',
        'Digest realm="x",nonce="n",algorithm=MD5-sess',
        'Digest realm="x",nonce="n",qop="auth-int"',
        "",
    ],
)
def test_what_we_do_not_speak_is_left_alone(value: str) -> None:
    assert Challenge.parse(value) is None


def test_the_strongest_of_several_is_answered() -> None:
    names = ["MD5", "SHA-256", "BLAKE", "SHA-512-256"]
    offered = [Challenge.parse(RFC_7616.format(name)) for name in names]
    chosen = best(offered)
    assert chosen
    assert chosen.algorithm == "SHA-512-256"
    assert best([None]) is None


def test_the_password_is_in_no_text_and_quotes_are_escaped() -> None:
    assert "Circle" not in repr(MUFASA)
    challenge = Challenge.parse('Digest realm="a \\"b\\"",nonce="n"')
    assert challenge
    assert challenge.realm == 'a "b"'
    value = MUFASA.answer(challenge, "INVITE", "sip:a@b", count=1, cnonce="c")[1]
    assert 'realm="a \\"b\\""' in value
    assert "Circle" not in value
