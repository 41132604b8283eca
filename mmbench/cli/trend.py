"""`mmbench trend`: how measurements went over time, and where their level changed."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmbench.cli.console import JsonOption, console, print_line

if TYPE_CHECKING:
    from mmbench.gate.trend import Series


def trend(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH", help="Folders of runs, or histories (.csv) of `mmbench gate`.", show_default="results"
        ),
    ] = None,
    *,
    task: Annotated[list[str] | None, typer.Option("--task", help="Only this task (a pattern such as 'vqa*').")] = None,
    dataset: Annotated[list[str] | None, typer.Option("--dataset", help="Only this data set (a pattern).")] = None,
    model: Annotated[list[str] | None, typer.Option("--model", help="Only this model (a pattern).")] = None,
    split: Annotated[list[str] | None, typer.Option("--split", help="Only this split (a pattern).")] = None,
    metric: Annotated[list[str] | None, typer.Option("--metric", help="Only this metric.")] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw the series with their levels: .svg or .png.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show how measurements went over time, with the changes of their level; for information, not as a gate."""
    from mmbench.gate.trend import series_in
    from mmbench.leaderboard.figure import check_figure
    from mmbench.leaderboard.select import Selection

    if plot is not None:
        check_figure(plot)
    selection = Selection(task=task or (), dataset=dataset or (), split=split or (), model=model or ())
    found = series_in(paths or [Path("results")], selection, metric or ())
    if json:
        _print_json(found)
    else:
        from mmbench.cli.trend_report import print_trend

        print_trend(found, console())
    if plot is not None:
        from mmbench.cli.trend_plot import plot_trend

        plot_trend(found, plot)
        print_line("wrote", "green", str(plot))


def _print_json(found: "Sequence[Series]") -> None:
    import json

    told = [asdict(series) for series in found]
    typer.echo(json.dumps({"series": told}, indent=2, default=lambda time: time.isoformat()))
