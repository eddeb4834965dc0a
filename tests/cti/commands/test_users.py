"""`santral user`, as it is typed; the engine's side is `tests/cti/web`."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from cti.cli import main


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.setenv("SANTRAL_STATE", str(tmp_path))

    def one(*words: str, code: int = 0) -> Any:
        assert main(["user", *words]) == code
        said = capsys.readouterr()
        return json.loads(said.out) if "--json" in words else said.out + said.err

    return one


def test_a_user_from_first_to_last(run: Any, tmp_path: Path) -> None:
    made = run("add", "ayse", "--name", "Ayşe Demir", "--queues", "support,returns",
               "--skills", "returns=3", "--json")  # fmt: skip
    assert (made["role"], made["queues"], made["phone"]) == ("agent", ["returns", "support"], "web")
    assert len(made["password"]) > 14
    assert "hash" not in str(made)
    assert made["password"].encode() not in (tmp_path / "santral.db").read_bytes()
    assert [one["login"] for one in run("list", "--json")] == ["ayse"]
    seated = run("seat", "ayse", "--phone", "desk", "--json")
    assert (seated["phone"], seated["skills"], seated["queues"]) == (
        "desk", {"returns": 3}, ["returns", "support"],
    )  # fmt: skip
    assert run("role", "ayse", "supervisor", "--json")["role"] == "supervisor"
    assert run("disable", "ayse", "--json")["active"] is False
    assert "disabled" in run("list")
    assert run("enable", "ayse", "--json")["active"] is True
    assert run("password", "ayse", "--json")["password"] != made["password"]


def test_a_password_can_be_given(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("uzun-bir-parola\n"))
    assert "password" not in run("add", "bora", "--ask", "--json")
    monkeypatch.setattr("sys.stdin", io.StringIO("kisa\n"))
    assert "10 characters" in run("password", "bora", "--ask", code=2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "Ayşe"), "cannot be a login"), (("add", "a\r\nb"), "cannot be a login"),
        (("add", "x1", "--queues", "nowhere"), "there is no queue nowhere"),
        (("add", "x2", "--skills", "returns=99"), "is no skill"),
        (("add", "x3", "--extension", "a;b"), "cannot be a login"),
        (("password", "nobody"), "there is no user"), (("token", "revoke", "7"), "no good token"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_and_leaves_nothing(
    run: Any, words: tuple[str, ...], said: str
) -> None:
    assert said in run(*words, code=2)
    assert run("list", "--json") == []


def test_a_login_and_an_extension_are_one_persons(run: Any) -> None:
    run("add", "ayse")
    assert "already" in run("add", "ayse", code=2)
    assert "somebody else's" in run("add", "bora", "--extension", "ayse", code=2)
    assert [one["login"] for one in run("list", "--json")] == ["ayse"]


def test_a_token_is_shown_once_and_can_do_no_more_than_its_owner(run: Any, tmp_path: Path) -> None:
    run("add", "kok", "--role", "admin")
    made = run("token", "create", "kok", "--label", "shop", "--scopes", "orders:read,orders:write",
               "--days", "30", "--json")  # fmt: skip
    assert made["token"].startswith("santral_")
    assert made["token"].encode() not in (tmp_path / "santral.db").read_bytes()
    (listed,) = run("token", "list", "kok", "--json")
    assert (listed["label"], listed["scopes"]) == ("shop", ["orders:read", "orders:write"])
    assert "token" not in listed
    assert run("token", "revoke", str(made["number"]), "--json")["revoked"]
    run("add", "ayse")
    wrong = run("token", "create", "ayse", "--label", "x", "--scopes", "accounts", code=2)
    assert "may not accounts" in wrong
    assert "no scope fly" in run(
        "token", "create", "ayse", "--label", "x", "--scopes", "fly", code=2
    )
