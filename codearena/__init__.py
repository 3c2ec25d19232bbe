"""SDK of CodeArena."""
