"""Brings a database to the newest schema."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

_FOLDER = Path(__file__).with_name("migrations")
_LOCK = 0x0C0DEA4E4A  # of PostgreSQL's advisory locks: that of those who migrate


class NewerSchema(Exception):
    """The database was migrated by a newer version; this one must not touch it."""


def migrate(connection: Connection) -> None:
    """Runs the migrations that are missing, in the caller's transaction; one process at a time.

    Raises:
        NewerSchema: There is one that this version does not know.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    present = MigrationContext.configure(connection).get_current_heads()
    unknown = [revision for revision in present if revision not in known]
    if unknown:
        raise NewerSchema(
            f"the database has schema {unknown[0]}, this version of CodeArena knows up to "
            f"{scripts.get_current_head()}: start a newer version, or use another database"
        )
    if set(present) != set(scripts.get_heads()):
        command.upgrade(config, "head")
