"""`mmbench eval`: quality and cost of a model on a task."""

from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
)
from mmbench.cli.elsewhere_options import takes_settings
from mmbench.cli.run_options import (
    BatchSizeOption,
    DatasetOption,
    DeviceOption,
    DropOption,
    DType,
    DTypeOption,
    LimitOption,
    ModelOption,
    NoiseOption,
    OutputOption,
    SeedOption,
    ShuffleOption,
    SplitOption,
    StageOption,
    TaskOption,
    ThreadsOption,
    WeightsOption,
    WorkersOption,
    parse_batch_size,
)
from mmbench.data.alteration import parse_alteration
from mmbench.engine.cost_options import parse_stages
from mmbench.engine.options import EvalOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mmbench.cli.progress import EvalBar

DEFAULTS = EvalOptions()


class CostLevel(StrEnum):
    """How much the cost passes measure."""

    OFF = "off"
    QUICK = "quick"
    FULL = "full"


@takes_settings
def eval_(
    model: ModelOption,
    task: TaskOption,
    *,
    dataset: DatasetOption = None,
    split: SplitOption = None,
    data: DataOption = None,
    stream: Annotated[
        bool, typer.Option("--stream", help="Read a data set of the hub without downloading it.")
    ] = False,
    weights: WeightsOption = None,
    limit: LimitOption = None,
    batch_size: BatchSizeOption = str(DEFAULTS.batch_size),
    workers: WorkersOption = None,
    device: DeviceOption = DEFAULTS.device,
    dtype: DTypeOption = DType.FLOAT32,
    threads: ThreadsOption = None,
    seed: SeedOption = DEFAULTS.seed,
    drop: DropOption = None,
    shuffle: ShuffleOption = None,
    noise: NoiseOption = None,
    on_error: Annotated[
        OnError, typer.Option("--on-error", help="Stop at a failing sample, or leave it unscored.")
    ] = OnError.FAIL,
    max_errors: Annotated[int | None, typer.Option("--max-errors", help="With skip: stop after more failures.")] = None,
    invariance: Annotated[
        int, typer.Option("--invariance", help="Samples asked again one by one, to see if batching changes them.")
    ] = DEFAULTS.invariance,
    metric: MetricOption = None,
    protocol: ProtocolOption = None,
    cost: Annotated[
        CostLevel,
        typer.Option(
            "--cost",
            help="Cost passes after the scores; some seconds if a batch takes milliseconds, `full` for more.",
        ),
    ] = CostLevel.QUICK,
    stage: StageOption = None,
    keep_scores: Annotated[
        bool, typer.Option("--keep-scores", help="Store the scores of all labels, for ensembles of stored runs.")
    ] = False,
    scores_if_any: Annotated[
        bool, typer.Option("--scores-if-any", help="As --keep-scores, and no error if the model has none.")
    ] = False,
    output: OutputOption = Path("results"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    plugin: PluginOption = None,
    json: JsonOption = False,
    settings: tuple[str, ...] = (),
) -> None:
    """Evaluate a model: metrics with intervals, what they cost, and a record of it all."""
    options = EvalOptions(
        batch_size=parse_batch_size(batch_size),
        workers=workers,
        device=device,
        dtype=dtype.value,
        threads=threads,
        seed=seed,
        limit=limit,
        on_error=on_error.value,
        max_errors=max_errors,
        invariance=invariance,
        metrics=tuple(metric or ()),
        protocol=parse_protocol(protocol),
        cost=cost.value,
        stages=parse_stages(stage or []),
        keep_scores=keep_scores or ("if-any" if scores_if_any else False),
        alteration=parse_alteration(drop or (), shuffle or (), noise or (), seed),
        settings=settings,
    )
    load_plugins(plugin)
    from mmbench.cli.progress import EvalBar
    from mmbench.engine.evaluate import evaluate

    with EvalBar(console(stderr=True)) as bar, _told_how_to_go_on(bar):
        run = evaluate(
            model,
            task,
            dataset=dataset,
            split=split,
            data=data,
            stream=stream,
            weights=weights,
            options=options,
            output=output,
            resume=resume,
            progress=bar,
        )
    if json:
        typer.echo(run.record.to_json(), nl=False)
        return
    from mmbench.cli.report import print_run

    out = console()
    print_run(run.record, run.folder, out, full=cost is CostLevel.FULL)
    out.print(f"[dim]next: mmbench leaderboard{'' if output == Path('results') else f' {output}'}[/]")


@contextmanager
def _told_how_to_go_on(bar: "EvalBar") -> "Iterator[None]":
    try:
        yield
    except KeyboardInterrupt:
        bar.note("what was scored is kept; the same command with --resume goes on from there")
        raise
