"""The options of the verbs that train, and what they say together."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from mmbench.engine.train_options import Optimizer, Precision, Schedule, Tracker, TrainOptions
from mmbench.errors import UsageError

if TYPE_CHECKING:
    from mmbench.model import BuildOptions

_MODEL = "Model"
_COURSE = "Course of training"
_VARIATION = "Regularisation"
_MACHINE = "Machine"


def _choices(literal: Any) -> str:
    return ", ".join(get_args(literal))


ModalitiesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--modality",
        metavar="MODALITY",
        help="What a fusion reads; several times, in the order in which the fusion takes them.",
        show_default="all of the task",
        rich_help_panel=_MODEL,
    ),
]
EncoderOption = Annotated[
    list[str] | None,
    typer.Option(
        "--encoder",
        metavar="MODALITY=NAME",
        help="An encoder, with options after commas: image=NAME, image=NAME,layers=2, text=hf:NAME_OR_PATH, "
        "image=from:WEIGHTS_FILE; once for each modality. `mmbench list encoders` shows them.",
        rich_help_panel=_MODEL,
    ),
]
FreezeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--freeze", metavar="MODALITY", help="Its encoder does not learn; several times.", rich_help_panel=_MODEL
    ),
]
FusionOption = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="OPTION=VALUE",
        help="Of the fusion, such as layers=3; several times. `mmbench show FUSION` lists them.",
        rich_help_panel=_MODEL,
    ),
]
BudgetOption = Annotated[
    str,
    typer.Option(
        "--budget",
        metavar="equal-width[=D]|equal-params=N",
        help="Width D of every part, or N parameters in all, within 5 %.",
        rich_help_panel=_MODEL,
    ),
]
RepresentationOption = Annotated[
    str,
    typer.Option(
        "--representation",
        help="independent: each modality in a space of its own; joint: all in a shared one.",
        rich_help_panel=_MODEL,
    ),
]
EpochsOption = Annotated[
    int | None,
    typer.Option(
        "--epochs",
        help="Passes over the training samples, at most.",
        show_default="1,300 steps, within 10 to 100",
        rich_help_panel=_COURSE,
    ),
]
StepSizeOption = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        help="Samples a step at most, over all processes.",
        show_default="a 40th of the samples, within 16 to 256",
        rich_help_panel=_COURSE,
    ),
]
OptimizerOption = Annotated[str, typer.Option("--optimizer", help=_choices(Optimizer), rich_help_panel=_COURSE)]
LearningRateOption = Annotated[
    float, typer.Option("--learning-rate", help="Peak of the schedule.", rich_help_panel=_COURSE)
]
ScheduleOption = Annotated[str, typer.Option("--schedule", help=_choices(Schedule), rich_help_panel=_COURSE)]
WarmupOption = Annotated[
    float | None,
    typer.Option(
        "--warmup",
        help="Share of the steps until the peak.",
        show_default="0.3 of one-cycle, else 0.05",
        rich_help_panel=_COURSE,
    ),
]
PatienceOption = Annotated[
    int | None,
    typer.Option(
        "--patience",
        help="Stop after so many epochs without a better validation metric.",
        show_default="never",
        rich_help_panel=_COURSE,
    ),
]
KeepOption = Annotated[
    str, typer.Option("--keep", help="Weights of the best or of the last epoch.", rich_help_panel=_COURSE)
]
ValidationOption = Annotated[
    float, typer.Option("--validation", help="Fraction of the groups that is held out.", rich_help_panel=_COURSE)
]
TrainLimitOption = Annotated[
    int | None,
    typer.Option("--limit", help="Only the first samples of the training split.", rich_help_panel=_COURSE),
]
TrainSeedOption = Annotated[int, typer.Option("--seed", help="Of everything that is random.", rich_help_panel=_COURSE)]
WeightDecayOption = Annotated[
    float, typer.Option("--weight-decay", help="Of the optimiser.", rich_help_panel=_VARIATION)
]
AugmentOption = Annotated[
    bool, typer.Option("--augment", help="Vary images and sounds in training.", rich_help_panel=_VARIATION)
]
ModalityDropoutOption = Annotated[
    float,
    typer.Option(
        "--modality-dropout",
        metavar="P",
        help="Probability that a training sample lacks a modality.",
        rich_help_panel=_VARIATION,
    ),
]
LabelSmoothingOption = Annotated[
    float,
    typer.Option("--label-smoothing", help="Share of probability spread over all labels.", rich_help_panel=_VARIATION),
]
PrecisionOption = Annotated[
    str,
    typer.Option(
        "--precision",
        help=f"Of the arithmetic: {_choices(Precision)}; not all devices have all.",
        rich_help_panel=_MACHINE,
    ),
]
TrainWorkersOption = Annotated[int, typer.Option("--workers", help="Loader processes.", rich_help_panel=_MACHINE)]
TrainDeviceOption = Annotated[str, typer.Option("--device", help="cpu, cuda, ...", rich_help_panel=_MACHINE)]
TrainThreadsOption = Annotated[
    int, typer.Option("--threads", help="PyTorch threads on the CPU.", rich_help_panel=_MACHINE)
]
StoreOption = Annotated[
    str, typer.Option("--store", help=f"Precision of the weights in the file: {_choices(Precision)}.")
]
LogToOption = Annotated[list[str] | None, typer.Option("--log-to", help=f"Log to {_choices(Tracker)}; several times.")]


def make_train_options(*, log_to: Sequence[str] | None = None, **chosen: Any) -> TrainOptions:
    """How to train, from words of the command line; what is not chosen has its default.

    Raises:
        UsageError: a value makes no sense; of a text the nearest right one is named.
    """
    trackers: Any = tuple(dict.fromkeys(log_to or ()))
    return TrainOptions(log_to=trackers, **chosen)


def make_build(
    *,
    modality: Sequence[str] | None = None,
    encoder: Sequence[str] | None = None,
    freeze: Sequence[str] | None = None,
    option: Sequence[str] | None = None,
    budget: str = "equal-width",
    representation: str = "independent",
) -> "BuildOptions":
    """How new models are built, from words of the command line.

    Raises:
        UsageError: a word has another form than its option asks for.
    """
    from mmbench.encoder import parse_encoders
    from mmbench.model import BuildOptions

    kind, equals, number = budget.partition("=")
    fits = (kind == "equal-params" and equals) or kind == "equal-width"
    if not fits or (equals and not (number.isdecimal() and int(number))):
        raise UsageError(f"--budget expects equal-width, equal-width=D or equal-params=N, not {budget!r}")
    return BuildOptions(
        encoders=parse_encoders(encoder or ()),
        freeze=tuple(sorted(set(freeze or ()))),
        width=int(number) if number and kind == "equal-width" else None,
        parameters=int(number) if kind == "equal-params" else None,
        options=_settings(option or ()),
        representation=representation,  # type: ignore[arg-type]  # BuildOptions checks it
        modalities=tuple(modality or ()) or None,
    )


def _settings(given: Sequence[str]) -> tuple[str, ...]:
    """`OPTION=VALUE` texts, whose order does not matter."""
    found: dict[str, str] = {}
    for text in given:
        name = text.partition("=")[0].strip()
        if name in found:
            raise UsageError(f"--option names {name} twice: {found[name]} and {text}")
        found[name] = text
    return tuple(sorted(given))
