"""`mmbench score`: predictions that were made elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmbench.cli.console import (
    DataOption,
    JsonOption,
    MetricOption,
    OnError,
    PluginOption,
    ProtocolOption,
    console,
    load_plugins,
    parse_protocol,
    print_json,
)
from mmbench.engine.options import ScoreOptions

if TYPE_CHECKING:
    from mmbench.engine.score import Comparison

DEFAULTS = ScoreOptions()


def score(
    task: Annotated[str, typer.Option("--task", help="What was asked; `mmbench list tasks`.")],
    predictions: Annotated[
        Path, typer.Option("--predictions", metavar="FILE", help="JSON Lines with id, prediction and the target.")
    ],
    *,
    against: Annotated[
        Path | None, typer.Option("--against", metavar="FILE", help="Other predictions of the same samples.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="What to call the model.", show_default="the file's name")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", help="Take the targets from this data set.", show_default="each line has its target"),
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="A split of it.", show_default="the data set's default")
    ] = None,
    data: DataOption = None,
    metric: MetricOption = None,
    protocol: ProtocolOption = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the intervals.")] = DEFAULTS.seed,
    on_error: Annotated[
        OnError, typer.Option("--on-error", help="Stop at a prediction that cannot be scored, or leave it unscored.")
    ] = OnError.FAIL,
    max_errors: Annotated[int | None, typer.Option("--max-errors", help="With skip: stop after more failures.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FOLDER", help="Store a record there, for `mmbench leaderboard`.")
    ] = None,
    plugin: PluginOption = None,
    json: JsonOption = False,
) -> None:
    """Score predictions that were made elsewhere: metrics with intervals, and the paired difference to others.

    A line is a JSON object: "id", "prediction", and what the task calls the target: "target", "answers", "references"
    or "reference". "group" names the cluster of a sample, "probabilities" gives {label: p}.
    """
    options = ScoreOptions(
        seed=seed,
        on_error=on_error.value,
        max_errors=max_errors,
        metrics=tuple(metric or ()),
        protocol=parse_protocol(protocol),
    )
    load_plugins(plugin)
    from mmbench.engine.score import score as run
    from mmbench.engine.score import score_against

    chosen: dict[str, Any] = {
        "model": model,
        "dataset": dataset,
        "split": split,
        "data": data,
        "options": options,
        "output": output,
    }
    if against is not None:
        _print_comparison(score_against(task, predictions, against, **chosen), json)
        return
    scored = run(task, predictions, **chosen)
    if json:
        typer.echo(scored.record.to_json(), nl=False)
        return
    from mmbench.cli.report import print_run

    out = console()
    print_run(scored.record, scored.folder, out)
    if scored.folder is None:
        out.print("[dim]next: --output results keeps it, --against FILE compares it with other predictions[/]")
    else:
        out.print(f"[dim]next: mmbench leaderboard {output}[/]")


def _print_comparison(comparison: "Comparison", json: bool) -> None:
    from mmbench.cli.report import print_differences, print_run

    ours, theirs = comparison.ours, comparison.theirs
    if json:
        ours_json, theirs_json = (each.record.model_dump(mode="json") for each in (ours, theirs))
        differences = ours_json["against"]["differences"]
        print_json({"record": ours_json, "against": theirs_json, "differences": differences})
        return
    out = console()
    print_run(ours.record, ours.folder, out)
    print_differences(comparison, out)
