"""What a caller may set for an evaluation, and the checks of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

from mmbench.data.alteration import Alteration
from mmbench.engine.cost_options import CostLevel
from mmbench.errors import UsageError


@dataclass(frozen=True, slots=True)
class EvalOptions:
    """How to evaluate.

    Attributes:
        batch_size: samples at a time, or `auto`: the smallest that is about as fast as any larger.
        workers: loader processes; `None` for half of the cores, at most eight.
        device: `cpu`, `cuda`, `cuda:1`, ... or `auto`.
        dtype: of the model's weights and arithmetic.
        threads: PyTorch threads on the CPU; `None` for the cores that the workers leave.
        seed: of anything random in the model and of the intervals' resampling.
        limit: only the first samples; scores of a limited run are not comparable with a full one.
        on_error: what a failing sample does: stop the run (`fail`) or stay unscored (`skip`).
        max_errors: with `skip`, more failures than this stop the run.
        invariance: how many samples are asked again one by one, to see whether batching changes a prediction.
        metrics: names of metrics besides those of the data set.
        protocol: options of the metrics, by name, that differ from the data set's.
        cost: cost passes after the scores: none (`off`), some seconds of them (`quick`), or all (`full`).
        stages: modules that shall be stages: their paths by the stages' names.
        keep_scores: store the log-probabilities of all labels with the samples, as ensembles of stored runs need them;
            with `if-any` only if the model classifies, without an error if it does not.
        alteration: what is done to the inputs before the model gets them.
        settings: `OPTION=VALUE` for the adapter of a model from elsewhere.
    """

    batch_size: int | Literal["auto"] = 64
    workers: int | None = None
    device: str = "auto"
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    threads: int | None = None
    seed: int = 0
    limit: int | None = None
    on_error: Literal["fail", "skip"] = "fail"
    max_errors: int | None = None
    invariance: int = 128
    metrics: tuple[str, ...] = ()
    protocol: Mapping[str, str] = field(default_factory=dict)
    cost: CostLevel = "off"
    stages: Mapping[str, str] = field(default_factory=dict)
    keep_scores: bool | Literal["if-any"] = False
    alteration: Alteration = field(default_factory=Alteration)
    settings: tuple[str, ...] = ()

    @property
    def advice(self) -> str:
        """What the user can do about a failing sample."""
        return "--on-error skip leaves such samples unscored, --resume keeps what was scored"

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            UsageError: which one, and what was expected.
        """
        check_at_least(self, 1, "threads", "limit", *(() if self.batch_size == "auto" else ("batch_size",)))
        check_at_least(self, 0, "workers", "seed", "max_errors", "invariance")
        if self.max_errors is not None and self.on_error == "fail":
            raise UsageError("--max-errors goes with --on-error skip")


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """How to score predictions that were made elsewhere.

    Attributes:
        seed: of the intervals' resampling.
        on_error: what a prediction that cannot be scored does: stop (`fail`) or stay unscored (`skip`).
        max_errors: with `skip`, more of them than this stop the run.
        metrics: names of metrics besides those of the task or data set.
        protocol: options of the metrics, by name.
    """

    seed: int = 0
    on_error: Literal["fail", "skip"] = "fail"
    max_errors: int | None = None
    metrics: tuple[str, ...] = ()
    protocol: Mapping[str, str] = field(default_factory=dict)

    @property
    def advice(self) -> str:
        """What the user can do about a failing sample."""
        return "--on-error skip leaves such samples unscored"

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            UsageError: which one, and what was expected.
        """
        check_at_least(self, 0, "seed", "max_errors")
        if self.max_errors is not None and self.on_error == "fail":
            raise UsageError("--max-errors goes with --on-error skip")


def check_at_least(options: object, least: int, *names: str) -> None:
    """Refuse a number below `least` among the named options; `None` passes.

    Raises:
        UsageError: which one.
    """
    for each in fields(options):  # type: ignore[arg-type]  # called with dataclasses only
        value = getattr(options, each.name)
        if each.name in names and value is not None and not value >= least:
            raise UsageError(f"--{each.name.replace('_', '-')} must be at least {least}, not {value}")
