"""One row of a table, from the run or runs that it shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import get_args

from mmbench.engine.cost_options import CostLevel
from mmbench.leaderboard.recipe import training_seed
from mmbench.profile.results import Passes
from mmbench.record.schema import MetricValue, RunRecord

_LEVELS: tuple[str, ...] = get_args(CostLevel)  # ascending


@dataclass(frozen=True, slots=True)
class Row:
    """One run, or one model over runs of several training seeds.

    Size and cost are `None` where the predictions were made elsewhere, and speed and memory of a model that answers on
    another machine. Costs are those of the `measured` runs.

    Attributes:
        model: its name.
        runs: what the row shows, by seed.
        run_id, created: of the latest of them.
        metrics: by name; over seeds the mean with its interval.
        parameters: numbers in the model.
        samples_per_s: of the pass that scored, decoding included, in samples/s; over seeds the median.
        model_samples_per_s: of the model alone, on batches that lie ready; over seeds the median. `None` where not all
            measured runs have it.
        peak_bytes: over seeds the median.
        failures: samples that could not be scored, in all runs together.
        variant: settings by which the model differs from others of its name, as `width=96`; empty if there is none.
        deviations: standard deviation over seeds by metric, where there are several.
        rank: in its table, 0 before it is in one.
        pareto: on the front of quality against speed in its table; `None` where that cannot be told.
    """

    model: str
    runs: tuple[RunRecord, ...]
    run_id: str
    created: datetime
    metrics: Mapping[str, MetricValue]
    parameters: int | None
    samples_per_s: float | None
    peak_bytes: int | None
    failures: int
    variant: str = ""
    deviations: Mapping[str, float] = field(default_factory=dict)
    rank: int = 0
    model_samples_per_s: float | None = None
    pareto: bool | None = None

    @property
    def label(self) -> str:
        """The model, told apart from others of its name."""
        return f"{self.model} ({self.variant})" if self.variant else self.model

    @property
    def seeds(self) -> int | None:
        """The number of training seeds; `None` for a model that was not trained here."""
        return sum(training_seed(run) is not None for run in self.runs) or None

    @property
    def measured(self) -> tuple[RunRecord, ...]:
        """The runs that its costs come from."""
        return measured(self.runs)


def measured(runs: Sequence[RunRecord]) -> tuple[RunRecord, ...]:
    """Of runs with costs those whose cost passes were the most thorough.

    Without cost passes a record has the speed of the pass that scored, which may have run beside other work.
    """
    levels = {run.run_id: _level(run) for run in runs if run.cost is not None}
    most = max(levels.values(), default=0)
    return tuple(run for run in runs if levels.get(run.run_id) == most)


def _level(record: RunRecord) -> int:
    """How thorough the cost passes of a run were, a place in `_LEVELS`; of older records whether there are any."""
    told = record.settings.get("cost")
    if told in _LEVELS:
        return _LEVELS.index(told)
    cost = record.cost
    found = (getattr(cost, name) for name in Passes.model_fields if name != "failures")
    return int(any(each is not None for each in found))


def row_of(record: RunRecord) -> Row:
    """The row of one run."""
    cost = record.cost
    here = cost is not None and cost.usage is None  # else another machine did the work, or a cache of its answers
    alone = cost.model_throughput if cost else None
    return Row(
        model=record.model.name,
        runs=(record,),
        run_id=record.run_id,
        created=record.created,
        metrics=record.metrics,
        parameters=record.model.parameters,
        samples_per_s=cost.throughput.samples_per_s if here and cost else None,
        peak_bytes=cost.memory.peak_bytes if here and cost else None,
        failures=len(record.failures),
        model_samples_per_s=alone.samples_per_s.value if alone else None,
    )
