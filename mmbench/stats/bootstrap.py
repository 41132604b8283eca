"""Bootstrap by weights: a resample is how often each unit was drawn, so a resampled sum is a product of matrices."""

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mmbench.stats.draws import even_draws
from mmbench.stats.units import Units

FloatArray = NDArray[np.float64]

_CHUNK_CELLS = 2_000_000
_CHUNK_RESAMPLES = 512
_MANY = 2**14
"""Units from which Poisson counts cost less than single draws."""
_SPARSE = 16
"""A dense product is as fast as a sparse one where one of so many numbers is not 0."""
_DENSE_CELLS = 20_000_000


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
    first = np.cumsum(counts) - counts
    size = max(1, min(_CHUNK_RESAMPLES, _CHUNK_CELLS // max(total, cells, 1)))
    for start in range(0, resamples, size):
        r = min(size, resamples - start)
        if different * 8 < total:  # all ways draw from one distribution; this one costs by U, the others by total
            yield rng.multinomial(total, counts / total, size=r).astype(np.float64)
            continue
        if total >= _MANY:
            each = even_draws(total, r, rng).astype(np.float64)
            yield each if different == total else np.add.reduceat(each, first, axis=1)
            continue
        weights = np.empty((r, different))
        for row, drawn in zip(weights, rng.integers(total, size=(r, total)), strict=True):
            row[:] = np.bincount(drawn if different == total else unit[drawn], minlength=different)
        yield weights


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


def bootstrap_runs(metric: SumMetric, units: Units, runs: int, *, resamples: int, seed: int) -> FloatArray:
    """Values of one metric in R runs on the same resamples of the same units, [R, resamples].

    Args:
        metric: of which values are taken.
        units: with the statistics of the runs side by side, [U, R K].
        runs: how many, R.
        resamples: how many.
        seed: equal seeds give equal resamples.
    """
    summed = weighted_sums(units.statistics)
    columns = units.statistics.shape[1]
    chunks = weight_chunks(units.counts, resamples, np.random.default_rng(seed), cells=columns)
    values = [metric.value(summed(weights).reshape(len(weights), runs, columns // runs)) for weights in chunks]
    return np.concatenate(values).T


def weighted_sums(statistics: sparse.csr_array) -> Callable[[FloatArray], FloatArray]:
    """How to sum statistics [U, C] by weights, [r, U] -> [r, C]: the product of matrices that costs less.

    Runs have columns in common (they count the same samples), so of equal ones one is summed.
    """
    cells = statistics.shape[0] * statistics.shape[1]
    if statistics.nnz * _SPARSE < cells or cells > _DENSE_CELLS:
        return lambda weights: np.asarray(weights @ statistics)
    columns = np.ascontiguousarray(statistics.toarray().T)
    first: dict[bytes, int] = {}
    kept, place = np.unique([first.setdefault(c.tobytes(), i) for i, c in enumerate(columns)], return_inverse=True)
    different = columns[kept].T
    return lambda weights: (weights @ different)[:, place]
