"""Proofs: that a task does what it claims, and that its tests are strong."""
