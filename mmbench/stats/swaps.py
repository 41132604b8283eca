"""The paired randomization test: how large a difference is if it does not matter which of two models gave which answer.

A swap is a sum too: that of what swapped units change. Units that change the same are counted together.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mmbench.stats.bootstrap import FloatArray, SumMetric, weighted_sums
from mmbench.stats.runs import Runs
from mmbench.stats.units import Codes, Units, joint_codes, pooled_units, row_codes

_CHUNK_CELLS = 4_000_000
_MOST_EXACT = 40
"""Units of which all swaps might be counted; 2**40 is more than anybody's `resamples`."""
_POOLED = 128
"""So many times as many units as kinds, and swaps are counted by kind, otherwise drawn once for all models."""
_ROUNDING = 1e-12
"""Differences this close count as equal, so that a reordered sum is no smaller than the one observed."""


@dataclass(frozen=True, slots=True)
class SwapTest:
    """The p-value of a difference, and whether all swaps were counted (`exact`) or some drawn (`randomization`)."""

    p_value: float
    test: str
    swaps: int


def swap_tests(
    metric: SumMetric, models: Sequence[Runs], baseline: Runs, *, resamples: int, seed: int
) -> list[SwapTest]:
    """Each model against the baseline; a swap exchanges a unit's answers in all seeds.

    Args:
        metric: whose mean over seeds is compared.
        models: runs of each by seed.
        baseline: runs by the same seeds, over the same N units.
        resamples: swaps that are drawn where there are more; else all are counted.
        seed: of the swaps, which are the same for all models.
    """
    changes = [_change(model, baseline) for model in models]
    found: dict[int, SwapTest] = {}
    for place, change in enumerate(changes):
        units = int(np.count_nonzero(np.diff(change.indptr)))
        codes = row_codes(change)
        count = _Count(metric, [models[place]], baseline)
        if units <= _MOST_EXACT and 2**units <= resamples + 1:
            kinds = _kinds(change, codes)
            larger, total = count(_all_swaps(kinds.counts), kinds.statistics)
            found[place] = SwapTest(float(larger[0] / total), "exact", total)  # what was observed is one of all
        elif (int(codes.max()) + 1) * _POOLED <= units:
            kinds = _kinds(change, codes)
            larger, total = count(_swaps_by_kind(kinds, resamples, seed), kinds.statistics)
            found[place] = _drawn(larger[0], total)
    others = [place for place in range(len(models)) if place not in found]
    if others:
        chosen = [models[place] for place in others]
        together = _together([changes[place] for place in others], [*chosen, baseline])
        larger, total = _Count(metric, chosen, baseline)(_swaps_by_unit(together, resamples, seed), together)
        found |= {place: _drawn(each, total) for place, each in zip(others, larger, strict=True)}
    return [found[place] for place in range(len(models))]


def _drawn(larger: int, total: int) -> SwapTest:
    return SwapTest(float((1 + larger) / (1 + total)), "randomization", total)


class _Count:
    """Counts for each of M models the swaps after which the difference is at least as large as the one observed."""

    def __init__(self, metric: SumMetric, models: Sequence[Runs], baseline: Runs) -> None:
        self._metric = metric
        self._ours = np.stack([model.sums() for model in models])  # [M, S, K]
        self._theirs = baseline.sums()
        self._observed = np.abs(self._difference(np.zeros_like(self._ours)))

    def __call__(self, swaps: Iterator[FloatArray], changes: sparse.csr_array) -> tuple[NDArray[np.int64], int]:
        """Of swaps [r, N] that change [N, M S K]: how many were larger, [M], and how many there were."""
        summed = weighted_sums(changes)
        least = self._observed - _ROUNDING * np.maximum(1.0, self._observed)
        larger, total = np.zeros(len(self._ours), dtype=np.int64), 0
        for swapped in swaps:
            moved = summed(swapped).reshape(len(swapped), *self._ours.shape)
            # Where a metric is not defined after a swap, nothing was larger.
            larger += np.count_nonzero(np.abs(self._difference(moved)) >= least, axis=0)
            total += len(swapped)
        return larger, total

    def _difference(self, moved: FloatArray) -> FloatArray:
        value: Callable[[FloatArray], FloatArray] = self._metric.value
        difference: FloatArray = value(self._ours + moved).mean(axis=-1) - value(self._theirs - moved).mean(axis=-1)
        return difference


def _kinds(change: sparse.csr_array, codes: Codes) -> Units:
    """The different changes by a swap, [J, S K], and how many units have each; those that change nothing left out."""
    kinds = pooled_units([change], codes)
    real = np.diff(kinds.statistics.indptr) > 0
    return Units(kinds.statistics[real], kinds.counts[real])


def _change(model: Runs, baseline: Runs) -> sparse.csr_array:
    """What a swap of each unit adds to the model's sums, seeds side by side, [N, S K]."""
    pairs = zip(model.statistics, baseline.statistics, strict=True)
    change = sparse.csr_array(sparse.hstack([theirs - ours for ours, theirs in pairs], format="csr"))
    change.eliminate_zeros()
    return change


def _together(parts: Sequence[sparse.csr_array], models: Sequence[Runs]) -> sparse.csr_array:
    """The changes of several models side by side, [N, M S K], without units that change nothing.

    Units are ordered by their statistics, so that which of them a draw swaps does not depend on the order of samples.
    """
    order = np.argsort(joint_codes([code for runs in models for code in runs.codes]), kind="stable")
    changes = sparse.csr_array(sparse.hstack(parts, format="csr"))[order]
    return changes[np.diff(changes.indptr) > 0]


def _all_swaps(counts: NDArray[np.int64]) -> Iterator[FloatArray]:
    kinds, units = len(counts), int(counts.sum())
    member = np.repeat(np.eye(kinds), counts, axis=0)
    yield ((np.arange(2**units)[:, None] >> np.arange(units)) & 1) @ member


def _swaps_by_kind(kinds: Units, resamples: int, seed: int) -> Iterator[FloatArray]:
    """How many of the units of each kind are swapped, [r, J]: of each unit's coins only the sum is tossed."""
    rng = np.random.default_rng(seed)
    for size in _sizes(resamples, *kinds.statistics.shape):
        yield rng.binomial(kinds.counts, 0.5, size=(size, len(kinds.counts))).astype(np.float64)


def _swaps_by_unit(changes: sparse.csr_array, resamples: int, seed: int) -> Iterator[FloatArray]:
    """Whether each unit is swapped, [r, N]; the next are written over them."""
    rng = np.random.default_rng(seed)
    units = changes.shape[0]
    memory = np.empty(0)
    for size in _sizes(resamples, *changes.shape):
        bits = np.unpackbits(np.frombuffer(rng.bytes(math.ceil(size * units / 8)), dtype=np.uint8))
        if len(memory) < size:
            memory = np.empty((size, units))
        memory[:size] = bits[: size * units].reshape(size, units)
        yield memory[:size]


def _sizes(resamples: int, *cells: int) -> Iterator[int]:
    size = max(1, min(resamples, _CHUNK_CELLS // max(*cells, 1)))
    for start in range(0, resamples, size):
        yield min(size, resamples - start)
