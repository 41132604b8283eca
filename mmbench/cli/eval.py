"""`mmbench eval`: quality and cost of a model on a task."""

from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

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
from mmbench.engine.options import EvalOptions
from mmbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mmbench.cli.progress import EvalBar

DEFAULTS = EvalOptions()


class DType(StrEnum):
    """Number formats of a model."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


def eval_(
    model: Annotated[str, typer.Option("--model", help="A model or a fusion; `mmbench list models` shows them.")],
    task: Annotated[str, typer.Option("--task", help="What to ask of it; `mmbench list tasks`.")],
    *,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="A data set of the task.", show_default="the task's default")
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="A split of it.", show_default="the data set's default")
    ] = None,
    data: DataOption = None,
    stream: Annotated[
        bool, typer.Option("--stream", help="Read a data set of the hub without downloading it.")
    ] = False,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights", metavar="FILE", help="A file from `mmbench train`.", show_default="trained here, else shipped"
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", help="Only the first samples.")] = None,
    batch_size: Annotated[str, typer.Option("--batch-size", metavar="N|auto", help="Samples at a time.")] = str(
        DEFAULTS.batch_size
    ),
    workers: Annotated[
        int | None, typer.Option("--workers", help="Loader processes.", show_default="half of the cores, at most 8")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, ...")] = DEFAULTS.device,
    dtype: Annotated[DType, typer.Option("--dtype", help="Number format of the model.")] = DType.FLOAT32,
    threads: Annotated[
        int | None,
        typer.Option("--threads", help="PyTorch threads on the CPU.", show_default="the cores that workers leave"),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the model and of the intervals.")] = DEFAULTS.seed,
    on_error: Annotated[
        OnError, typer.Option("--on-error", help="Stop at a failing sample, or leave it unscored.")
    ] = OnError.FAIL,
    max_errors: Annotated[int | None, typer.Option("--max-errors", help="With skip: stop after more failures.")] = None,
    invariance: Annotated[
        int, typer.Option("--invariance", help="Samples asked again one by one, to see if batching changes them.")
    ] = DEFAULTS.invariance,
    metric: MetricOption = None,
    protocol: ProtocolOption = None,
    output: Annotated[Path, typer.Option("--output", metavar="FOLDER", help="Where runs are stored.")] = Path(
        "results"
    ),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    plugin: PluginOption = None,
    json: JsonOption = False,
) -> None:
    """Evaluate a model: metrics with intervals, throughput, memory, and a record of it all."""
    options = EvalOptions(
        batch_size=_batch_size(batch_size),
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
    print_run(run.record, run.folder, out)
    out.print(f"[dim]next: mmbench leaderboard{'' if output == Path('results') else f' {output}'}[/]")


@contextmanager
def _told_how_to_go_on(bar: "EvalBar") -> "Iterator[None]":
    try:
        yield
    except KeyboardInterrupt:
        bar.note("what was scored is kept; the same command with --resume goes on from there")
        raise


def _batch_size(text: str) -> int | Literal["auto"]:
    if text == "auto":
        return "auto"
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"--batch-size takes a number or auto, not {text!r}") from None
