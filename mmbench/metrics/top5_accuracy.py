"""Top-5 accuracy: the share of samples whose target is among the five most probable labels."""

from typing import ClassVar

import numpy as np

from mmbench.metrics.mean import MeanMetric
from mmbench.metrics.metric import Columns, FloatArray
from mmbench.metrics.probability import ProbabilityMetric


class Top5Accuracy(ProbabilityMetric, MeanMetric):
    """Share of samples whose target is among the five labels with the greatest scores, 0 to 1.

    The predicted label is the first, so that this is no less than the accuracy. Other ties are broken pessimistically:
    the target ranks after every other label with an equal score. (scikit-learn's `top_k_accuracy_score`, which this
    equals without ties, lets the label with the higher index win.) A model with at most five labels is right wherever
    it knows the target.
    """

    name: ClassVar[str] = "top5_accuracy"
    proportion: ClassVar[bool] = True

    def per_sample(self, rows: Columns) -> FloatArray:
        """1 where the target ranks among the first five of the labels, else 0; [n]."""
        rank, classes = np.asarray(rows["target_rank"]), np.asarray(rows["classes"])
        # A target that is not among the labels ranks behind the last of them, be they fewer than five.
        return np.asarray(rank <= np.minimum(classes, 5), dtype=np.float64)
