"""One metric's statistics of several runs over the same samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mmbench.stats.bootstrap import FloatArray, SumMetric
from mmbench.stats.units import (
    Codes,
    Columns,
    Units,
    cluster_codes,
    clustered_units,
    joint_codes,
    pooled_units,
    row_codes,
)


@dataclass(frozen=True, slots=True)
class Runs:
    """Statistics of R runs by unit: a cluster, or a sample that stands alone.

    Attributes:
        samples: how many there are.
        clustered: whether a unit is a cluster.
        statistics: of each run, [N, K] for N units.
        codes: of each run, equal where its units are equal, [N].
    """

    samples: int
    clustered: bool
    statistics: Sequence[sparse.csr_array]
    codes: Sequence[Codes]

    def __len__(self) -> int:
        return len(self.statistics)

    def sums(self) -> FloatArray:
        """Of each run over all units, [R, K]."""
        return np.stack([np.asarray(part.sum(axis=0), dtype=np.float64) for part in self.statistics])

    def units(self) -> Units:
        """The different units with the statistics of all runs side by side, [U, R K]."""
        return pooled_units(self.statistics, joint_codes(self.codes))

    def chosen(self, places: Sequence[int]) -> "Runs":
        """Some of the runs, in the order of `places`."""
        statistics = [self.statistics[place] for place in places]
        return Runs(self.samples, self.clustered, statistics, [self.codes[place] for place in places])


def runs_of(metric: SumMetric, rows: Sequence[Columns], groups: NDArray[Any] | None) -> Runs:
    """Statistics of runs over the same n samples.

    Args:
        metric: whose statistics.
        rows: finished, selected rows of each run, in the same order of samples.
        groups: cluster of each sample, [n]; `None` where each stands alone.

    Raises:
        ValueError: there is no run, or they have not as many samples.
    """
    sizes = [len(next(iter(columns.values()))) for columns in rows]
    if len(set(sizes)) != 1:
        raise ValueError(f"runs of {sizes} samples cannot be compared; expected the same samples in all")
    n = sizes[0]
    # Taken together, so that what statistics depend on (classes, document frequencies) is the same for all.
    everything = {column: np.concatenate([columns[column] for columns in rows]) for column in rows[0]}
    together = sparse.csr_array(metric.statistics(everything))
    parts = [together[run * n : (run + 1) * n] for run in range(len(rows))]
    clusters = cluster_codes(groups)
    if clusters is not None:
        parts = [clustered_units(part, clusters).statistics for part in parts]
    return Runs(n, clusters is not None, parts, [row_codes(part) for part in parts])
