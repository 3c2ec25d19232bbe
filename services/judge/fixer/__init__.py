"""The built-in fixer: general repair patterns that work from the code, its description and its error log."""
