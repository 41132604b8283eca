"""`mmbench train`: weights from a training split."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmbench.cli.console import DataOption, JsonOption, PluginOption, console, load_plugins, print_json
from mmbench.cli.run_options import DatasetOption
from mmbench.cli.train_settings import (
    AugmentOption,
    BudgetOption,
    EncoderOption,
    EpochsOption,
    FreezeOption,
    FusionOption,
    KeepOption,
    LabelSmoothingOption,
    LearningRateOption,
    LogToOption,
    ModalitiesOption,
    ModalityDropoutOption,
    OptimizerOption,
    PatienceOption,
    PrecisionOption,
    RepresentationOption,
    ScheduleOption,
    StepSizeOption,
    StoreOption,
    TrainDeviceOption,
    TrainLimitOption,
    TrainSeedOption,
    TrainThreadsOption,
    TrainWorkersOption,
    ValidationOption,
    WarmupOption,
    WeightDecayOption,
    make_build,
    make_train_options,
)
from mmbench.engine.train_options import TrainOptions
from mmbench.errors import UsageError

if TYPE_CHECKING:
    from mmbench.engine.train_source import On

DEFAULTS = TrainOptions()


def train(
    model: Annotated[str, typer.Option("--model", help="A model or a fusion; `mmbench list models` shows them.")],
    task: Annotated[str, typer.Option("--task", help="What to train it for.")],
    *,
    dataset: DatasetOption = None,
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
    modality: ModalitiesOption = None,
    encoder: EncoderOption = None,
    freeze: FreezeOption = None,
    option: FusionOption = None,
    budget: BudgetOption = "equal-width",
    representation: RepresentationOption = "independent",
    epochs: EpochsOption = DEFAULTS.epochs,
    batch_size: StepSizeOption = DEFAULTS.batch_size,
    optimizer: OptimizerOption = DEFAULTS.optimizer,
    learning_rate: LearningRateOption = DEFAULTS.learning_rate,
    schedule: ScheduleOption = DEFAULTS.schedule,
    warmup: WarmupOption = DEFAULTS.warmup,
    patience: PatienceOption = DEFAULTS.patience,
    keep: KeepOption = DEFAULTS.keep,
    validation: ValidationOption = DEFAULTS.validation,
    limit: TrainLimitOption = None,
    seed: TrainSeedOption = DEFAULTS.seed,
    weight_decay: WeightDecayOption = DEFAULTS.weight_decay,
    augment: AugmentOption = DEFAULTS.augment,
    modality_dropout: ModalityDropoutOption = DEFAULTS.modality_dropout,
    label_smoothing: LabelSmoothingOption = DEFAULTS.label_smoothing,
    precision: PrecisionOption = DEFAULTS.precision,
    workers: TrainWorkersOption = DEFAULTS.workers,
    device: TrainDeviceOption = DEFAULTS.device,
    threads: TrainThreadsOption = DEFAULTS.threads,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="The weights file, beside which history and curves go; with --multi-task the folder above them.",
            show_default="weights/TASK/DATASET/MODEL.safetensors",
        ),
    ] = None,
    store: StoreOption = DEFAULTS.store,
    log_to: LogToOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted training.")] = False,
    plugin: PluginOption = None,
    json: JsonOption = False,
) -> None:
    """Train a model and keep its best epoch, by a validation part taken from the training split.

    The same seed and number of threads give the same weights. `mmbench eval` finds the weights by itself.
    """
    options = make_train_options(
        epochs=epochs,
        batch_size=batch_size,
        optimizer=optimizer,
        learning_rate=learning_rate,
        schedule=schedule,
        warmup=warmup,
        weight_decay=weight_decay,
        patience=patience,
        keep=keep,
        validation=validation,
        augment=augment,
        modality_dropout=modality_dropout,
        label_smoothing=label_smoothing,
        precision=precision,
        seed=seed,
        workers=workers,
        device=device,
        threads=threads,
        limit=limit,
        store=store,
        log_to=log_to,
    )
    load_plugins(plugin)
    from mmbench.cli.progress import TrainBar
    from mmbench.cli.trained import print_trained, trained_as_json
    from mmbench.engine.models import WEIGHTS_FOLDER
    from mmbench.engine.processes import is_first
    from mmbench.engine.train import train as run
    from mmbench.engine.train import train_together
    from mmbench.engine.train_source import On
    from mmbench.profile.malloc import keep_freed_memory

    keep_freed_memory()
    build = make_build(
        modality=modality,
        encoder=encoder,
        freeze=freeze,
        option=option,
        budget=budget,
        representation=representation,
    )
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


def _on(text: str) -> "On":
    from mmbench.engine.train_source import On
    from mmbench.profile.malloc import keep_freed_memory

    keep_freed_memory()
    task, slash, dataset = text.partition("/")
    if slash and not dataset:
        raise UsageError(f"--multi-task expects TASK or TASK/DATASET, not {text!r}")
    return On(task, dataset or None)
