"""The services of CodeArena."""
