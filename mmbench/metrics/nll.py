"""Negative log-likelihood: the mean of -log p(target), also called log loss or cross-entropy."""

from typing import ClassVar

import numpy as np

from mmbench.metrics.mean import MeanMetric
from mmbench.metrics.metric import Columns, FloatArray
from mmbench.metrics.probability import ProbabilityMetric

EPSILON = float(np.finfo(np.float64).eps)
"""Probabilities are clipped to [EPSILON, 1 - EPSILON], as scikit-learn's `log_loss` clips float64 ones."""


class NLL(ProbabilityMetric, MeanMetric):
    """Mean of the negative natural logarithm of the target's probability, in nats; 0 is perfect.

    Probabilities are clipped to [2.2e-16, 1 - 2.2e-16] as by scikit-learn's `log_loss`, so that one impossible target
    costs 36.04 and not infinity. A target that is not among the model's labels is such a one.
    """

    name: ClassVar[str] = "nll"
    higher_is_better: ClassVar[bool] = False

    def per_sample(self, rows: Columns) -> FloatArray:
        """-log p(target), [n]."""
        probability = np.asarray(rows["target_probability"], dtype=np.float64)
        loss: FloatArray = -np.log(np.clip(probability, EPSILON, 1 - EPSILON))
        return loss
