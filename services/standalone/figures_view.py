"""Figures as tables."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table

from services.env.quarantine import Certificate, Figures, Spread

COLUMNS = ("tests", "flakes", "failures", "idle", "loaded", "deviation", "spread")
_NARROW = ("flakes", "idle", "loaded", "deviation", "spread")
_WIDE = 165
_STYLES = {"failed": "red", "unmeasured": "yellow"}


def certificate_table(certificates: Iterable[Certificate], width: int) -> Table:
    """Returns one row for each program of each task: what became of it, and how its reward was spread.

    Args:
        certificates: The tasks' certificates.
        width: Columns there are; on less than `_WIDE` the table leaves out what the certificate file tells as well.
    """
    wide = width >= _WIDE
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold underline")
    for column in ("task", "verdict", "program", *(("outcome",) if wide else ())):
        table.add_column(column, no_wrap=True)
    for column in COLUMNS if wide else _NARROW:
        table.add_column(column, no_wrap=True, justify="right")
    for certificate in certificates:
        style = None if certificate.verdict == "certified" else _STYLES[certificate.verdict]
        for number, found in enumerate(certificate.programs):
            head = ("", "") if number else (certificate.task_id, certificate.verdict)
            outcome = (found.outcome_words,) if wide else ()
            table.add_row(*head, found.program, *outcome, *cells(found, wide=wide), style=style)
    return table


def cells(found: Figures, *, wide: bool = True) -> tuple[str, ...]:
    """Returns one text for each of `COLUMNS`, or of fewer where there is little room."""
    flakes = f"{found.flakes}/{found.gradings}"
    passed = (f"{found.tests_passed}/{found.tests_total}", flakes, str(found.failures)) if wide else (flakes,)
    deviation, spread = "-", "-"
    if found.reward is not None:
        deviation, spread = f"{found.reward.deviation:.4f}", f"{found.reward.highest - found.reward.lowest:.3f}"
    return (*passed, _reward(found.idle, wide=wide), _reward(found.loaded, wide=wide), deviation, spread)


def interval(found: Spread | None, digits: int) -> str:
    """Returns the lowest and the highest value, e.g. "0.9 .. 1.2"."""
    return "-" if found is None else f"{found.lowest:.{digits}f} .. {found.highest:.{digits}f}"


def _reward(found: Spread | None, *, wide: bool) -> str:
    if found is None:
        return "-"
    return f"{found.mean:.4f} ±{found.deviation:.4f}" + (f" ({interval(found, 3)})" if wide else "")
