"""Adapters for the libraries that train and evaluate models; `docs/integrations.md` explains them.

Each module needs its own library, an extra of `codearena-rl`, and is imported only by who uses it.
"""
