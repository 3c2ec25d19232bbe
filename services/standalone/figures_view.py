"""Figures as tables."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table

from services.env.quarantine import Certificate, Figures, Spread

_STYLES = {"certified": "green", "failed": "red", "unmeasured": "yellow"}


def certificate_table(certificates: Iterable[Certificate]) -> Table:
    """Returns one row for each program of each task: what became of it, and how its reward was spread."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold underline")
    for column in ("task", "program", "outcome", "verdict"):
        table.add_column(column, no_wrap=True)
    for column in ("tests", "flakes", "failures", "idle", "loaded", "deviation", "spread"):
        table.add_column(column, no_wrap=True, justify="right")
    for certificate in certificates:
        for number, found in enumerate(certificate.programs):
            first = number == 0
            table.add_row(
                certificate.task_id if first else "",
                found.program,
                found.outcome.lower().replace("_", " ") or "-",
                certificate.verdict if first else "",
                *cells(found),
                style=_STYLES[certificate.verdict] if certificate.verdict != "certified" else None,
            )
    return table


def cells(found: Figures) -> tuple[str, ...]:
    """Returns tests, flakes, failures, reward idle and loaded, deviation and spread of all."""
    return (
        f"{found.tests_passed}/{found.tests_total}",
        f"{found.flakes}/{found.gradings}",
        str(found.failures),
        _reward(found.idle),
        _reward(found.loaded),
        "-" if found.reward is None else f"{found.reward.deviation:.4f}",
        "-" if found.reward is None else f"{found.reward.highest - found.reward.lowest:.3f}",
    )


def interval(found: Spread | None, digits: int) -> str:
    """Returns the lowest and the highest value, e.g. "0.9 .. 1.2"."""
    return "-" if found is None else f"{found.lowest:.{digits}f} .. {found.highest:.{digits}f}"


def _reward(found: Spread | None) -> str:
    if found is None:
        return "-"
    return f"{found.mean:.4f} ±{found.deviation:.4f} ({interval(found, 3)})"
