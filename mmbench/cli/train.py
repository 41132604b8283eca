"""`mmbench train`: weights from a training split."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from mmbench.cli.console import DataOption, JsonOption, PluginOption, console, load_plugins, print_json
from mmbench.engine.train_options import Optimizer, Precision, Schedule, Tracker, TrainOptions
from mmbench.errors import UsageError

if TYPE_CHECKING:
    from mmbench.engine.train_source import On
    from mmbench.model import BuildOptions

DEFAULTS = TrainOptions()

_MODEL = "Model"
_COURSE = "Course of training"
_VARIATION = "Regularisation"
_MACHINE = "Machine"


def _choices(literal: Any) -> str:
    return ", ".join(get_args(literal))


def train(
    model: Annotated[str, typer.Option("--model", help="A model or a fusion; `mmbench list models` shows them.")],
    task: Annotated[str, typer.Option("--task", help="What to train it for.")],
    *,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="A data set of the task.", show_default="the task's default")
    ] = None,
    data: DataOption = None,
    multi_task: Annotated[
        list[str] | None,
        typer.Option(
            "--multi-task",
            metavar="TASK[/DATASET]",
            help="One more task for the same encoders and a model of the same name; several times. Each task gets a "
            "weights file.",
        ),
    ] = None,
    modality: Annotated[
        list[str] | None,
        typer.Option(
            "--modality",
            metavar="MODALITY",
            help="What a fusion reads; several times, in the order in which the fusion takes them.",
            show_default="all of the task",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    encoder: Annotated[
        list[str] | None,
        typer.Option(
            "--encoder",
            metavar="MODALITY=NAME",
            help="An encoder, with options after commas: image=NAME, image=NAME,layers=2, text=hf:NAME_OR_PATH, "
            "image=from:WEIGHTS_FILE; once for each modality. `mmbench list encoders` shows them.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    freeze: Annotated[
        list[str] | None,
        typer.Option(
            "--freeze", metavar="MODALITY", help="Its encoder does not learn; several times.", rich_help_panel=_MODEL
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            metavar="OPTION=VALUE",
            help="Of the fusion, such as layers=3; several times. `mmbench show FUSION` lists them.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    budget: Annotated[
        str,
        typer.Option(
            "--budget",
            metavar="equal-width[=D]|equal-params=N",
            help="Width D of every part, or N parameters in all, within 5 %.",
            rich_help_panel=_MODEL,
        ),
    ] = "equal-width",
    representation: Annotated[
        str,
        typer.Option(
            "--representation",
            help="independent: each modality in a space of its own; joint: all in a shared one.",
            rich_help_panel=_MODEL,
        ),
    ] = "independent",
    epochs: Annotated[
        int | None,
        typer.Option(
            "--epochs",
            help="Passes over the training samples, at most.",
            show_default="1,300 steps, within 10 to 100",
            rich_help_panel=_COURSE,
        ),
    ] = DEFAULTS.epochs,
    batch_size: Annotated[
        int | None,
        typer.Option(
            "--batch-size",
            help="Samples a step at most, over all processes.",
            show_default="a 40th of the samples, within 16 to 256",
            rich_help_panel=_COURSE,
        ),
    ] = DEFAULTS.batch_size,
    optimizer: Annotated[
        str, typer.Option("--optimizer", help=_choices(Optimizer), rich_help_panel=_COURSE)
    ] = DEFAULTS.optimizer,
    learning_rate: Annotated[
        float, typer.Option("--learning-rate", help="Peak of the schedule.", rich_help_panel=_COURSE)
    ] = DEFAULTS.learning_rate,
    schedule: Annotated[
        str, typer.Option("--schedule", help=_choices(Schedule), rich_help_panel=_COURSE)
    ] = DEFAULTS.schedule,
    warmup: Annotated[
        float | None,
        typer.Option(
            "--warmup",
            help="Share of the steps until the peak.",
            show_default="0.3 of one-cycle, else 0.05",
            rich_help_panel=_COURSE,
        ),
    ] = DEFAULTS.warmup,
    patience: Annotated[
        int | None,
        typer.Option(
            "--patience",
            help="Stop after so many epochs without a better validation metric.",
            show_default="never",
            rich_help_panel=_COURSE,
        ),
    ] = DEFAULTS.patience,
    keep: Annotated[
        str,
        typer.Option("--keep", help="Weights of the best or of the last epoch.", rich_help_panel=_COURSE),
    ] = DEFAULTS.keep,
    validation: Annotated[
        float, typer.Option("--validation", help="Fraction of the groups that is held out.", rich_help_panel=_COURSE)
    ] = DEFAULTS.validation,
    limit: Annotated[
        int | None,
        typer.Option("--limit", help="Only the first samples of the training split.", rich_help_panel=_COURSE),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", help="Of everything that is random.", rich_help_panel=_COURSE)
    ] = DEFAULTS.seed,
    weight_decay: Annotated[
        float, typer.Option("--weight-decay", help="Of the optimiser.", rich_help_panel=_VARIATION)
    ] = DEFAULTS.weight_decay,
    augment: Annotated[
        bool,
        typer.Option("--augment", help="Vary images and sounds in training.", rich_help_panel=_VARIATION),
    ] = DEFAULTS.augment,
    modality_dropout: Annotated[
        float,
        typer.Option(
            "--modality-dropout",
            metavar="P",
            help="Probability that a training sample lacks a modality.",
            rich_help_panel=_VARIATION,
        ),
    ] = DEFAULTS.modality_dropout,
    label_smoothing: Annotated[
        float,
        typer.Option(
            "--label-smoothing", help="Share of probability spread over all labels.", rich_help_panel=_VARIATION
        ),
    ] = DEFAULTS.label_smoothing,
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            help=f"Of the arithmetic: {_choices(Precision)}; not all devices have all.",
            rich_help_panel=_MACHINE,
        ),
    ] = DEFAULTS.precision,
    workers: Annotated[
        int, typer.Option("--workers", help="Loader processes.", rich_help_panel=_MACHINE)
    ] = DEFAULTS.workers,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, ...", rich_help_panel=_MACHINE)] = DEFAULTS.device,
    threads: Annotated[
        int, typer.Option("--threads", help="PyTorch threads on the CPU.", rich_help_panel=_MACHINE)
    ] = DEFAULTS.threads,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="The weights file, beside which history and curves go; with --multi-task the folder above them.",
            show_default="weights/TASK/DATASET/MODEL.safetensors",
        ),
    ] = None,
    store: Annotated[
        str, typer.Option("--store", help=f"Precision of the weights in the file: {_choices(Precision)}.")
    ] = DEFAULTS.store,
    log_to: Annotated[
        list[str] | None, typer.Option("--log-to", help=f"Log to {_choices(Tracker)}; several times.")
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
        optimizer=optimizer,  # type: ignore[arg-type]  # TrainOptions checks the texts, and names the nearest right one
        learning_rate=learning_rate,
        schedule=schedule,  # type: ignore[arg-type]
        warmup=warmup,
        weight_decay=weight_decay,
        patience=patience,
        keep=keep,  # type: ignore[arg-type]  # as above
        validation=validation,
        augment=augment,
        modality_dropout=modality_dropout,
        label_smoothing=label_smoothing,
        precision=precision,  # type: ignore[arg-type]
        seed=seed,
        workers=workers,
        device=device,
        threads=threads,
        limit=limit,
        store=store,  # type: ignore[arg-type]
        log_to=tuple(dict.fromkeys(log_to or ())),  # type: ignore[arg-type]
    )
    load_plugins(plugin)
    from mmbench.cli.progress import TrainBar
    from mmbench.cli.trained import print_trained, trained_as_json
    from mmbench.engine.models import WEIGHTS_FOLDER
    from mmbench.engine.processes import is_first
    from mmbench.engine.train import train as run
    from mmbench.engine.train import train_together
    from mmbench.engine.train_source import On

    build = _build(modality or [], encoder or [], freeze or [], option or [], budget, representation)
    on = [On(task, dataset, data), *map(_on, multi_task or [])]
    with TrainBar(console(stderr=True)) as bar:
        how: dict[str, Any] = {"build": build, "options": options, "resume": resume, "progress": bar}
        if multi_task:
            trained = train_together(model, on, output=output or WEIGHTS_FOLDER, **how)
        else:
            trained = [run(model, task, dataset=dataset, data=data, output=output, **how)]
    if not is_first():
        return
    if json:
        found = [trained_as_json(each, model, where) for each, where in zip(trained, on, strict=True)]
        print_json(found if multi_task else found[0])
    else:
        print_trained(trained, model, on, plugin or [], given_output=output is not None)


def _build(
    modality: list[str], encoder: list[str], freeze: list[str], option: list[str], budget: str, representation: str
) -> "BuildOptions":
    from mmbench.encoder import parse_encoders
    from mmbench.model import BuildOptions

    kind, equals, number = budget.partition("=")
    fits = (kind == "equal-params" and equals) or kind == "equal-width"
    if not fits or (equals and not (number.isdecimal() and int(number))):
        raise UsageError(f"--budget expects equal-width, equal-width=D or equal-params=N, not {budget!r}")
    return BuildOptions(
        encoders=parse_encoders(encoder),
        freeze=tuple(sorted(set(freeze))),
        width=int(number) if number and kind == "equal-width" else None,
        parameters=int(number) if kind == "equal-params" else None,
        options=_settings(option),
        representation=representation,  # type: ignore[arg-type]  # BuildOptions checks it
        modalities=tuple(modality) or None,
    )


def _settings(given: list[str]) -> tuple[str, ...]:
    """`OPTION=VALUE` texts, whose order does not matter."""
    found: dict[str, str] = {}
    for text in given:
        name = text.partition("=")[0].strip()
        if name in found:
            raise UsageError(f"--option names {name} twice: {found[name]} and {text}")
        found[name] = text
    return tuple(sorted(given))


def _on(text: str) -> "On":
    from mmbench.engine.train_source import On

    task, slash, dataset = text.partition("/")
    if slash and not dataset:
        raise UsageError(f"--multi-task expects TASK or TASK/DATASET, not {text!r}")
    return On(task, dataset or None)
