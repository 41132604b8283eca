"""`mmbench leaderboard`: tables from run records."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mmbench.cli.console import JsonOption, console, join, print_line
from mmbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmbench.record.schema import RunRecord

RESULTS = Path("results")


class Format(StrEnum):
    """How tables are written; a test holds the names equal to `mmbench.leaderboard.formats.FORMATS`."""

    RICH = "rich"
    MARKDOWN = "markdown"
    CSV = "csv"
    JSON = "json"
    HTML = "html"
    LATEX = "latex"


_BY_SUFFIX = {
    ".md": Format.MARKDOWN,
    ".csv": Format.CSV,
    ".json": Format.JSON,
    ".html": Format.HTML,
    ".tex": Format.LATEX,
}

FormatOption = Annotated[
    Format | None,
    typer.Option("--format", help="How to write the tables.", show_default="by the suffix of --output, else rich"),
]


def chosen_format(form: Format | None, json: bool, output: Path | None) -> Format:
    """What `--format`, `--json` and the suffix of `--output` ask for.

    Raises:
        UsageError: `--json` and another format.
    """
    if json and form not in (None, Format.JSON):
        raise UsageError(f"--json and --format {form} exclude each other; give one")
    if form is not None or json:
        return form or Format.JSON
    return Format.RICH if output is None else _BY_SUFFIX.get(output.suffix.lower(), Format.RICH)


def leaderboard(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="Folders of runs, or record.json files.", show_default=str(RESULTS)),
    ] = None,
    *,
    task: Annotated[list[str] | None, typer.Option("--task", help="Only this task (a pattern such as 'vqa*').")] = None,
    dataset: Annotated[list[str] | None, typer.Option("--dataset", help="Only this data set (a pattern).")] = None,
    model: Annotated[list[str] | None, typer.Option("--model", help="Only this model (a pattern).")] = None,
    split: Annotated[list[str] | None, typer.Option("--split", help="Only this split (a pattern).")] = None,
    metric: Annotated[list[str] | None, typer.Option("--metric", help="Show only this metric.")] = None,
    sort: Annotated[str | None, typer.Option("--sort", help="Rank by this metric, not by the task's main one.")] = None,
    format_: FormatOption = None,
    json: JsonOption = False,
    every_run: Annotated[bool, typer.Option("--all", help="Show all runs of a model, not only its latest.")] = False,
    seeds: Annotated[
        bool, typer.Option("--seeds", help="One row a model: means over runs of several training seeds.")
    ] = False,
    output: Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Write to a file.")] = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Draw quality against speed, with the Pareto front: .svg or .png."),
    ] = None,
) -> None:
    """Rank the runs that can be compared: one table for each task, data set, split and number of samples.

    Filters may be given several times. Runs share a rank where their intervals overlap.
    """
    if every_run and seeds:
        raise UsageError("--all and --seeds exclude each other: the one shows each run, the other averages; give one")
    chosen = chosen_format(format_, json, output)
    from mmbench.leaderboard.cells import sheet
    from mmbench.leaderboard.figure import check_figure
    from mmbench.leaderboard.formats import FORMATS
    from mmbench.leaderboard.output import write_file
    from mmbench.leaderboard.select import Selection
    from mmbench.leaderboard.table import build_tables
    from mmbench.leaderboard.terminal import show

    if plot is not None:
        check_figure(plot)
    selection = Selection(task=task or (), dataset=dataset or (), split=split or (), model=model or ())
    records = selection.apply(_find(paths or [RESULTS]))
    rows: Literal["latest", "all", "seeds"] = "seeds" if seeds else "all" if every_run else "latest"
    tables = build_tables(records, metrics=metric or (), sort=sort, show=rows)
    if output is not None:
        write_file(output, FORMATS[chosen](tables))
        print_line("wrote", "green", str(output))
    elif chosen is Format.RICH:
        show([sheet(table) for table in tables], console())
    else:
        sys.stdout.write(FORMATS[chosen](tables))
    if plot is not None:
        from mmbench.leaderboard.plot import plot_front

        plot_front(tables, plot)
        print_line("wrote", "green", str(plot))


def _find(paths: "Sequence[Path]") -> "list[RunRecord]":
    """All records below `paths`, oldest first.

    Raises:
        UsageError: there is none.
    """
    from mmbench.record.store import Store

    # That the default folder does not exist yet is no mistake of the user.
    found = Store(RESULTS).find([path for path in paths if path != RESULTS or path.exists()])
    if not found:
        raise UsageError(
            f"no run records in {join(paths)}; make one with `mmbench eval`; `mmbench list` shows models and tasks"
        )
    return [record for _, record in found]
