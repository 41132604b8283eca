"""The contract of a metric: one row of sufficient statistics a sample, then an aggregate.

Every metric here is a function of *sums* over samples: `value(sum(statistics))`. Intervals (resample and sum again),
breakdowns (sum a part), resume and the merging of shards all follow from that one property.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mmbench.sample import Prediction, Sample

FloatArray = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]
Statistics = FloatArray | sparse.csr_array


class Metric(ABC):
    """Base of every metric.

    Class attributes:
        name: what records and `--metric` call it.
        higher_is_better: the direction.
        columns: names of the values in one row; `samples.parquet` has a column `NAME.COLUMN` for each.
        proportion: rows are 0 or 1 and the value is their mean, so a binomial interval is exact enough.
    """

    name: ClassVar[str]
    higher_is_better: ClassVar[bool] = True
    columns: ClassVar[tuple[str, ...]]
    proportion: ClassVar[bool] = False

    @abstractmethod
    def row(self, prediction: Prediction, sample: Sample) -> tuple[Any, ...]:
        """Sufficient statistics of one sample, one value (float, int or str) for each of `columns`."""

    @abstractmethod
    def statistics(self, rows: Columns) -> Statistics:
        """Numbers whose sum over samples determines the metric, [n, K], from columns of n rows each."""

    @abstractmethod
    def value(self, sums: FloatArray) -> FloatArray:
        """The metric from summed statistics [..., K] -> [...]; NaN where it is not defined."""

    def aggregate(self, rows: Columns) -> float:
        """The metric over all rows; NaN where there is none."""
        statistics = self.statistics(rows)
        return float(self.value(np.asarray(statistics.sum(axis=0), dtype=np.float64)))
