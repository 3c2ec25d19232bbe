"""The environment service: episodes and rewards."""
