"""What metrics share that are the mean of one number a sample."""

import numpy as np

from mmbench.metrics.metric import Columns, FloatArray, Metric, share


class MeanMetric(Metric):
    """Base of metrics that are the mean over samples of a number: that in the first column, unless overridden."""

    def per_sample(self, rows: Columns) -> FloatArray:
        """The number of each sample, [n]."""
        return np.asarray(rows[self.columns[0]], dtype=np.float64)

    def statistics(self, rows: Columns) -> FloatArray:
        """The numbers, and ones to count them, [n, 2]."""
        numbers = np.asarray(self.per_sample(rows), dtype=np.float64)
        return np.stack([numbers, np.ones_like(numbers)], axis=1)

    def value(self, sums: FloatArray) -> FloatArray:
        """The mean, [..., 2] -> [...]; NaN where there is no sample."""
        return share(sums)
