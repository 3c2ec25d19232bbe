"""The mutation operators, a family a file."""
