"""`mmbench profile`: what a model costs on a task, without scores."""

import os
from enum import StrEnum
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
    StageOption,
    TaskOption,
    ThreadsOption,
    WeightsOption,
    WorkersOption,
    parse_batch_size,
)
from mmbench.engine.cost_options import CostOptions, parse_sizes, parse_stages
from mmbench.engine.options import EvalOptions
from mmbench.leaderboard.figure import check_figure

DEFAULTS = EvalOptions()


class ProfileLevel(StrEnum):
    """How much the cost passes measure."""

    QUICK = "quick"
    FULL = "full"


class Scenario(StrEnum):
    """How requests are sent; MLPerf's names."""

    SINGLE_STREAM = "single-stream"
    MULTI_STREAM = "multi-stream"
    SERVER = "server"
    OFFLINE = "offline"


@takes_settings
def profile(
    model: ModelOption,
    task: TaskOption,
    *,
    dataset: DatasetOption = None,
    split: SplitOption = None,
    data: DataOption = None,
    weights: WeightsOption = None,
    limit: LimitOption = None,
    batch_size: BatchSizeOption = str(DEFAULTS.batch_size),
    batch_sizes: Annotated[
        str | None,
        typer.Option("--batch-sizes", metavar="N,N,...", help="A sweep over these sizes, too."),
    ] = None,
    scenario: Annotated[
        Scenario | None, typer.Option("--scenario", help="Send requests in this way, too; MLPerf's names.")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate", help="Queries a second of the server scenario.", show_default="0.7 of what single requests allow"
        ),
    ] = None,
    bound: Annotated[
        float | None, typer.Option("--bound", metavar="SECONDS", help="What 99 % of the server's queries must keep to.")
    ] = None,
    cost: Annotated[
        ProfileLevel,
        typer.Option(
            "--cost",
            help="some seconds where a batch takes milliseconds, or longer and with data, roofline and energy.",
        ),
    ] = ProfileLevel.FULL,
    stage: StageOption = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="Write a profiler's trace of a few batches beside the record.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw the stages and the sweep as SVG or PNG.")
    ] = None,
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
    """Measure what a model costs: throughput, latency, stages, memory, FLOPs, and a record of it all."""
    if plot is not None:
        check_figure(plot)
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
    passes = CostOptions(
        level=cost.value,
        batch_sizes=parse_sizes(batch_sizes),
        scenario=None if scenario is None else scenario.value,
        rate=rate,
        bound_s=bound,
        stages=parse_stages(stage or []),
        trace=trace,
    )
    load_plugins(plugin)
    # Read when torch is imported; its profiler would print two lines of its own on stderr.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    from mmbench.cli.progress import EvalBar
    from mmbench.engine.load_run import Where
    from mmbench.engine.profile import profile as measure

    with EvalBar(console(stderr=True)) as bar:
        found = measure(
            model,
            task,
            where=Where(dataset, split, data),
            weights=weights,
            options=options,
            cost=passes,
            output=output,
            progress=bar,
        )
    if json:
        typer.echo(found.record.to_json(), nl=False)
    else:
        from mmbench.cli.report import print_profile

        out = console()
        print_profile(found.record, found.folder, out)
        out.print(f"[dim]next: mmbench show {escape(str(found.folder))}[/]", soft_wrap=True)
    if plot is not None:  # last, so that a figure that fails takes nothing with it
        from mmbench.cli.cost_plot import plot_cost

        plot_cost(found.record.cost, f"{found.record.model.name} on {found.record.dataset.name}", plot)
        print_line("wrote", "green", str(plot))
