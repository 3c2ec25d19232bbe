"""What `fix` prints: the diff in colour, who answered and why, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from codearena import ModelUsage, Proposal, ProviderAttempt
from codearena._cli.render import figure, plain_table, print_grade, printable
from codearena._cli.rounds import Round, solution_of, total_usage

_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def print_proposal(out: Console, proposal: Proposal) -> None:
    """Prints a proposal: diff, explanations, providers, cost."""
    for line in proposal.diff.removesuffix("\n").split("\n"):
        if line:
            style = "bold" if line.startswith(("--- ", "+++ ")) else _STYLES.get(line[0], "")
            out.print(Text(printable(line), style=style), soft_wrap=True)
    if not proposal.diff:
        out.print("nothing to change was found")
    for explanation in proposal.explanations:
        out.print(Text(f"* {_line(explanation)}"), soft_wrap=True)
    for attempt in proposal.attempts:
        out.print(Text(_attempt(attempt), style="dim"), soft_wrap=True)
    out.print(Text(f"cost: {cost(proposal.usage)}", style="dim"), soft_wrap=True)


def print_round(out: Console, played: Round, number: int) -> None:
    """Prints one round, with its grade."""
    title = "the file" if played.proposal is None else f"round {number}"
    out.print(Text(f"\n{title}", style="bold"))
    if played.proposal is not None:
        print_proposal(out, played.proposal)
    if played.result is not None:
        print_grade(out, played.result.grade)


def table_of(tasks: Mapping[str, Sequence[Round]]) -> Table:
    """Returns what became of each task as a table."""
    table = plain_table("task", "solved", "by", "rounds", "tests", "reward", "cost", "changes", left=3)
    table.columns[-1].justify = "left"
    for task_id, rounds in tasks.items():
        proposals = [played.proposal for played in rounds if played.proposal is not None and played.result is not None]
        result = next((played.result for played in reversed(rounds) if played.result is not None), None)
        solved = solution_of(rounds) is not None
        changes = "; ".join(_line(text) for proposal in proposals for text in proposal.explanations)
        table.add_row(
            Text(printable(task_id)),
            Text("yes" if solved else "no", style="green" if solved else "red"),
            Text("+".join(dict.fromkeys(_line(proposal.method) for proposal in proposals)) or "-"),
            str(len(proposals)),
            "-" if result is None else f"{result.tests_passed}/{result.tests_total}",
            figure(None if result is None else result.reward),
            cost(total_usage(rounds)),
            Text(changes or "-"),
        )
    return table


def cost(usage: ModelUsage) -> str:
    """Returns what models were paid, in words."""
    tokens = usage.prompt_tokens + usage.completion_tokens
    return f"{tokens} tokens, ${usage.cost_usd:.6f}" if tokens else "nothing"


def _attempt(attempt: ProviderAttempt) -> str:
    model = f" ({attempt.model})" if attempt.model else ""
    answer = "answered" if attempt.outcome == "ok" else attempt.outcome
    return _line(f"{attempt.provider}{model}: {answer} after {attempt.seconds:.2f} s")


def _line(text: str) -> str:
    return " ".join(printable(text).split())
