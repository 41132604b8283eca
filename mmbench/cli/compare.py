"""`mmbench compare`: models side by side, with significance."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from mmbench.cli.compare_trials import (
    ASKED,
    Asked,
    EvalSamplesOption,
    FloorsOption,
    JobsOption,
    ModelsOption,
    SeedsOption,
    TaskToCompareOption,
    TrainSamplesOption,
    TrialsOption,
    train_missing,
)
from mmbench.cli.console import DataOption, JsonOption, PluginOption, console, load_plugins, print_line
from mmbench.cli.leaderboard import Format, FormatOption, chosen_format
from mmbench.cli.run_options import DatasetOption, SplitOption
from mmbench.cli.train_settings import (
    AugmentOption,
    BudgetOption,
    EncoderOption,
    EpochsOption,
    LearningRateOption,
    ModalityDropoutOption,
    PrecisionOption,
    StepSizeOption,
    TrainDeviceOption,
)
from mmbench.errors import HarnessError, UsageError, printable

if TYPE_CHECKING:
    from mmbench.engine.combination import Combination
    from mmbench.leaderboard.comparison import Comparison
    from mmbench.leaderboard.stored_run import StoredRun


def compare(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUN", help="Folders of runs, or record.json files.", show_default=False),
    ] = None,
    *,
    baseline: Annotated[
        str | None,
        typer.Option("--baseline", metavar="MODEL", help="What all are compared with.", show_default="the first"),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option("--metric", metavar="NAME", help="Compare by this metric.", show_default="the task's main one"),
    ] = None,
    every_run: Annotated[
        bool, typer.Option("--all", help="A row for each run, not for each model over its training seeds.")
    ] = False,
    ensemble: Annotated[
        str | None,
        typer.Option(
            "--ensemble",
            metavar="KINDS",
            help="Add rows made of the stored predictions: mean, product, vote, weighted=0.7:0.3; several by comma.",
        ),
    ] = None,
    members: Annotated[
        str | None,
        typer.Option(
            "--members",
            metavar="MODELS",
            help="Of the ensembles, in the order of weights.",
            show_default="all runs, with --task those of --models",
        ),
    ] = None,
    format_: FormatOption = None,
    json: JsonOption = False,
    output: Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Write to a file.")] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            metavar="FILE",
            help="Draw quality against speed, by type of sample, and under noise where diagnosed: .svg or .png.",
        ),
    ] = None,
    task: TaskToCompareOption = None,
    models: ModelsOption = None,
    dataset: DatasetOption = None,
    data: DataOption = None,
    split: SplitOption = None,
    seeds: SeedsOption = ASKED.seeds,
    floors: FloorsOption = ASKED.floors,
    train_limit: TrainSamplesOption = None,
    limit: EvalSamplesOption = None,
    jobs: JobsOption = ASKED.jobs,
    trials: TrialsOption = ASKED.trials,
    encoder: EncoderOption = None,
    budget: BudgetOption = ASKED.budget,
    epochs: EpochsOption = ASKED.epochs,
    batch_size: StepSizeOption = ASKED.batch_size,
    learning_rate: LearningRateOption = ASKED.learning_rate,
    augment: AugmentOption = ASKED.augment,
    modality_dropout: ModalityDropoutOption = ASKED.modality_dropout,
    device: TrainDeviceOption = ASKED.device,
    precision: PrecisionOption = ASKED.precision,
    plugin: PluginOption = None,
) -> None:
    """Compare models on the same samples: differences with intervals and corrected p-values, and what they cost.

    Each model is a row over its training seeds. RUNs must be of the same task, data, split and protocol. With
    --task and --models what is missing is trained and evaluated first, all models in the same way.
    """
    asked = Asked(
        task=task,
        models=models,
        dataset=dataset,
        data=data,
        split=split,
        seeds=seeds,
        floors=floors,
        train_limit=train_limit,
        limit=limit,
        jobs=jobs,
        trials=trials,
        encoder=encoder,
        budget=budget,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        augment=augment,
        modality_dropout=modality_dropout,
        device=device,
        precision=precision,
    )
    form = chosen_format(format_, json, output)
    if members is not None and ensemble is None:
        raise UsageError("--members goes with --ensemble: which ones shall be made of them?")
    trains = asked.wanted(runs)
    from mmbench.leaderboard.figure import check_figure

    if plot is not None:
        check_figure(plot)
    load_plugins(plugin)
    from mmbench.leaderboard.compare import compare_runs
    from mmbench.leaderboard.stored_run import find_runs

    combinations: list[Combination] = []
    if ensemble is not None:
        from mmbench.engine.combination import parse_combinations

        combinations = parse_combinations(ensemble)
    failed: list[str] = []
    if trains:
        runs, baseline, failed = train_missing(asked, baseline, metric, combinations, members)
        if every_run:  # of the baseline's seeds the first, whose run comes first
            baseline = None
    stored = find_runs(runs or [])
    together: list[str] = []
    if members is not None:
        together = [name.strip() for name in members.split(",")]
    elif trains:
        together = asked.members(run.record.model.name for run in stored)
    found = compare_runs(
        stored,
        metric=metric,
        baseline=baseline,
        every_run=every_run,
        combinations=combinations,
        members=together,
    )
    write_comparison(found, form, output)
    if plot is not None:
        _draw(found, plot, stored, [asked.trials] if trains else runs or [])
    if failed:
        raise HarnessError(f"the table is of the others: {', '.join(failed)} failed")


def write_comparison(found: "Comparison", form: Format, output: Path | None) -> None:
    """Print a comparison, or write it to a file.

    Raises:
        HarnessError: the file cannot be written.
    """
    from mmbench.leaderboard.comparison_cells import comparison_sheet
    from mmbench.leaderboard.formats import COMPARISON_FORMATS
    from mmbench.leaderboard.output import write_file
    from mmbench.leaderboard.terminal import show

    if output is not None:
        write_file(output, COMPARISON_FORMATS[form](found))
        print_line("wrote", "green", str(output))
    elif form is Format.RICH:
        show([comparison_sheet(found)], console())
        _print_next(found)
    else:
        sys.stdout.write(COMPARISON_FORMATS[form](found))


def _print_next(found: "Comparison") -> None:
    """The command that tells why the best of the compared models is the best, where that can be run."""
    made = {label for label, _ in found.made}
    best = next(entry.row.runs[0] for entry in found.entries if entry.row.label not in made)
    weights = best.model.weights
    if weights is None:  # a floor, or given predictions
        return
    shipped = ":" in weights.source  # by a package, and found by name
    if not (shipped or Path(weights.source).is_file()):
        return
    words = ["--model", best.model.name, "--task", best.task, "--dataset", best.dataset.name]
    if not shipped:
        words += ["--weights", weights.source]
    console().print(f"[dim]next: mmbench diagnose {escape(printable(shlex.join(words)))}[/]", soft_wrap=True)


def _draw(found: "Comparison", path: Path, runs: "Sequence[StoredRun]", folders: Sequence[Path]) -> None:
    from mmbench.leaderboard.comparison_plot import plot_comparison
    from mmbench.leaderboard.robustness import diagnoses_beside, robustness

    plot_comparison(found, path, robustness(found, diagnoses_beside(runs, folders)))
    print_line("wrote", "green", str(path))
