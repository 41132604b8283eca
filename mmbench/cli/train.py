"""`mmbench train`: weights from a training split."""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from mmbench.cli.console import DataOption, JsonOption, PluginOption, console, load_plugins, print_json
from mmbench.engine.options import TrainOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mmbench.engine.train import Trained

DEFAULTS = TrainOptions()


def train(
    model: Annotated[str, typer.Option("--model", help="A model or a fusion; `mmbench list models` shows them.")],
    task: Annotated[str, typer.Option("--task", help="What to train it for.")],
    *,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="A data set of the task.", show_default="the task's default")
    ] = None,
    data: DataOption = None,
    seed: Annotated[
        int, typer.Option("--seed", help="Of initial weights and of the order of samples.")
    ] = DEFAULTS.seed,
    epochs: Annotated[
        int, typer.Option("--epochs", help="Passes over the training samples, at most.")
    ] = DEFAULTS.epochs,
    batch_size: Annotated[int, typer.Option("--batch-size", help="Samples a step.")] = DEFAULTS.batch_size,
    learning_rate: Annotated[
        float, typer.Option("--learning-rate", help="Peak of the one-cycle schedule.")
    ] = DEFAULTS.learning_rate,
    weight_decay: Annotated[float, typer.Option("--weight-decay", help="Of AdamW.")] = DEFAULTS.weight_decay,
    patience: Annotated[
        int, typer.Option("--patience", help="Epochs without a better validation metric.")
    ] = DEFAULTS.patience,
    validation: Annotated[
        float, typer.Option("--validation", help="Fraction of the groups that is held out.")
    ] = DEFAULTS.validation,
    limit: Annotated[int | None, typer.Option("--limit", help="Only the first samples of the training split.")] = None,
    workers: Annotated[int, typer.Option("--workers", help="Loader processes.")] = DEFAULTS.workers,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, ...")] = DEFAULTS.device,
    threads: Annotated[int, typer.Option("--threads", help="PyTorch threads on the CPU.")] = DEFAULTS.threads,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="FILE", help="The weights file.", show_default="weights/TASK/DATASET/MODEL.safetensors"
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted training.")] = False,
    plugin: PluginOption = None,
    json: JsonOption = False,
) -> None:
    """Train a model and keep its best epoch, by a validation part taken from the training split.

    The same seed and number of threads give the same weights. `mmbench eval` finds the weights by itself.
    """
    options = TrainOptions(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        patience=patience,
        validation=validation,
        seed=seed,
        workers=workers,
        device=device,
        threads=threads,
        limit=limit,
    )
    load_plugins(plugin)
    from mmbench.cli.progress import TrainBar
    from mmbench.engine.train import train as run

    with TrainBar(console(stderr=True)) as bar:
        trained = run(
            model,
            task,
            dataset=dataset,
            data=data,
            options=options,
            output=output,
            resume=resume,
            progress=bar,
        )
    if json:
        print_json(_as_json(trained) | {"model": model, "task": task, "options": asdict(options)})
    else:
        given: dict[str, Sequence[object]] = {"--plugin": plugin or [], "--model": [model], "--task": [task]}
        given |= {"--dataset": [dataset] if dataset else [], "--data": [data] if data else []}
        _print(trained, model, given)


def _as_json(trained: "Trained") -> dict[str, object]:
    from mmbench.checkpoint import file_sha256

    return {
        "weights": {"source": trained.path.as_posix(), "sha256": file_sha256(trained.path)},
        "parameters": trained.parameters,
        "best": asdict(trained.best),
        "history": [asdict(epoch) for epoch in trained.history],
    }


def _print(trained: "Trained", model: str, given: "Mapping[str, Sequence[object]]") -> None:
    out = console()
    metrics = ", ".join(f"{name} {value:.4f}" for name, value in trained.best.metrics.items())
    out.print(f"[bold]{model}[/] best at epoch {trained.best.number} on validation: {metrics}")
    out.print(f"weights: {trained.path} ({trained.parameters:,} parameters)")
    words = [word for option, values in given.items() for value in values for word in (option, str(value))]
    out.print(f"[dim]next: mmbench eval {escape(shlex.join(words))}[/]", soft_wrap=True)
