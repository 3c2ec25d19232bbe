"""What Alembic runs: the migrations, over the connection that `services.env.migrate` gave it."""

from __future__ import annotations

from alembic import context

from services.env.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, render_as_batch=True)
context.run_migrations()
