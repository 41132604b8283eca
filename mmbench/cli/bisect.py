"""`mmbench bisect`: the commit that made a model slower."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from mmbench.cli.console import JsonOption, console
from mmbench.cli.signals import ended_by_signals
from mmbench.cli.workload_options import takes_workload
from mmbench.errors import printable
from mmbench.gate.checkout import short_name
from mmbench.gate.options import GateOptions, parse_budgets
from mmbench.gate.workload import Workload

if TYPE_CHECKING:
    from mmbench.gate.bisect import Found

DEFAULTS = GateOptions()

_MORE = "--most-pairs or --time-limit may help"


@takes_workload
def bisect(
    *,
    workload: Workload,
    good: Annotated[str, typer.Option("--good", metavar="REF", help="A commit that was fast.")],
    bad: Annotated[str, typer.Option("--bad", metavar="REF", help="A later one that is slow.")] = "HEAD",
    metric: Annotated[str, typer.Option("--metric", help="throughput, latency or data.")] = "throughput",
    budget: Annotated[
        list[str] | None,
        typer.Option("--budget", metavar="5%", help="By how much bad must be slower.", show_default="3 %"),
    ] = None,
    pairs: Annotated[int, typer.Option("--pairs", help="Pairs of processes a commit, at first.")] = DEFAULTS.pairs,
    most_pairs: Annotated[
        int, typer.Option("--most-pairs", help="At most, while it is not certain.")
    ] = DEFAULTS.most_pairs,
    time_limit: Annotated[
        float,
        typer.Option(
            "--time-limit", metavar="SECONDS", help="No further pair of a commit is begun that would end later."
        ),
    ] = DEFAULTS.time_limit_s,
    patience: Annotated[
        float, typer.Option("--patience", metavar="SECONDS", help="A worker that is silent for longer hangs.")
    ] = DEFAULTS.patience_s,
    json: JsonOption = False,
) -> None:
    """Find the commit that made a model slower, by comparing commits with a good one, half of those left at a time."""
    options = GateOptions(
        metrics=(metric,),
        budgets=parse_budgets(budget or []),
        pairs=pairs,
        most_pairs=max(pairs, most_pairs),
        time_limit_s=time_limit,
        patience_s=patience,
    )
    from mmbench.cli.bisect_lines import BisectLines
    from mmbench.gate.bisect import bisect as search

    with ended_by_signals(), BisectLines(console(stderr=True)) as lines:
        found = search(good, bad, workload, options, progress=lines)
    if json:
        _print_json(found)
    else:
        _print(found, console())
    if not found.certain:
        raise typer.Exit(3)


def _print(found: "Found", out: Console) -> None:
    if found.threshold is None:
        out.print(
            f"[bold yellow]inconclusive[/]: whether --bad is slower than --good is not certain; {_MORE}",
            soft_wrap=True,
        )
        return
    if len(found.candidates) == 1:
        first = f"first bad commit: {found.candidates[0]}"
    else:
        first = f"the first bad commit is one of {', '.join(short_name(commit) for commit in found.candidates)}"
    out.print(f"[bold]{first}[/]", soft_wrap=True)
    told = (
        f"a commit counts as bad from half of the way between good and bad on, {found.threshold:+.1%}; "
        f"confidence of all steps together {found.confidence:.1%}"
    )
    out.print(escape(printable(told)), soft_wrap=True)
    if not found.certain:
        out.print(f"[bold yellow]inconclusive[/]: the last step is not certain; {_MORE}", soft_wrap=True)
    if len(found.candidates) == 1:
        out.print(f"[dim]next: git show {short_name(found.candidates[0])}[/]", soft_wrap=True)


def _print_json(found: "Found") -> None:
    import json

    steps: Sequence[dict[str, object]] = [
        {
            "commit": step.commit,
            "change": None if step.change is None else step.change.model_dump(),
            "bad": step.bad,
            "confidence": step.confidence,
            "reason": step.reason,
        }
        for step in found.steps
    ]
    told = {
        "candidates": list(found.candidates),
        "threshold": found.threshold,
        "confidence": found.confidence,
        "certain": found.certain,
        "steps": steps,
    }
    typer.echo(json.dumps(told, indent=2))
