"""Mean per-class recall, also called balanced accuracy: the recall of each class, averaged over classes."""

from typing import Any, ClassVar

import numpy as np

from mmbench.metrics.metric import Columns, FloatArray
from mmbench.metrics.per_class import PerClassMetric, confusion


class MeanClassRecall(PerClassMetric):
    """Unweighted mean of recall over the classes that occur as a target, 0 to 1."""

    most: ClassVar[float] = 1.0

    name: ClassVar[str] = "mean_class_recall"

    def per_class(self, hits: FloatArray, predicted: FloatArray, true: FloatArray) -> FloatArray:
        """Recall = TP / (TP + FN)."""
        return hits / np.maximum(true, 1)

    def details(self, rows: Columns) -> dict[str, Any]:
        """The confusion matrix, which recalls are read from."""
        return confusion(rows)
