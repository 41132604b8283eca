"""Accuracy: the share of samples answered right."""

from typing import Any, ClassVar

import numpy as np

from mmbench.metrics.metric import Columns, FloatArray, Metric
from mmbench.sample import Prediction, Sample


class Accuracy(Metric):
    """Share of samples whose predicted label equals the target, 0 to 1."""

    name: ClassVar[str] = "accuracy"
    columns: ClassVar[tuple[str, ...]] = ("correct",)
    proportion: ClassVar[bool] = True

    def row(self, prediction: Prediction, sample: Sample) -> tuple[Any, ...]:
        """1 where the prediction is the target, else 0."""
        return (int(prediction.value == str(sample.target)),)

    def statistics(self, rows: Columns) -> FloatArray:
        """Right answers and answers, [n, 2]."""
        correct = np.asarray(rows["correct"], dtype=np.float64)
        return np.stack([correct, np.ones_like(correct)], axis=1)

    def value(self, sums: FloatArray) -> FloatArray:
        """Right answers by answers, [..., 2] -> [...]; NaN where there is no answer."""
        right, answers = sums[..., 0], sums[..., 1]
        share: FloatArray = np.divide(right, answers, out=np.full(right.shape, np.nan), where=answers > 0)
        return share
