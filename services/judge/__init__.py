"""The judge service: scores and proposals."""
