"""The built-in fixer on the committed set of synthetic syntax breaks, and the generator that made it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.syntax_breaks.functions import functions
from benchmarks.syntax_breaks.generator import KINDS, broken
from benchmarks.syntax_breaks.held_out import SEEDS, held_out
from benchmarks.syntax_breaks.repair import answers, repaired

LEAST = 80


@pytest.fixture(scope="module")
def right():
    return {function.id: answers(function.code, function.checks) for function in functions()}


def test_the_functions_work(right):
    assert len(right) == len(functions()) >= 30
    for function in functions():
        assert 5 <= function.code.count("\n") <= 25, function.id
        assert 2 <= len(function.checks) <= 4, function.id
        assert not [answer for answer in right[function.id] if "Error" in answer], function.id


def test_the_generator_makes_the_committed_set():
    assert len(SEEDS) == 100
    assert held_out() == [broken(seed) for seed in SEEDS]
    assert {program.kind for program in held_out()} == set(KINDS)


def test_every_broken_program_fails(right):
    checks = {function.id: function.checks for function in functions()}
    with ThreadPoolExecutor(2) as pool:
        given = list(pool.map(lambda program: answers(program.code, checks[program.function]), held_out()))
    for program, got in zip(held_out(), given, strict=True):
        assert got != right[program.function], program
        assert any(answer.startswith(("SyntaxError", "IndentationError", "TabError", "NameError")) for answer in got)


def test_the_fixer_alone_repairs_most():
    with ThreadPoolExecutor(2) as pool:
        unrepaired = [
            program for program, code in zip(held_out(), pool.map(repaired, held_out()), strict=True) if code is None
        ]
    told = "\n".join(f"{program.seed} {program.kind}:\n{program.code}" for program in unrepaired)
    assert len(SEEDS) - len(unrepaired) >= LEAST, told
