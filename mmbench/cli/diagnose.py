"""`mmbench diagnose`: what a model uses of its inputs, and how it bears their loss."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from mmbench.cli.console import DataOption, JsonOption, PluginOption, console, load_plugins, print_line
from mmbench.cli.elsewhere_options import takes_settings
from mmbench.cli.run_options import (
    BatchSizeOption,
    DatasetOption,
    DeviceOption,
    DType,
    DTypeOption,
    LimitOption,
    ModelOption,
    OutputOption,
    SeedOption,
    SplitOption,
    TaskOption,
    ThreadsOption,
    WeightsOption,
    WorkersOption,
    parse_batch_size,
)
from mmbench.data.noise_summaries import noise_names
from mmbench.engine.diagnose_options import SECTIONS, DiagnoseOptions, parse_levels, parse_noises, parse_skip
from mmbench.engine.options import EvalOptions
from mmbench.errors import UsageError
from mmbench.leaderboard.figure import check_figure

DEFAULTS = EvalOptions()
LOOKS = DiagnoseOptions()


@takes_settings
def diagnose(
    model: ModelOption,
    task: TaskOption,
    *,
    dataset: DatasetOption = None,
    split: SplitOption = None,
    data: DataOption = None,
    weights: WeightsOption = None,
    limit: LimitOption = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric", metavar="NAME", help="Of whose values all is made.", show_default="the data set's main one"
        ),
    ] = None,
    permutations: Annotated[
        int, typer.Option("--permutations", help="Of each modality, for the perceptual score.")
    ] = LOOKS.permutations,
    emap_samples: Annotated[
        int, typer.Option("--emap-samples", help="At most so many are recombined, each with each.")
    ] = LOOKS.emap_samples,
    levels: Annotated[
        str, typer.Option("--levels", metavar="P,P,...", help="Levels of noise, ascending up to 1.")
    ] = "0.25,0.5,0.75,1",
    noise: Annotated[
        list[str] | None,
        typer.Option(
            "--noise",
            metavar="MODALITY=NOISE",
            help=f"Only this noise; several times. {noise_names()}.",
            show_default="all",
        ),
    ] = None,
    skip: Annotated[
        str | None, typer.Option("--skip", metavar="NAME,NAME,...", help=f"Leave out: {', '.join(SECTIONS)}.")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Draw the robustness curves, or the attention, as SVG or PNG."),
    ] = None,
    attention: Annotated[
        str | None,
        typer.Option("--attention", metavar="SAMPLE_ID", help="Show where attention lay on this sample, and no more."),
    ] = None,
    batch_size: BatchSizeOption = str(DEFAULTS.batch_size),
    workers: WorkersOption = None,
    device: DeviceOption = DEFAULTS.device,
    dtype: DTypeOption = DType.FLOAT32,
    threads: ThreadsOption = None,
    seed: SeedOption = DEFAULTS.seed,
    output: OutputOption = Path("results"),
    plugin: PluginOption = None,
    json: JsonOption = False,
    settings: tuple[str, ...] = (),
) -> None:
    """Find out what a model uses of its inputs: each modality, their interaction, noise, calibration, and a verdict."""
    chosen = DiagnoseOptions(
        metric=metric,
        permutations=permutations,
        emap_samples=emap_samples,
        levels=parse_levels(levels),
        noises=parse_noises(noise or []),
        skip=parse_skip(skip),
    )
    if attention is not None and chosen != LOOKS:
        raise UsageError("--attention shows one sample and diagnoses nothing; leave out what the diagnosis takes")
    if plot is not None:
        check_figure(plot)
        if "robustness" in chosen.skip:
            raise UsageError("--plot draws the robustness curves, which --skip leaves out")
    options = EvalOptions(
        batch_size=parse_batch_size(batch_size),
        workers=workers,
        device=device,
        dtype=dtype.value,
        threads=threads,
        seed=seed,
        limit=limit,
        settings=settings,
    )
    load_plugins(plugin)
    from mmbench.engine.load_run import Where

    where = Where(dataset, split, data)
    if attention is not None:
        from mmbench.cli.attention_report import show_attention
        from mmbench.engine.attend import attend

        attended = attend(model, task, attention, where=where, weights=weights, options=options)
        show_attention(attended, console(), plot, json=json)
        return
    from mmbench.cli.progress import DiagnoseBar
    from mmbench.engine.diagnose import diagnose as look

    with DiagnoseBar(console(stderr=True)) as bar:
        found = look(
            model,
            task,
            where=where,
            weights=weights,
            options=options,
            chosen=chosen,
            output=output,
            progress=bar,
        )
    if json:
        typer.echo(found.record.to_json(), nl=False)
    else:
        from mmbench.cli.diagnosis_report import print_diagnosis

        out = console()
        print_diagnosis(found.record, found.folder, out)
        out.print(f"[dim]next: mmbench show {escape(str(found.folder))}[/]", soft_wrap=True)
    if plot is not None:  # last, so that a figure that fails takes nothing with it
        from mmbench.cli.diagnosis_plot import plot_diagnosis

        plot_diagnosis(found.record, plot)
        print_line("wrote", "green", str(plot))
