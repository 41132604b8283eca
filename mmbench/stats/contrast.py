"""Functions of a metric's values in several runs over the same samples, with bootstrap intervals."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from mmbench.stats.bootstrap import FloatArray, SumMetric, bootstrap_runs
from mmbench.stats.intervals import Interval, as_interval, resampled_bounds
from mmbench.stats.runs import Runs, runs_of
from mmbench.stats.units import Columns

Combine = Callable[[FloatArray], FloatArray]
"""From the values of R runs, [R, ...], to one number, [...]."""


def contrasts(
    metric: SumMetric,
    runs: Sequence[Columns],
    combine: Mapping[str, Combine],
    groups: NDArray[Any] | None,
    *,
    level: float = 0.95,
    resamples: int = 9999,
    seed: int = 0,
) -> dict[str, Interval]:
    """Any functions of the metric's values in R runs over the same n samples, each with an interval.

    A resample draws samples (or whole clusters) with their rows in all runs, and serves all functions. The interval is
    made by the bootstrap that the metric asks for; see `mmbench.stats.intervals.intervals`. A resample in which a
    function is not defined does not count for it, and where no resample differs there is no interval.

    Args:
        metric: of which values are taken.
        runs: finished, selected rows of each, in the same order of samples, which does not matter.
        combine: functions by name, such as `{"drop": lambda values: values[0] - values[1]}`.
        groups: cluster of each sample, [n]; `None` where each stands alone.
        level: confidence of the intervals.
        resamples: of the bootstrap.
        seed: of the resamples.

    Raises:
        ValueError: there is no run, or they have not as many samples.
    """
    return contrasts_of(metric, runs_of(metric, runs, groups), combine, level=level, resamples=resamples, seed=seed)


def contrasts_of(
    metric: SumMetric, runs: Runs, combine: Mapping[str, Combine], *, level: float, resamples: int, seed: int
) -> dict[str, Interval]:
    """The same from statistics; see `contrasts`."""
    observed = metric.value(runs.sums())
    values = {name: float(function(observed)) for name, function in combine.items()}
    if runs.samples == 0 or metric.bootstrap == "none":
        return {name: as_interval(value, None, level, runs.samples, "none") for name, value in values.items()}
    drawn = bootstrap_runs(metric, runs.units(), len(runs), resamples=resamples, seed=seed)
    found = {}
    for name, function in combine.items():
        bounds, method = resampled_bounds(metric.bootstrap, values[name], function(drawn), level)
        method = f"clustered-{method}" if runs.clustered else method
        found[name] = as_interval(values[name], bounds, level, runs.samples, method)
    return found
