"""What a bootstrap draws: clusters of samples that belong together, or single samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Columns = Mapping[str, NDArray[Any]]
"""Values of the samples by name of the column, [n] each."""

Codes = NDArray[np.intp]


@dataclass(frozen=True)
class Units:
    """Statistics of U different units, and how often each occurs.

    Attributes:
        statistics: sums of the samples of one unit, [U, K].
        counts: occurrences of each, [U]; their sum is the number of units that a resample draws.
    """

    statistics: sparse.csr_array
    counts: NDArray[np.int64]


def cluster_codes(groups: NDArray[Any] | None) -> Codes | None:
    """Number the clusters in order of their names: [n] -> [n] of 0..G-1; `None` where each sample is its own.

    A missing name (None, NaN) is a cluster of one.
    """
    if groups is None:
        return None
    import pandas as pd  # noqa: PLC0415  # heavy: only where there are clusters

    found, names = pd.factorize(np.asarray(groups, dtype=object), sort=True)
    codes = np.asarray(found, dtype=np.intp)
    alone = codes < 0
    codes[alone] = len(names) + np.arange(alone.sum())
    clusters = len(names) + int(alone.sum())
    return codes if clusters < len(codes) else None


def clustered_units(statistics: sparse.csr_array, clusters: Codes) -> Units:
    """Sum the rows of each cluster: [n, K] -> [G, K]. Not even rounding depends on the order of the samples."""
    codes = row_codes(statistics)
    different = int(codes.max(initial=-1)) + 1
    shape = int(clusters.max(initial=-1)) + 1, different
    occurrences = sparse.csr_array((np.ones(len(codes)), (clusters, codes)), shape=shape)  # adds up what is equal
    first = _first(codes)
    return Units(sparse.csr_array(occurrences @ statistics[first]), np.ones(shape[0], dtype=np.int64))


def single_units(statistics: sparse.csr_array) -> Units:
    """Each sample by itself, equal ones counted together: [n, K] -> [U, K].

    Which of several equal samples is drawn makes no difference, so U is small for a classifier (at most the square
    of the number of classes), and the order of the samples has no influence.
    """
    return pooled_units([statistics], row_codes(statistics))


def pooled_units(parts: Sequence[sparse.csr_array], codes: Codes, counts: NDArray[np.int64] | None = None) -> Units:
    """Units with the statistics of several parts side by side, equal ones counted together.

    Args:
        parts: [N, K] each.
        codes: equal where the units are equal in all parts, [N] of 0..U-1.
        counts: occurrences of each of the N; once if not given.

    Returns:
        Units of [U, sum of K], in an order that follows from their statistics alone.
    """
    rows = sparse.csr_array(sparse.hstack([part[_first(codes)] for part in parts], format="csr"))
    rows.eliminate_zeros()
    rows.sort_indices()
    keys = [
        (rows.indices[start:stop].tobytes(), rows.data[start:stop].tobytes()) for start, stop in pairwise(rows.indptr)
    ]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    occurrences = np.bincount(codes, weights=counts, minlength=len(keys))
    return Units(rows[order], np.rint(occurrences[order]).astype(np.int64))


def row_codes(statistics: sparse.csr_array) -> Codes:
    """Number different rows, the same number where rows are equal: [n, K] -> [n] of 0..U-1."""
    rows = sparse.csr_array(statistics, copy=True)
    rows.eliminate_zeros()
    rows.sort_indices()
    n, entries = rows.shape[0], np.diff(rows.indptr)
    codes = np.zeros(n, dtype=np.intp)
    for place in range(int(entries.max(initial=0))):
        has = entries > place
        at = rows.indptr[:-1][has] + place
        column, value = np.full(n, -1, dtype=np.int64), np.zeros(n)
        column[has], value[has] = rows.indices[at], rows.data[at]
        codes = joint_codes([codes, _ranks(column), _ranks(value)])
        if codes.max() == n - 1:  # all differ already
            break
    return codes


def joint_codes(parts: Sequence[Codes]) -> Codes:
    """Number the different combinations of several numberings, in their order: [N] each -> [N] of 0..U-1."""
    codes, *others = parts
    for other in others:
        width = int(other.max(initial=0)) + 1
        if width > 1:
            codes = _ranks(codes * width + other)
    return codes


def _ranks(values: NDArray[Any]) -> Codes:
    """The place of each value among the different ones, ascending."""
    if len(values) == 0 or (values == values[0]).all():
        return np.zeros(len(values), dtype=np.intp)
    import pandas as pd  # noqa: PLC0415  # heavy: only where samples differ

    return np.asarray(pd.factorize(values, sort=True, use_na_sentinel=False)[0], dtype=np.intp)


def _first(codes: Codes) -> NDArray[np.intp]:
    """Where each number occurs first, [U]."""
    first = np.empty(int(codes.max(initial=-1)) + 1, dtype=np.intp)
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # of several assignments the last one stays
    return first
