"""Bootstrap by weights: a resample is how often each unit was drawn, so a resampled sum is a product of matrices."""

from collections.abc import Iterator, Mapping
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mmbench.stats.units import Units

FloatArray = NDArray[np.float64]

_CHUNK_CELLS = 2_000_000
_CHUNK_RESAMPLES = 512


class SumMetric(Protocol):
    """The part of a metric that resampling needs; every `mmbench.metrics.metric.Metric` has it."""

    @property
    def proportion(self) -> bool:
        """Rows are 0 or 1 and the value is their mean."""
        ...

    @property
    def bootstrap(self) -> Literal["percentile", "basic", "none"]:
        """How resampled values become an interval."""
        ...

    @property
    def least(self) -> float:
        """The least value there can be."""
        ...

    @property
    def most(self) -> float:
        """The greatest value there can be."""
        ...

    def statistics(self, rows: Mapping[str, NDArray[np.generic]], /) -> FloatArray | sparse.csr_array:
        """Numbers whose sum over samples determines the metric, [n, K]."""
        ...

    def value(self, sums: FloatArray, /) -> FloatArray:
        """The metric from summed statistics [..., K] -> [...]."""
        ...


def weight_chunks(
    counts: NDArray[np.int64], resamples: int, rng: np.random.Generator, cells: int
) -> Iterator[FloatArray]:
    """Draw resamples of `counts.sum()` units with replacement, some at a time.

    Args:
        counts: occurrences of each different unit, [U].
        resamples: how many in all.
        rng: where the draws come from.
        cells: memory that the caller needs for one resample, in numbers; chunks shrink as it grows.

    Yields:
        How often each unit was drawn, [r, U].
    """
    different, total = len(counts), int(counts.sum())
    unit = np.repeat(np.arange(different), counts)
    size = max(1, min(_CHUNK_RESAMPLES, _CHUNK_CELLS // max(total, cells, 1)))
    for start in range(0, resamples, size):
        r = min(size, resamples - start)
        if different * 8 < total:  # the two ways draw from one distribution; this one costs by U, the other by total
            yield rng.multinomial(total, counts / total, size=r).astype(np.float64)
            continue
        drawn = unit[rng.integers(total, size=(r, total))] + np.arange(r)[:, None] * different
        yield np.bincount(drawn.ravel(), minlength=r * different).reshape(r, different).astype(np.float64)


def bootstrap(
    metrics: Mapping[str, SumMetric], units: Mapping[str, Units], *, resamples: int, seed: int
) -> dict[str, FloatArray]:
    """Values of several metrics on the same resamples of the same units, [resamples] each.

    Args:
        metrics: by name.
        units: by the same names; the `counts` of all must be equal.
        resamples: how many.
        seed: equal seeds give equal resamples.
    """
    values: dict[str, list[FloatArray]] = {name: [] for name in metrics}
    if not metrics:
        return {}
    counts = next(iter(units.values())).counts
    widest = max(part.statistics.shape[1] for part in units.values())
    for weights in weight_chunks(counts, resamples, np.random.default_rng(seed), cells=widest):
        for name, metric in metrics.items():
            values[name].append(metric.value(np.asarray(weights @ units[name].statistics)))
    return {name: np.concatenate(chunks) for name, chunks in values.items()}
