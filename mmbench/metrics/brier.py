"""Brier score: the mean squared distance of the predicted probabilities from what was the case."""

from typing import ClassVar

import numpy as np

from mmbench.metrics.mean import MeanMetric
from mmbench.metrics.metric import Columns, FloatArray
from mmbench.metrics.probability import ProbabilityMetric


class Brier(ProbabilityMetric, MeanMetric):
    """Mean over samples of the *sum* over classes of (p - y)², 0 to 2, with y = 1 for the target and 0 for the rest.

    This is Brier's own definition (Brier 1950). For two classes it is twice the score that is usual there, and twice
    what scikit-learn's `brier_score_loss` gives unless `scale_by_half=False`.
    """

    most: ClassVar[float] = 2.0

    name: ClassVar[str] = "brier"
    higher_is_better: ClassVar[bool] = False

    def per_sample(self, rows: Columns) -> FloatArray:
        """Sum over classes of (p - y)², [n]."""
        return np.asarray(rows["brier"], dtype=np.float64)
