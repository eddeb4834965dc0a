"""docs/settings.md, made of `Settings` itself. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from cti.settings import HOME, PREFIX, STATE, Settings

HEAD: Final = """# Settings

Made from `cti/settings.py` by `santral settings --write`; a test keeps it fresh.

A setting is a variable in the environment. It may stand in a file instead, as passwords do:
`SANTRAL_AMI_SECRET_FILE=/run/secrets/ami_secret`. One that does not exist is refused at the start,
with the name that was probably meant; so is a value that cannot be. Secrets have no default.

| setting | what for | default |
| --- | --- | --- |
"""


def settings_page() -> str:
    """The whole page."""
    return HEAD + "".join(_row(name, field) for name, field in Settings.model_fields.items())


def _row(name: str, field: FieldInfo) -> str:
    about = (field.description or "").replace("|", "\\|")
    return f"| `{PREFIX}{name.upper()}` | {about} | {_default(field)} |\n"


def _default(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, SecretStr):
        return "none; it is a secret"
    if value is None or value == "":
        return ""
    if isinstance(value, Path):
        if value == STATE:
            return "`.santral`"
        return f"`{value.relative_to(HOME) if value.is_relative_to(HOME) else value}`"
    return f"`{value}`"
