"""docs/settings.md is what the settings are, and .env.example has what compose asks for."""

from __future__ import annotations

import re

from cti.settings import CHECKOUT, Settings
from cti.settings_page import settings_page


def test_the_page_is_fresh() -> None:
    assert (CHECKOUT / "docs/settings.md").read_text("utf-8") == settings_page(), (
        "run: ./santral settings --write"
    )


def test_every_setting_says_what_it_is_for() -> None:
    for name, field in Settings.model_fields.items():
        assert len(field.description or "") > 4, name


def test_no_path_of_this_machine_is_in_the_page() -> None:
    assert str(CHECKOUT) not in settings_page()


def test_env_example_has_every_variable_of_compose() -> None:
    compose = (CHECKOUT / "docker-compose.yml").read_text()
    asked = set(re.findall(r"\$\{(SANTRAL_\w+)", compose))
    example = (CHECKOUT / ".env.example").read_text()
    assert {name for name in asked if not re.search(rf"^#? ?{name}=", example, re.M)} == set()


def test_compose_gives_only_settings_that_exist() -> None:
    for name in ("docker-compose.yml", "containers/host.yml"):
        text = (CHECKOUT / name).read_text()
        given = set(re.findall(r"^\s+SANTRAL_(\w+): ", text, re.MULTILINE)) - {"DOMAIN"}
        fields = {one.removesuffix("_FILE").lower() for one in given}
        assert fields <= set(Settings.model_fields)
