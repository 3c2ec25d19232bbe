"""Every operator, the more telling ones first: of two that make the same program, the first one names it."""

from __future__ import annotations

from services.authoring.mutation.operators import (
    accumulators,
    arguments,
    arithmetic,
    calls,
    comparisons,
    conditions,
    constants,
    defaults,
    exceptions,
    indentation,
    loops,
    methods,
    returns,
    sequences,
    statements,
    variables,
)

OPERATORS = (
    *comparisons.OPERATORS,
    *conditions.OPERATORS,
    *accumulators.OPERATORS,
    *loops.OPERATORS,
    *sequences.OPERATORS,
    *arithmetic.OPERATORS,
    *defaults.OPERATORS,
    *constants.OPERATORS,
    *returns.OPERATORS,
    *exceptions.OPERATORS,
    *statements.OPERATORS,
    *indentation.OPERATORS,
    *methods.OPERATORS,
    *calls.OPERATORS,
    *arguments.OPERATORS,
    *variables.OPERATORS,
)

BUG_CLASSES = tuple(
    sorted({operator.bug_class for operator in OPERATORS} | {"accumulator", "boundary", "default", "missing_guard"})
)
"""Every kind of bug that a mutant may be labelled with."""
