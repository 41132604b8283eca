"""Accuracy: the share of samples answered right."""

from typing import Any, ClassVar

from mmbench.metrics.mean import MeanMetric
from mmbench.metrics.metric import one_target
from mmbench.sample import Prediction, Sample


class Accuracy(MeanMetric):
    """Share of samples whose predicted label equals the target, 0 to 1."""

    name: ClassVar[str] = "accuracy"
    columns: ClassVar[tuple[str, ...]] = ("correct",)
    proportion: ClassVar[bool] = True

    def row(self, prediction: Prediction, sample: Sample) -> tuple[Any, ...]:
        """1 where the prediction is the target, else 0.

        Raises:
            TypeError: the target is a list.
        """
        return (int(prediction.value == one_target(sample)),)
