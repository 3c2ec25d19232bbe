"""From gradings to figures, and from figures to a verdict. Pure."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from services.env.quarantine import Figures, Limits, Spread, Verdict
from services.standalone.regrade import Regrading


def figures(program: str, gradings: Sequence[Regrading]) -> Figures:
    """Returns what the gradings of one program come to. Failures of the arena are counted and left out."""
    done = [one for one in gradings if not one.failed]
    results = Counter(one.result for one in done)
    (outcome, passed), agreeing = results.most_common(1)[0] if results else (("", 0), 0)
    grades = [one.grade for one in done if one.grade is not None]
    reports = [grade.efficiency for grade in grades if grade.efficiency is not None]
    return Figures(
        program=program,
        gradings=len(done),
        failures=len(gradings) - len(done),
        outcome=outcome,
        tests_passed=passed,
        tests_total=max((grade.tests_total for grade in grades), default=0),
        flakes=len(done) - agreeing,
        reward=spread(_rewards(done)),
        idle=spread(_rewards(one for one in done if not one.loaded)),
        loaded=spread(_rewards(one for one in done if one.loaded)),
        cpu_ratio=spread(report.cpu_ratio for report in reports if report.cpu_ratio is not None),
        excess=spread(
            report.growth_exponent - (report.reference_growth_exponent or 0.0)
            for report in reports
            if report.growth_exponent is not None
        ),
    )


def spread(values: Iterable[float]) -> Spread | None:
    """Returns how numbers are spread; None if there are none."""
    known = list(values)
    if not known:
        return None
    return Spread(
        count=len(known),
        mean=statistics.fmean(known),
        deviation=statistics.pstdev(known),
        lowest=min(known),
        highest=max(known),
    )


def verdict(found: Sequence[Figures], limits: Limits, refusals: Mapping[str, str]) -> tuple[Verdict, tuple[str, ...]]:
    """Returns the verdict on a task and its reasons.

    Args:
        found: The figures of all its programs.
        limits: What they may not exceed.
        refusals: Programs that the arena refused at least once, and why.

    Returns:
        "failed" if a program is over a limit or was refused; "unmeasured" if none is, but one has fewer than half
        of its gradings, idle or loaded; else "certified".
    """
    broken = [f"{name}: refused: {why}" for name, why in refusals.items()]
    broken += [reason for program in found for reason in _excesses(program, limits)]
    if broken:
        return "failed", tuple(broken)
    missing = [
        f"{program.program}: the arena failed in {program.failures} of {program.gradings + program.failures} gradings"
        for program in found
        if min(_count(program.idle), _count(program.loaded)) * 4 < limits.runs - 1
    ]
    return ("unmeasured", tuple(missing)) if missing else ("certified", ())


def _excesses(found: Figures, limits: Limits) -> Iterable[str]:
    if found.flake_rate > limits.flake_rate:
        yield (
            f"{found.program}: {found.flakes} of {found.gradings} gradings differ from {found.outcome_words} with "
            f"{found.tests_passed} of {found.tests_total} tests (flake rate {found.flake_rate:.3f}, "
            f"at most {limits.flake_rate:g})"
        )
    if found.reward is not None and found.reward.deviation > limits.deviation:
        yield (
            f"{found.program}: the reward's standard deviation is {found.reward.deviation:.4f}, "
            f"from {found.reward.lowest:.3f} to {found.reward.highest:.3f} (at most {limits.deviation:g})"
        )


def _rewards(gradings: Iterable[Regrading]) -> list[float]:
    return [one.grade.reward for one in gradings if one.grade is not None]


def _count(found: Spread | None) -> int:
    return 0 if found is None else found.count
