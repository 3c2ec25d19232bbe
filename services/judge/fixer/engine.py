"""Chooses the next proposal.

Code that does not compile is repaired until it does. Code that compiles gets the first change of the first rule, rules
to which the error log or the description points before the others, that was not tried before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from services.judge.fixer import algorithms, bounds, conversions, flow, guards, names, syntax, vulnerabilities
from services.judge.fixer.evidence import Change, Evidence
from services.judge.fixer.rule import Kind, Rule
from services.judge.source import Unreadable, normal_form, parse

MAX_CODE_CHARACTERS = 65_536
MAX_TEXT_CHARACTERS = 65_536
MAX_EXPLANATIONS = 10

RULES: tuple[Rule, ...] = (
    *names.RULES,
    *vulnerabilities.RULES,
    *bounds.RULES,
    *guards.RULES,
    *conversions.RULES,
    *flow.RULES,
    *algorithms.RULES,
)
"""Every pattern for code that compiles, in the order in which they are tried."""


def propose(
    code: str,
    error_log: str = "",
    description: str = "",
    previous_attempts: Sequence[str] = (),
    last_reward: float | None = None,
) -> tuple[str, list[str]]:
    """Returns a repaired program and what was changed.

    Args:
        code: The source to repair: hostile text, never executed.
        error_log: What is known of its failure.
        description: What it should do.
        previous_attempts: Programs that are not proposed again.
        last_reward: Reward of the last attempt, in [0, 1]; None before the first one.

    Returns:
        The program, equal to `code` if nothing was found, and a sentence for each change.
    """
    if len(code) > MAX_CODE_CHARACTERS:
        return code, []
    lines = code.replace("\r\n", "\n").replace("\r", "\n")
    tried = {normal_form(attempt) for attempt in (code, *previous_attempts)}
    for candidate, explanations in _candidates(
        lines, error_log[:MAX_TEXT_CHARACTERS], description[:MAX_TEXT_CHARACTERS], last_reward
    ):
        if normal_form(candidate) not in tried:
            return candidate, explanations[:MAX_EXPLANATIONS]
    return code, []


def _candidates(
    code: str, error_log: str, description: str, last_reward: float | None
) -> Iterator[tuple[str, list[str]]]:
    if syntax.find_mistake(code) is not None:
        yield from syntax.repairs(code)
        return
    try:
        tree = parse(code)
    except Unreadable:
        return
    for change in _changes(Evidence(code, tree, error_log, description, last_reward)):
        if syntax.find_mistake(change.code) is None:
            yield change.code, [change.explanation]


def _changes(evidence: Evidence) -> Iterator[Change]:
    usable = [rule for rule in RULES if not evidence.all_tests_pass or rule.kind is not Kind.CORRECTNESS]
    pointed_at = [rule for rule in usable if rule.signal(evidence)]
    others = [rule for rule in usable if rule not in pointed_at and not rule.needs_signal]
    for rule in (*pointed_at, *others):
        yield from rule.changes(evidence)
