"""Training: GRPO against a live arena, of a model by name or of a tiny one made on the spot."""
