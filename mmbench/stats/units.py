"""What a bootstrap draws: clusters of samples that belong together, or single samples."""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

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
    found, names = pd.factorize(np.asarray(groups, dtype=object), sort=True)
    codes = np.asarray(found, dtype=np.intp)
    alone = codes < 0
    codes[alone] = len(names) + np.arange(alone.sum())
    clusters = len(names) + int(alone.sum())
    return codes if clusters < len(codes) else None


def clustered_units(statistics: sparse.csr_array, codes: Codes) -> Units:
    """Sum the rows of each cluster: [n, K] -> [G, K]."""
    samples, clusters = len(codes), int(codes.max()) + 1
    member = sparse.csr_array((np.ones(samples), (codes, np.arange(samples))), shape=(clusters, samples))
    return Units(sparse.csr_array(member @ statistics), np.ones(clusters, dtype=np.int64))


def single_units(statistics: sparse.csr_array) -> Units:
    """Each sample by itself, equal ones counted together: [n, K] -> [U, K].

    Which of several equal samples is drawn makes no difference, so U is small for a classifier (at most the square
    of the number of classes), and the order of the samples has no influence.
    """
    rows = statistics.copy()
    rows.eliminate_zeros()
    rows.sort_indices()
    keys = [
        (rows.indices[start:stop].tobytes(), rows.data[start:stop].tobytes()) for start, stop in pairwise(rows.indptr)
    ]
    counts = Counter(keys)
    first = {key: position for position, key in reversed(list(enumerate(keys)))}
    order = sorted(counts)
    return Units(rows[[first[key] for key in order]], np.array([counts[key] for key in order], dtype=np.int64))
