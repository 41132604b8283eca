"""What a caller may set for a training run, the defaults that follow from the data, and the checks."""

from dataclasses import dataclass, replace
from typing import Literal, Self, get_args

from mmbench.engine.options import check_at_least
from mmbench.errors import UsageError, unknown_name

Optimizer = Literal["adamw", "adam", "sgd", "rmsprop"]
Keep = Literal["best", "last"]
Schedule = Literal["one-cycle", "cosine", "linear", "constant"]
Precision = Literal["float32", "bfloat16", "float16"]
Tracker = Literal["tensorboard", "wandb", "mlflow", "trackio"]

STEPS = 1300
"""Optimiser steps that a run makes at least, as far as 100 epochs go: with fewer, small data sets end at chance."""

COURSE = (
    "epochs",
    "batch_size",
    "optimizer",
    "learning_rate",
    "schedule",
    "warmup",
    "weight_decay",
    "patience",
    "keep",
    "augment",
    "modality_dropout",
    "label_smoothing",
    "precision",
    "log_to",
)
"""Options of gradient descent, which mean nothing to a model that counts."""

_SEEDS = 2**32 - 1  # what NumPy's random state takes
_EPOCHS = (10, 100)  # at least, so that each sample is seen again; at most, or validation takes longer than training
_BATCH = (16, 256)
_BATCHES = 40  # an epoch has about as many, within the bounds of the batch size


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How to train. The defaults are the protocol under which the shipped baselines were made.

    Attributes:
        epochs: passes over the training part; the schedule spans them all. `None`: as many as make `STEPS`
            steps, within 10 to 100.
        batch_size: samples a step at most, over all processes; steps are equally large. `None`: a power of two near a
            40th of the samples, within 16 to 256.
        optimizer: `sgd` has momentum (Nesterov), 0.9 or as one-cycle has it. All gradients are clipped to norm 1.
        learning_rate: peak of the schedule.
        schedule: `one-cycle` (Smith & Topin 2018), up from a 25th of the peak and down to almost nothing, while the
            momentum goes from 0.95 to 0.85 and back; or a linear warm-up and then `cosine`, `linear` or `constant`.
        warmup: share of the steps until the peak; `None`: 0.3 of one-cycle, 0.05 of the others.
        weight_decay: of the optimiser; decoupled in AdamW.
        patience: epochs without a better validation metric before stopping; `None`: the schedule runs to its end, where
            most of the gain is.
        keep: the weights of the epoch with the `best` validation metric, the first of equals, or of the `last` one, for
            where the validation part is too small to tell epochs apart.
        validation: fraction of the groups of the training split that is held out.
        augment: vary images and sounds in training (see `mmbench.data.augment`).
        modality_dropout: probability that a training sample lacks a modality, each by itself; one is always kept.
        label_smoothing: share of the target's probability that is spread over all labels.
        precision: of the arithmetic; other than float32, mixed precision with float32 weights.
        seed: of initial weights, of the order of samples and of everything else that is random.
        workers: loader processes, in each process.
        device: where to train: `cpu`, `cuda`, ...
        threads: PyTorch threads on the CPU; weights are the same only for the same number.
        limit: use only the first samples of the training split.
        store: precision of the weights in the file; float16 halves it and rounds them to three digits.
        log_to: experiment trackers to write to.
    """

    epochs: int | None = None
    batch_size: int | None = None
    optimizer: Optimizer = "adamw"
    learning_rate: float = 3e-3
    schedule: Schedule = "one-cycle"
    warmup: float | None = None
    weight_decay: float = 0.01
    patience: int | None = None
    keep: Keep = "best"
    validation: float = 0.1
    augment: bool = False
    modality_dropout: float = 0.0
    label_smoothing: float = 0.0
    precision: Precision = "float32"
    seed: int = 0
    workers: int = 1
    device: str = "cpu"
    threads: int = 1
    limit: int | None = None
    store: Precision = "float32"
    log_to: tuple[Tracker, ...] = ()

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            UsageError: which one, and what was expected.
        """
        check_at_least(self, 1, "epochs", "batch_size", "patience", "threads", "limit")
        check_at_least(self, 0, "workers", "seed", "weight_decay")
        if not self.weight_decay < float("inf"):
            raise UsageError(f"--weight-decay must be finite, not {self.weight_decay}")
        if self.seed > _SEEDS:
            raise UsageError(f"--seed must be at most {_SEEDS}, not {self.seed}")
        if not 0 < self.validation < 1:
            raise UsageError(f"--validation must lie between 0 and 1, not {self.validation}")
        if not 0 < self.learning_rate < float("inf"):
            raise UsageError(f"--learning-rate must be more than 0, not {self.learning_rate}")
        for name in ("warmup", "modality_dropout", "label_smoothing"):
            if not 0 <= (getattr(self, name) or 0.0) < 1:
                raise UsageError(
                    f"--{name.replace('_', '-')} must be at least 0 and below 1, not {getattr(self, name)}"
                )
        for name, choices in (
            ("optimizer", Optimizer),
            ("schedule", Schedule),
            ("precision", Precision),
            ("store", Precision),
            ("keep", Keep),
        ):
            if getattr(self, name) not in get_args(choices):
                raise unknown_name(name, getattr(self, name), get_args(choices))
        if self.patience is not None and self.keep == "last":
            raise UsageError("--patience stops at the best epoch, which --keep last does not keep; give one of them")
        for tracker in self.log_to:
            if tracker not in get_args(Tracker):
                raise unknown_name("tracker", tracker, get_args(Tracker))

    @property
    def varies(self) -> bool:
        """Training samples are not the same in every epoch."""
        return self.augment or self.modality_dropout > 0

    def resolved(self, samples: int) -> Self:
        """With the batch size, epochs and warm-up that a number of training samples and the schedule ask for."""
        least, most = _BATCH
        batch = self.batch_size or min(most, max(least, 2 ** _log2(samples // _BATCHES)))
        steps = -(-samples // batch)
        least, most = _EPOCHS
        epochs = self.epochs or min(most, max(least, -(-STEPS // steps)))
        warmup = self.warmup if self.warmup is not None else 0.3 if self.schedule == "one-cycle" else 0.05
        return replace(self, batch_size=batch, epochs=epochs, warmup=warmup)


def _log2(number: int) -> int:
    """The greatest k with 2 to the k at most `number`; 0 below 1."""
    return max(1, number).bit_length() - 1
