"""What Alembic runs for every command; the connection is handed in by `cti/db/migrate.py`."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection

from cti.db.models import metadata


def render(kind: str, item: Any, autogen: Any) -> str | Literal[False]:
    """Our own column types by name in a new revision; everything else as Alembic does."""
    if kind == "type" and type(item).__module__ == "cti.db.types":
        autogen.imports.add("from cti.db import types")
        return f"types.{type(item).__name__}()"
    return False


connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    render_item=render,
    transaction_per_migration=False,
)
context.run_migrations()
