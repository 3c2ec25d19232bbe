"""The mutation engine: every small mistake that a program could hold, one at a time or composed."""

from services.authoring.mutation.engine import mutants
from services.authoring.mutation.mutant import CompositionError, Mutant, applied

__all__ = ["CompositionError", "Mutant", "applied", "mutants"]
