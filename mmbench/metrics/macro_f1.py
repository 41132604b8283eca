"""Macro-F1: the F1 score of each class, averaged over classes."""

from typing import ClassVar

import numpy as np

from mmbench.metrics.metric import FloatArray
from mmbench.metrics.per_class import PerClassMetric


class MacroF1(PerClassMetric):
    """Unweighted mean of F1 over the classes that occur as a target, 0 to 1."""

    name: ClassVar[str] = "macro_f1"

    def per_class(self, hits: FloatArray, predicted: FloatArray, true: FloatArray) -> FloatArray:
        """F1 = 2 TP / (2 TP + FP + FN); a class that is never predicted has 0."""
        # 2 TP + FP + FN is predicted + true, at least 1 for a class that is present.
        return 2 * hits / np.maximum(predicted + true, 1)
