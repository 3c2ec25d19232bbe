"""Migrations of the store, run by Alembic when the env service starts."""
