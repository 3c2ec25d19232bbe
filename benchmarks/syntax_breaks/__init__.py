"""Working functions, a generator that breaks their syntax, and how much of that the built-in fixer repairs alone."""
