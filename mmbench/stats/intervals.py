"""Confidence intervals of metrics: Wilson for proportions, otherwise the percentile bootstrap, by cluster where
samples share one.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mmbench.quantiles import normal
from mmbench.stats.bootstrap import FloatArray, SumMetric, bootstrap
from mmbench.stats.units import Columns, cluster_codes, clustered_units, single_units


@dataclass(frozen=True)
class Interval:
    """A metric with its uncertainty.

    Attributes:
        value: the metric on all samples; `None` where it is not defined.
        low, high: bounds of the interval; `None` where the data cannot tell.
        level: confidence, 0 to 1.
        n: samples that were scored.
        method: `wilson`, `bootstrap`, `basic-bootstrap`, these with `clustered-` before, `wilson-clusters` or `none`.
    """

    value: float | None
    low: float | None
    high: float | None
    level: float
    n: int
    method: str


def interval(
    metric: SumMetric,
    rows: Columns,
    groups: NDArray[Any] | None,
    *,
    level: float = 0.95,
    resamples: int = 9999,
    seed: int = 0,
) -> Interval:
    """One metric with its interval; see `intervals`."""
    return intervals({"": metric}, {"": rows}, groups, level=level, resamples=resamples, seed=seed)[""]


def intervals(
    metrics: Mapping[str, SumMetric],
    rows: Mapping[str, Columns],
    groups: NDArray[Any] | None,
    *,
    level: float = 0.95,
    resamples: int = 9999,
    seed: int = 0,
) -> dict[str, Interval]:
    """Several metrics of the same n samples with their intervals.

    - Samples that stand alone: Wilson's score interval for a proportion (Wilson, 1927), the percentile bootstrap
      (Efron, 1979) for the rest.
    - Samples in clusters (questions about one image): the percentile bootstrap over clusters, which are drawn whole.
      Resamples are shared among the metrics.
    - A metric may ask for the basic bootstrap instead (Davison & Hinkley 1997, 5.2): 2 v - q, with q the percentiles of
      the other side, for a value v that resampling shifts; no less than it can be and widened to hold v. Or for none.
    - Where no resample differs (all right, or one cluster), a bootstrap would claim certainty. A proportion then gets
      Wilson's interval with the clusters as trials, which is too wide rather than too narrow; any other metric gets
      none.

    Args:
        metrics: by name.
        rows: columns of the scored samples, by the same names.
        groups: cluster of each sample, [n]; `None` where each stands alone. The order of samples does not matter.
        level: confidence of the intervals.
        resamples: bootstrap resamples; one in which a metric is not defined does not count for it.
        seed: of the resamples.
    """
    statistics = {name: sparse.csr_array(metric.statistics(rows[name])) for name, metric in metrics.items()}
    values = {
        name: float(metric.value(np.asarray(statistics[name].sum(axis=0), dtype=np.float64)))
        for name, metric in metrics.items()
    }
    codes = cluster_codes(groups)
    n = next(iter(statistics.values())).shape[0] if statistics else 0
    found = {
        name: as_interval(values[name], None, level, n, "none")
        for name in metrics
        if n == 0 or metrics[name].bootstrap == "none"
    }
    metrics = {name: metric for name, metric in metrics.items() if name not in found}
    if codes is None:
        for name, metric in metrics.items():
            if metric.proportion:
                found[name] = as_interval(values[name], wilson(values[name] * n, n, level), level, n, "wilson")
                continue
            # Each metric draws for itself, so that its interval does not depend on which others were asked for.
            units = single_units(statistics[name])
            drawn = bootstrap({name: metric}, {name: units}, resamples=resamples, seed=seed)[name]
            bounds, method = _bounds(metric, values[name], drawn, level)
            found[name] = as_interval(values[name], bounds, level, n, method)
        return found
    clusters = int(codes.max()) + 1
    by_cluster = {name: clustered_units(statistics[name], codes) for name in metrics}
    draws = bootstrap(metrics, by_cluster, resamples=resamples, seed=seed)
    for name, metric in metrics.items():
        bounds, method = _bounds(metric, values[name], draws[name], level)
        method = f"clustered-{method}"
        if bounds is None and metric.proportion:
            bounds, method = wilson(values[name] * clusters, clusters, level), "wilson-clusters"
        found[name] = as_interval(values[name], bounds, level, len(codes), method)
    return found


def wilson(successes: float, trials: int, level: float) -> tuple[float, float] | None:
    """Wilson's score interval of a proportion; `None` without trials.

    Successes that are no whole number (a share of a few clusters) are widened to the whole numbers on either side.
    """
    if trials == 0:
        return None
    whole = round(successes, 6)  # the product of a share and a count misses the whole number by rounding only
    low, high = (_wilson(rounded / trials, trials, normal(level)) for rounded in (math.floor(whole), math.ceil(whole)))
    return low[0], high[1]


def _wilson(share: float, trials: int, z: float) -> tuple[float, float]:
    """Wilson, Journal of the American Statistical Association 22, 1927; exactly 0 or 1 where none or all succeeded."""
    centre = share + z * z / (2 * trials)
    reach = z * math.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
    whole = 1 + z * z / trials
    return (centre - reach) / whole if share > 0 else 0.0, (centre + reach) / whole if share < 1 else 1.0


def percentiles(values: FloatArray, level: float) -> tuple[float, float] | None:
    """The central `level` of resampled values, NaN left out; `None` where they do not vary."""
    defined = values[~np.isnan(values)]
    if defined.size == 0:
        return None
    low, high = (float(bound) for bound in np.quantile(defined, [(1 - level) / 2, (1 + level) / 2]))
    return None if math.isclose(low, high, rel_tol=1e-9, abs_tol=1e-12) else (low, high)


def _bounds(metric: SumMetric, value: float, drawn: FloatArray, level: float) -> tuple[tuple[float, float] | None, str]:
    return resampled_bounds(metric.bootstrap, value, drawn, level, metric.least, metric.most)


def resampled_bounds(
    bootstrap: str, value: float, drawn: FloatArray, level: float, least: float = -math.inf, most: float = math.inf
) -> tuple[tuple[float, float] | None, str]:
    """The interval from resampled values by the bootstrap that a metric asks for, and what that is called."""
    found = percentiles(drawn, level)
    if bootstrap == "percentile":
        return found, "bootstrap"
    if found is not None:
        found = max(least, min(value, 2 * value - found[1])), min(most, max(value, 2 * value - found[0]))
    return found, f"{bootstrap}-bootstrap"


def as_interval(value: float, bounds: tuple[float, float] | None, level: float, n: int, method: str) -> Interval:
    """An interval from its bounds, if there are any."""
    low, high = bounds if bounds is not None else (None, None)
    return Interval(None if math.isnan(value) else value, low, high, level, n, method)
