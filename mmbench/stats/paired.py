"""The difference of two models on the same samples: bootstrap interval and randomization test."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mmbench.stats.bootstrap import FloatArray, SumMetric
from mmbench.stats.intervals import Interval, interval
from mmbench.stats.units import cluster_codes, clustered_units

Columns = Mapping[str, NDArray[Any]]

_CHUNK_CELLS = 4_000_000
_ROUNDING = 1e-12
"""Differences this close count as equal, so that a reordered sum is no smaller than the one observed."""


@dataclass(frozen=True)
class Difference:
    """One model against another on the same samples.

    Attributes:
        interval: of the first's value minus the second's.
        p_value: how probable a difference at least as large, in either direction, is if it did not matter which model
            gave which answer; `None` where the difference is not defined.
        test: `exact` where every swap was counted, else `randomization`.
    """

    interval: Interval
    p_value: float | None
    test: str


class _Difference:
    """Two models' statistics side by side, [n, 2 K], as a metric of its own."""

    proportion: ClassVar[bool] = False
    least: ClassVar[float] = -math.inf
    most: ClassVar[float] = math.inf

    def __init__(self, metric: SumMetric, statistics: sparse.csr_array) -> None:
        self._metric = metric
        self.bootstrap = metric.bootstrap  # what shifts one model's value shifts the other's by another amount
        self._statistics = statistics

    def statistics(self, rows: Columns, /) -> sparse.csr_array:
        return self._statistics

    def value(self, sums: FloatArray, /) -> FloatArray:
        k = sums.shape[-1] // 2
        return self._metric.value(sums[..., :k]) - self._metric.value(sums[..., k:])


def paired_difference(
    metric: SumMetric,
    ours: Columns,
    theirs: Columns,
    groups: NDArray[Any] | None,
    *,
    level: float = 0.95,
    resamples: int = 9999,
    seed: int = 0,
) -> Difference:
    """The difference of a metric between two models that answered the same n samples.

    The interval resamples samples (or clusters) with both models' answers (Efron & Tibshirani 1993), by the bootstrap
    that the metric asks for; where that is the basic one, it is too narrow if a model is near the metric's bound. The
    test swaps the two models' answers to a sample (or to a whole cluster) at random: a paired randomization test, which
    for a mean is the sign-flip test (Noreen 1989; Dror et al. 2018). Where there are no more swaps than `resamples`,
    all are counted.

    Args:
        metric: of which the difference is taken.
        ours, theirs: finished rows of both, in the same order of samples.
        groups: cluster of each sample, [n]; `None` where each stands alone.
        level: confidence of the interval.
        resamples: of the bootstrap, and swaps of the test.
        seed: of both.
    """
    n = len(next(iter(ours.values())))
    # Taken together, so that what statistics depend on (classes, document frequencies) is the same for both.
    both = sparse.csr_array(metric.statistics({c: np.concatenate([ours[c], theirs[c]]) for c in ours}))
    first, second = both[:n], both[n:]
    beside = _Difference(metric, sparse.csr_array(sparse.hstack([first, second])))
    found = interval(beside, ours, groups, level=level, resamples=resamples, seed=seed)
    if found.value is None:
        return Difference(found, None, "none")
    codes = cluster_codes(groups)
    if codes is not None:
        first, second = (clustered_units(part, codes).statistics for part in (first, second))
    p_value, test = _randomization(metric, first, second, resamples, seed)
    return Difference(found, p_value, test)


def _randomization(
    metric: SumMetric, first: sparse.csr_array, second: sparse.csr_array, resamples: int, seed: int
) -> tuple[float, str]:
    """p-value of swapping the two models' units, [U, K] each, and which test gave it."""
    change = sparse.csr_array(second - first)
    change.eliminate_zeros()
    change = change[np.diff(change.indptr) > 0]  # a swap of equal units changes nothing
    ours, theirs = (np.asarray(part.sum(axis=0), dtype=np.float64) for part in (first, second))
    observed = abs(float(metric.value(ours) - metric.value(theirs)))
    tolerance = _ROUNDING * max(1.0, observed)
    units = change.shape[0]
    exact = 2**units <= resamples + 1 if units < 64 else False
    larger = total = 0
    for swap in _all_swaps(units) if exact else _random_swaps(units, resamples, change.shape[1], seed):
        moved = np.asarray(swap @ change)
        difference = np.abs(metric.value(ours + moved) - metric.value(theirs - moved))
        # Where a metric is not defined after a swap, nothing was larger.
        larger += int(np.count_nonzero(difference >= observed - tolerance))
        total += len(difference)
    if exact:  # the observed assignment is one of them
        return larger / total, "exact"
    return (1 + larger) / (1 + total), "randomization"


def _all_swaps(units: int) -> Iterator[FloatArray]:
    yield ((np.arange(2**units)[:, None] >> np.arange(units)) & 1).astype(np.float64)


def _random_swaps(units: int, resamples: int, width: int, seed: int) -> Iterator[FloatArray]:
    rng = np.random.default_rng(seed)
    size = max(1, min(resamples, math.ceil(_CHUNK_CELLS / max(units, width, 1))))
    for start in range(0, resamples, size):
        yield rng.integers(2, size=(min(size, resamples - start), units)).astype(np.float64)
