"""Draws the inputs of tests with random inputs, out of a submission's reach."""

from __future__ import annotations

import json
import random

import codearena_graphs


def draw(inputs: str, names: list[str], count: int, seed: str) -> list[str]:
    """Returns the values of some names for each of several tests: the JSON texts of dicts' graphs.

    Args:
        inputs: Statements that bind the names; they find `rng` and `case`.
        names: The names.
        count: How many tests.
        seed: The same seed draws the same values.

    Raises:
        NameError: The statements do not bind a name.
    """
    code = compile(inputs, "inputs", "exec", dont_inherit=True)
    drawn = []
    for case in range(count):
        scope = {"rng": random.Random(f"{seed}/{case}"), "case": case, "__name__": "inputs"}  # noqa: S311
        exec(code, scope)  # noqa: S102
        if missing := [name for name in names if name not in scope]:
            raise NameError(f"inputs does not bind {missing[0]!r}")
        graph, _ = codearena_graphs.pack({name: scope[name] for name in names})
        drawn.append(json.dumps(graph, separators=(",", ":")))
    return drawn
