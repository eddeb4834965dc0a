"""Settings: read once, and a wrong one is named without giving a secret away."""

from __future__ import annotations

import pytest

from cti.settings import Settings
from ivr.errors import BadSetting


def test_defaults_listen_on_loopback_and_hold_no_secret() -> None:
    settings = Settings.from_environment({})
    assert settings.agi_host == "127.0.0.1"
    assert settings.agi_key.get_secret_value() == ""
    assert settings.ami_secret.get_secret_value() == ""


def test_the_environment_is_read() -> None:
    settings = Settings.from_environment(
        {"SANTRAL_AGI_PORT": "5000", "LOOKUP_DATABASE_URL": "sqlite+aiosqlite:///x.db", "PATH": "/"}
    )
    assert settings.agi_port == 5000
    assert settings.lookup_database == "sqlite+aiosqlite:///x.db"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SANTRAL_AGI_PROT", "1", "did you mean SANTRAL_AGI_PORT"),
        ("SANTRAL_AGI_PORT", "many", "SANTRAL_AGI_PORT"),
        ("SANTRAL_DATABASE_URL", "mysql://x", "must begin with"),
        ("SANTRAL_DATABASE_URL", "oracle://scott:tiger@h/x", "SANTRAL_DATABASE_URL"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, words: str) -> None:
    with pytest.raises(BadSetting, match=words) as caught:
        Settings.from_environment({name: value})
    assert "tiger" not in str(caught.value)


def test_secrets_are_not_printed() -> None:
    settings = Settings.from_environment({"SANTRAL_AMI_SECRET": "hunter2"})
    assert "hunter2" not in repr(settings)
